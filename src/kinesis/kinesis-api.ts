import type { Position } from './position.ts'
import type { Shard } from './shard.ts'

/**
 * The few Kinesis calls that Triton makes, in our own words. `AwsKinesisApi` makes them through the AWS SDK.
 *
 * No call retries by itself: the producer, the consumer and the commands each know how long they may. Every call
 * rejects with a `KinesisCallError` (retry-class.ts), or with a `ClosedError` when `signal` fires.
 */
export interface KinesisApi {
  /** The answer has the request's length and order. */
  putRecords(stream: string, entries: readonly PutEntry[], signal?: AbortSignal): Promise<PutAnswer[]>
  getShardIterator(stream: string, shardId: string, position: Position, signal?: AbortSignal): Promise<string>
  /** At most `limit` records, 1..10,000. */
  getRecords(shardIterator: string, limit: number, signal?: AbortSignal): Promise<Page>
  /** All shards that have not expired, in the order of their ids; pages are followed. */
  listShards(stream: string, signal?: AbortSignal): Promise<Shard[]>
  describeStreamSummary(stream: string, signal?: AbortSignal): Promise<StreamSummary>
  listStreams(signal?: AbortSignal): Promise<string[]>
  createStream(stream: string, shardCount: number, signal?: AbortSignal): Promise<void>
  deleteStream(stream: string, signal?: AbortSignal): Promise<void>
  splitShard(stream: string, shardId: string, newStartingHashKey: bigint, signal?: AbortSignal): Promise<void>
  mergeShards(stream: string, shardId: string, adjacentShardId: string, signal?: AbortSignal): Promise<void>
  updateShardCount(stream: string, targetShardCount: number, signal?: AbortSignal): Promise<void>
  /** Gives connections back. May be called twice. */
  close(): void
}

export interface PutEntry {
  data: Uint8Array
  partitionKey: string
  /** Decimal, 0..2^128-1; decides the shard instead of the partition key. */
  explicitHashKey?: string
}

export type PutAnswer =
  | { shardId: string; sequenceNumber: string; errorCode?: undefined }
  | { errorCode: string; errorMessage: string }

/** A record as it lies in the stream, not decoded yet. */
export interface EncodedRecord {
  sequenceNumber: string
  partitionKey: string
  /** ApproximateArrivalTimestamp, epoch milliseconds. */
  arrivedAtMs: number
  /** May be a view into a buffer that other records share. */
  bytes: Uint8Array
}

/** Records in their order, each made when it is asked for, and anew each time. */
export interface PageRecords extends Iterable<EncodedRecord> {
  readonly length: number
  /** Data and keys of all of them, in bytes. */
  readonly byteLength: number
  at(index: number): EncodedRecord | undefined
  slice(from: number, to: number): EncodedRecord[]
  /** None of them is asked for any more, so that their memory can serve others. What was made of them stays good. */
  release(): void
}

/** What an empty page holds. */
export const noRecords: PageRecords = {
  length: 0,
  byteLength: 0,
  at: () => undefined,
  slice: () => [],
  release: () => {},
  [Symbol.iterator]: () => [][Symbol.iterator](),
}

/** One GetRecords answer. */
export interface Page {
  records: PageRecords
  /** Absent at the end of a closed shard. */
  nextShardIterator?: string
  /** 0 when the page reaches the shard's tip. */
  millisBehindLatest: number
  /** Present exactly when `nextShardIterator` is absent. */
  childShards?: ChildShard[]
}

export interface ChildShard {
  shardId: string
  parentShardIds: string[]
}

export interface StreamSummary {
  name: string
  arn: string
  status: string
  openShardCount: number
  retentionHours: number
  maxRecordBytes: number
  /** Epoch milliseconds. */
  createdAtMs: number
}
