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
  /** It can take nothing just now, whatever room there is. */
  readonly isBlocked: boolean
  /** `onKept` hears when the record is as safe as this queue makes it. */
  add(entry: PutEntry, onKept?: OnKept): void
  /** The next chunk, when it is due; undefined when the queue is closed and empty. One call at a time. */
  next(): Promise<Chunk | undefined>
  /** Of the chunk's records only `left` still wait; the others stand in the stream, or never will. */
  settle(chunk: Chunk, left: PutEntry[]): void
  /** Nothing more is added. What waits in memory is due at once; what waits on disk stays there. */
  close(): void
  /** Gives everything back, when nothing is under way any more. Answers how many records are lost with it. */
  release(): Promise<number>
}

/** With a reason when the record was not kept. */
export type OnKept = (reason?: string) => void

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
