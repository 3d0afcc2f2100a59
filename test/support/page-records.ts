import type { EncodedRecord, PageRecords } from '../../src/kinesis/kinesis-api.ts'

/** Records that are there already, as a page holds them. */
export function pageRecordsOf(records: readonly EncodedRecord[]): PageRecords {
  const byteLength = records.reduce(
    (sum, { bytes, partitionKey }) => sum + bytes.length + Buffer.byteLength(partitionKey),
    0,
  )
  return Object.assign([...records], { byteLength, release: () => {} })
}
