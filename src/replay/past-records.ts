import { type ArchiveDecode, type ArchivedRecord, ArchiveIterator } from '../archive/archive-iterator.ts'
import type { ArchiveStore } from '../archive/archive-store.ts'
import { bytesOfRawRecord } from '../archive/raw-record.ts'
import { type ChosenArchive, readArchives } from '../archive/read-archives.ts'
import { SideRecords } from '../archive/side-records.ts'
import { archiveDecode } from '../archive/stream-from-store.ts'
import { type DecodedRecord, type RecordFormat, recordCodec } from '../record/record-codec.ts'

export interface PastRecordsOptions {
  signal: AbortSignal
  /** Absent: they are left out, and counted by this. */
  onLeftOut?: (count: number) => void
}

/**
 * Every record of these archives as it came to the stream: what lies in side objects is put back between the records
 * where it once stood, and what does not decode has its error instead of data, as with any reader of the stream. In
 * groups, never empty.
 */
export async function* pastRecords(
  store: ArchiveStore,
  archives: readonly ChosenArchive[],
  format: RecordFormat,
  { signal, onLeftOut }: PastRecordsOptions,
): AsyncGenerator<ArchivedRecord<DecodedRecord>[]> {
  const main = new ArchiveIterator(readArchives(store, archives, { signal }), outcomesOf(format))
  let side: SideRecords | undefined
  let index = -1
  try {
    for await (const batch of main.batches()) {
      // Also past archives in which nothing but the side object has records.
      while (archives[index]?.key !== batch[0]?.key) {
        if (side !== undefined) yield* side.rest()
        index += 1
        side = await open(archives[index] as ChosenArchive)
      }
      if (side === undefined) yield batch
      else yield* side.between(batch)
    }
    for (;;) {
      if (side !== undefined) yield* side.rest()
      index += 1
      if (index >= archives.length) return
      side = await open(archives[index] as ChosenArchive)
    }
  } finally {
    await side?.close()
    await main.close()
  }

  async function open(archive: ChosenArchive): Promise<SideRecords | undefined> {
    // Where records are no msgpack, all of them lie in the main object.
    if (format !== 'msgpack' || signal.aborted) return undefined
    const found = await SideRecords.open(store, archive, signal)
    if (found === undefined || onLeftOut === undefined) return found
    onLeftOut(found.count)
    return undefined
  }
}

/** A record that does not decode is an outcome, too. */
function outcomesOf(format: RecordFormat): ArchiveDecode<DecodedRecord> {
  if (format === 'msgpack') {
    const { toData, toPut } = archiveDecode<unknown>(format)
    return { toData: (record) => ({ data: toData(record) }), toPut }
  }
  const codec = recordCodec(format)
  return { toData: (record) => ({ data: codec.decode(bytesOfRawRecord(record)) }), toPut: bytesOfRawRecord }
}
