/**
 * How far each client has read each shard. One contract suite (test/contracts/) runs over every implementation.
 *
 * The main table is shared with py-triton and go-triton and may never get a column of ours; what it can't say
 * (sub-sequence number, finished, a pinned start) stands in side tables together with the `seq_num` it belongs to, and
 * is void when the main row says otherwise.
 */
export interface CheckpointStore {
  /** Creates the tables where they are missing. Safe to repeat, also by several processes at once. */
  init(): Promise<void>
  /** The valid checkpoints of one client on one stream, by shard id. Invalid rows are reported and left out. */
  load(client: string, stream: string): Promise<Map<string, Checkpoint>>
  /** Writes all of them in one transaction; rows of other shards stay. */
  save(client: string, stream: string, checkpoints: ReadonlyMap<string, Checkpoint>): Promise<void>
  /**
   * Remembers when this client first started at *latest*, and answers the remembered time: the first call's
   * `timestampMs`, until `reset`. A crash before a shard's first checkpoint then loses nothing.
   */
  pinStart(client: string, stream: string, timestampMs: number): Promise<number>
  /** All rows, valid or not, ordered by client, stream, shard; for people and statistics. */
  list(filter?: { client?: string; stream?: string }): Promise<CheckpointRow[]>
  /**
   * Forgets checkpoints of a client on a stream: those of the shards named, or all of them and the pinned start.
   * Answers how many rows went.
   */
  reset(client: string, stream: string, shardIds?: readonly string[]): Promise<number>
  /** May be called twice. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface Checkpoint {
  /** The last record that was handed out or handled; of an aggregate's inside, the aggregate's number. */
  sequenceNumber: string
  /** Last user record of the aggregate that was handled; absent when all of the Kinesis record was. */
  subSequenceNumber?: number
  /**
   * The shard was closed and read to its end. `sequenceNumber` is then its last record, or its starting number when it
   * had none: to the old programs the row stays an ordinary position.
   */
  isFinished: boolean
}

export interface CheckpointRow {
  client: string
  stream: string
  shardId: string
  /** As it stands in the table; may be no sequence number at all. */
  sequenceNumber: string
  subSequenceNumber?: number
  isFinished: boolean
  /** Unix seconds. */
  updatedSeconds: number
}
