import type { HashKeyRange } from '../../kinesis/hash-key.ts'
import type { ConsumerState } from '../consumers/consumer-state.ts'
import type { ReshardStep } from './reshard.ts'

/**
 * A stream but for its records, as a value: operations and the passing of time give a new one, the store keeps it.
 *
 *     -                  CreateStream                        CREATING
 *     CREATING           createStreamMs later                ACTIVE, with its shards
 *     ACTIVE             SplitShard, MergeShards,
 *                        UpdateShardCount                    UPDATING, still with the old shards
 *     UPDATING           updateStreamMs later                ACTIVE, with the new shards
 *     any                DeleteStream                        DELETING, without records
 *     DELETING           deleteStreamMs later                gone
 */
export interface StreamState {
  /** Never given to another stream, also not to one of the same name. */
  readonly serial: number
  readonly name: string
  readonly status: StreamStatus
  readonly mode: StreamMode
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
  /** Readers that records are pushed to; `consumersAt` tells which are there now. */
  readonly consumers?: readonly ConsumerState[]
  /** What will happen by itself: kept, so that a restart in a middle state continues it. */
  readonly pending?: PendingChange
}

/** By key. */
export type Tags = Readonly<Record<string, string>>

export type StreamStatus = 'CREATING' | 'ACTIVE' | 'UPDATING' | 'DELETING'

/** On-demand streams choose their shards themselves: requests to change them are refused. */
export type StreamMode = 'PROVISIONED' | 'ON_DEMAND'

export type PendingChange = { readonly dueMs: number } & (
  | { readonly kind: 'open'; readonly shardCount: number }
  | { readonly kind: 'reshard'; readonly steps: readonly ReshardStep[] }
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

/** The shards that clients may see. */
export function listedShards(stream: StreamState, nowMs: number): ShardState[] {
  return stream.shards.filter((shard) => !isExpired(stream, shard, nowMs))
}

export function openShards(stream: StreamState): ShardState[] {
  return stream.shards.filter((shard) => shard.closedMs === undefined)
}
