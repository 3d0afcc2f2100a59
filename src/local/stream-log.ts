/**
 * The records of one stream on disk (or in memory), by shard. Knows shard indexes and seqIx only: ids, sequence numbers'
 * text, retention rules and shard states belong to the engine.
 *
 * A record is packed as: key length u16 (0xffff: no key), data length u32, key (UTF-8), data; little-endian.
 * All records of one request that go to one shard form one block, with consecutive seqIx and one arrival time.
 */
export interface StreamLog {
  /** Resolves when every block is kept as the sync rule says; a request's blocks are kept together or not at all. Rejects with a StorageError, and then nothing was kept. */
  append(blocks: readonly AppendBlock[]): Promise<void>
  /**
   * Records of a shard with seqIx >= `fromSeqIx` and arrival >= `notBeforeMs`, in order, as they stand durable now:
   * whole until `maxRecords` or `maxBytes` (keys and data) is reached, at least one when there is one.
   */
  read(query: ReadQuery): Promise<LogPage>
  /** The seqIx of the first record with arrival >= `arrivalMs`, or undefined when there is none yet. */
  seqIxAt(shardIndex: number, arrivalMs: number): Promise<number | undefined>
  /** Per shard index: what the last durable record was. Known at open, from the sealed indexes and the last segment. */
  tails(): ReadonlyMap<number, ShardTail>
  /** Deletes whole segments in which every record arrived before `beforeMs`. Answers the bytes given back. */
  trim(beforeMs: number): Promise<number>
  close(): Promise<void>
}

export interface AppendBlock {
  shardIndex: number
  firstSeqIx: number
  recordCount: number
  seqTimeSeconds: number
  arrivalMs: number
  /** Packed records, back to back. The log keeps no reference after the append resolved. */
  bytes: Uint8Array
}

export interface ReadQuery {
  shardIndex: number
  fromSeqIx: number
  /** Arrival time below which records are invisible (retention). */
  notBeforeMs: number
  maxRecords: number
  maxBytes: number
}

export interface LogPage {
  blocks: LogBlock[]
  recordCount: number
  /** Where the next read goes on: the last record's seqIx + 1, or `fromSeqIx` when nothing was read. */
  nextSeqIx: number
  /** True when no durable record of this shard follows the page. */
  reachesTip: boolean
  /** For a reader that is done with the bytes of the blocks: lets the next page have their memory. */
  giveBack?(): void
}

export interface LogBlock {
  firstSeqIx: number
  recordCount: number
  seqTimeSeconds: number
  arrivalMs: number
  /** Packed records, exactly `recordCount` of them. Valid until the next turn of the event loop at least; never changed. */
  bytes: Buffer
}

export interface ShardTail {
  lastSeqIx: number
  lastSeqTimeSeconds: number
  lastArrivalMs: number
}
