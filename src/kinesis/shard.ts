import type { HashKeyRange } from './hash-key.ts'

/** One shard of a stream as ListShards tells it. */
export interface Shard {
  /** `shardId-` and twelve digits. */
  shardId: string
  hashKeyRange: HashKeyRange
  startingSequenceNumber: string
  /** Present only when the shard is closed: by a split, a merge or UpdateShardCount. */
  endingSequenceNumber?: string
  /** The shard that this one came from; it may have expired and no longer be listed. */
  parentShardId?: string
  /** The second parent, after a merge. */
  adjacentParentShardId?: string
}

/** The id of the shard with this number. */
export function shardIdOf(shardIndex: number): string {
  return `shardId-${String(shardIndex).padStart(12, '0')}`
}

/** The number that a shard's id ends in, or undefined when it is no shard id. */
export function shardIndexOf(shardId: string): number | undefined {
  const match = /^shardId-(\d{12})$/.exec(shardId)
  return match ? Number(match[1]) : undefined
}

export function parentShardIdsOf(shard: Pick<Shard, 'parentShardId' | 'adjacentParentShardId'>): string[] {
  return [shard.parentShardId, shard.adjacentParentShardId].filter((id) => id !== undefined)
}

export function isOpen(shard: Shard): boolean {
  return shard.endingSequenceNumber === undefined
}
