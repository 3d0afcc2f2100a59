import type { StreamDefinition } from '../config.ts'
import { report } from '../diagnostics.ts'
import { FormatError } from '../errors.ts'
import { decodeMsgpack, decodeRecords } from '../record/msgpack-decode.ts'
import { type DecodedRecord, type RecordFormat, recordCodec } from '../record/record-codec.ts'
import { type ArchiveDecode, ArchiveIterator } from './archive-iterator.ts'
import type { ArchiveStore } from './archive-store.ts'
import { bytesOfRawRecord } from './raw-record.ts'
import { type ArchiveBlock, type Day, findArchives, type ReadArchivesOptions, readArchives } from './read-archives.ts'

export interface StreamFromStoreOptions extends ReadArchivesOptions {
  /** Whose archives to read, where there are those of several clients. */
  client?: string
}

/**
 * The archived records of a stream from one day to another, both included (UTC; without an end, of the start day): a day
 * is `YYYYMMDD` or a Date in it. Days are those on which records were stored.
 *
 *     for await (const order of streamFromStore<Order>(openStore('s3://triton-data'), config.orders, '20261124')) ...
 */
export function streamFromStore<T = unknown>(
  store: ArchiveStore,
  definition: Pick<StreamDefinition, 'name' | 'format'>,
  start: Day,
  end: Day = start,
  options: StreamFromStoreOptions = {},
): ArchiveIterator<T> {
  const blocks = blocksOf(store, definition.name, start, end, options)
  const onLost = (failure: FormatError, { archive, offset, recordNumber }: ArchiveBlock) => {
    const file = `${store.address}/${archive.key}`
    report({ type: 'archive-damaged', file, offset, until: offset, recordNumber, reason: failure.message })
    options.onDamage?.()
  }
  return new ArchiveIterator(blocks, archiveDecode<T>(definition.format), options.salvage ? onLost : undefined)
}

/** How the records of a stream of this format lie in archives. */
export function archiveDecode<T>(format: RecordFormat): ArchiveDecode<T> {
  if (format === 'msgpack')
    return {
      toData: (record) => decoded(() => decodeMsgpack(record) as T),
      toPut: (record) => record,
      toValues: (bytes, start, ends) => decodeRecords(bytes, start, ends) as { values: T[]; error?: FormatError },
    }
  const codec = recordCodec(format)
  return {
    toData: (record) => decoded(() => dataIn(codec.decode(bytesOfRawRecord(record))) as T),
    toPut: bytesOfRawRecord,
  }
}

async function* blocksOf(
  store: ArchiveStore,
  stream: string,
  start: Day,
  end: Day,
  options: StreamFromStoreOptions,
): AsyncGenerator<ArchiveBlock[]> {
  const { client, signal } = options
  const archives = await findArchives(store, stream, start, end, {
    ...(client !== undefined && { client }),
    ...(signal && { signal }),
  })
  yield* readArchives(store, archives, options)
}

function decoded<T>(decode: () => T): { data: T; error?: undefined } | { data?: undefined; error: FormatError } {
  try {
    return { data: decode() }
  } catch (error) {
    if (error instanceof FormatError) return { error }
    return { error: new FormatError(error instanceof Error ? error.message : String(error), 0, { cause: error }) }
  }
}

function dataIn({ data, error }: DecodedRecord): unknown {
  if (error) throw error
  return data
}
