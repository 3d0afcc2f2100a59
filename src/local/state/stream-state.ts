import type { HashKeyRange } from '../../kinesis/hash-key.ts'
import { defaultMaxRecordBytes } from '../../kinesis/limits.ts'
import type { ConsumerState } from '../consumers/consumer-state.ts'
import type { ReshardStep } from './reshard.ts'

/**
 * A stream but for its records, as a value: operations and the passing of time give a new one, the store keeps it.
 *
 *     -                  CreateStream                        CREATING
 *     CREATING           createStreamMs later                ACTIVE, with its shards
 *     ACTIVE             SplitShard, MergeShards,
 *                        UpdateShardCount                    UPDATING, still with the old shards
 *     ACTIVE             Start/StopStreamEncryption,
 *                        UpdateStreamMode,
 *                        UpdateMaxRecordSize,
 *                        UpdateStreamWarmThroughput          UPDATING, still with the old settings
 *     UPDATING           updateStreamMs later                ACTIVE, with the new shards or settings
 *     any                DeleteStream                        DELETING, without records
 *     DELETING           deleteStreamMs later                gone
 */
export interface StreamState extends StreamSettings {
  /** Never given to another stream, also not to one of the same name. */
  readonly serial: number
  readonly name: string
  readonly status: StreamStatus
  /** Epoch seconds; also the create time in the first shards' sequence numbers. */
  readonly createdSeconds: number
  readonly retentionHours: number
  /**
   * Records that arrived before this moment stay invisible, however long retention becomes: epoch milliseconds. As
   * arrival times never fall within a shard, it is a mark in every shard.
   */
  readonly trimmedBeforeMs?: number
  /** In the order of their indexes. Closed ones stay until they expire. */
  readonly shards: readonly ShardState[]
  /** Indexes are never reused. */
  readonly nextShardIndex: number
  readonly tags?: Tags
  /** Names of the metrics that each shard would give. */
  readonly shardMetrics?: readonly string[]
  /** Texts of resource policies, by the ARN of the stream or of a consumer. */
  readonly policies?: Readonly<Record<string, string>>
  /** Readers that records are pushed to; `consumersAt` tells which are there now. */
  readonly consumers?: readonly ConsumerState[]
  /** What will happen by itself: kept, so that a restart in a middle state continues it. */
  readonly pending?: PendingChange
}

/** What can be set on a stream after it was created. Null: taken back. */
export interface StreamSettings {
  readonly mode: StreamMode
  /** Records count as encrypted with this KMS key. */
  readonly keyId?: string | null
  /** Data and key of one record. @default 1024 */
  readonly maxRecordKiB?: number
  /** Asked for, in MiB a second; on-demand streams only. */
  readonly warmThroughputMiBps?: number | null
  /** AUTO is for on-demand streams only. @default 'USER_PARTITION_KEY' */
  readonly distribution?: RecordDistribution
}

/** AUTO: records go to the open shards in turn, whatever their keys. */
export type RecordDistribution = 'AUTO' | 'USER_PARTITION_KEY'

/** By key. */
export type Tags = Readonly<Record<string, string>>

export type StreamStatus = 'CREATING' | 'ACTIVE' | 'UPDATING' | 'DELETING'

/** On-demand streams choose their shards themselves: requests to change them are refused. */
export type StreamMode = 'PROVISIONED' | 'ON_DEMAND'

export type PendingChange = { readonly dueMs: number } & (
  | { readonly kind: 'open'; readonly shardCount: number }
  | { readonly kind: 'reshard'; readonly steps: readonly ReshardStep[] }
  | { readonly kind: 'set'; readonly settings: Partial<StreamSettings> }
  | { readonly kind: 'remove' }
)

export interface ShardState {
  readonly index: number
  readonly range: HashKeyRange
  /** Epoch seconds, as in the shard's sequence numbers: a child's is later than its parents' closing. */
  readonly createdSeconds: number
  /** When its life began: the moment at which its parents closed. */
  readonly openedMs: number
  readonly closedMs?: number
  readonly parentIndex?: number
  readonly adjacentParentIndex?: number
}

/** A closed shard is gone once no record in it can be visible any more. */
export function isExpired(stream: StreamState, shard: ShardState, nowMs: number): boolean {
  return shard.closedMs !== undefined && shard.closedMs < horizonMs(stream, nowMs)
}

/** Records that arrived before this are invisible. */
export function horizonMs(stream: StreamState, nowMs: number): number {
  return Math.max(nowMs - stream.retentionHours * 3_600_000, stream.trimmedBeforeMs ?? Number.NEGATIVE_INFINITY)
}

/** The stream with another retention: less trims at once, more brings nothing back. */
export function withRetention(stream: StreamState, retentionHours: number, nowMs: number): StreamState {
  const next = { ...stream, retentionHours }
  return { ...next, trimmedBeforeMs: Math.max(horizonMs(stream, nowMs), horizonMs(next, nowMs)) }
}

/** Data and key of one record, in bytes. */
export function maxRecordBytes(stream: StreamState): number {
  return stream.maxRecordKiB === undefined ? defaultMaxRecordBytes : stream.maxRecordKiB * 1024
}

/** The shards that clients may see. */
export function listedShards(stream: StreamState, nowMs: number): ShardState[] {
  return stream.shards.filter((shard) => !isExpired(stream, shard, nowMs))
}

export function openShards(stream: StreamState): ShardState[] {
  return stream.shards.filter((shard) => shard.closedMs === undefined)
}
