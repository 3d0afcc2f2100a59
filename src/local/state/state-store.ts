import type { StreamState } from './stream-state.ts'

/**
 * Everything of the engine but records. One call is one transaction: it is kept whole or, when it throws a
 * StorageError, not at all.
 */
export interface StateStore {
  /** Signs iterators and tokens; the same after a restart. */
  readonly secret: Buffer
  /** All streams, as they were kept last. */
  load(): KeptStream[]
  /** A serial that no stream had before. */
  nextSerial(): number
  /** The create time of the last stream of that name that was removed. */
  lastCreatedSeconds(name: string): number | undefined
  /** Keeps the stream; `previous` is what was kept of it before, so that only what changed is written. */
  save(stream: StreamState, previous: StreamState | undefined): void
  /** Forgets the stream, but for its name and create time. */
  remove(stream: StreamState): void
  /** No seqIx of the stream from `mark` on has been given out yet. */
  saveSeqIxMark(serial: number, mark: number): void
  /** Where the counters of the shard groups stand: only at a clean end, and void once a mark is saved. */
  saveCounters(serial: number, counters: readonly number[]): void
  /** A setting of the whole engine, as it was saved last. */
  setting(name: string): string | undefined
  saveSetting(name: string, value: string): void
  close(): void
}

export interface KeptStream {
  readonly stream: StreamState
  readonly seqIxMark: number
  /** Present when the engine ended cleanly. */
  readonly counters?: readonly number[]
}
