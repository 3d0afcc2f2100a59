import type { PutEntry } from '../kinesis/kinesis-api.ts'

/**
 * What waits for one stream, in order: filled by the sockets, emptied by the stream's sender. A chunk that was handed
 * out counts as waiting until it is settled.
 */
export interface RecordQueue {
  readonly recordCount: number
  /** Bookkeeping included, as it counts against the limit. */
  readonly bytes: number
  /** When the oldest waiting record came, on the monotonic clock; undefined when none waits. */
  readonly oldestMs: number | undefined
  add(entry: PutEntry): void
  /** The next chunk, when it is due; undefined when the queue is closed and empty. One call at a time. */
  next(): Promise<Chunk | undefined>
  /** Of the chunk's records only `left` still wait; the others stand in the stream, or never will. */
  settle(chunk: Chunk, left: PutEntry[]): void
  /** Nothing more is added: what waits is due at once. */
  close(): void
}

/** Records that travel together; small enough for one PutRecords request. */
export interface Chunk {
  /** Its place among all chunks of the queue. */
  number: number
  /** Those without an outcome yet. */
  entries: PutEntry[]
  bytes: number
  /** When its oldest record came, on the monotonic clock. */
  sinceMs: number
}

/** What a record takes in memory beside its bytes: its objects, and the ones that will carry it to Kinesis. */
export const bookkeepingBytes = 512

export function bytesOf(entry: PutEntry): number {
  return entry.data.length + entry.partitionKey.length + bookkeepingBytes
}
