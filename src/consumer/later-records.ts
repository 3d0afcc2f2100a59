import type { EncodedRecord, PageRecords } from '../kinesis/kinesis-api.ts'

/** All records but the first. */
export function laterRecords(records: PageRecords): PageRecords {
  const first = records.at(0)
  if (first === undefined) return records
  return {
    length: records.length - 1,
    byteLength: records.byteLength - first.bytes.length - Buffer.byteLength(first.partitionKey),
    at: (index) => (index < 0 ? undefined : records.at(index + 1)),
    slice: (from, to) => records.slice(from + 1, to + 1),
    release: () => records.release(),
    *[Symbol.iterator](): Generator<EncodedRecord, undefined> {
      for (let index = 1; index < records.length; index++) yield records.at(index) as EncodedRecord
    },
  }
}
