import { endingSeqIx, formatSequenceNumber } from '../../kinesis/sequence-number.ts'
import { shardIdOf } from '../../kinesis/shard.ts'
import type { ShardState } from '../state/stream-state.ts'
import type { AnswerObject } from '../wire/encode-answer.ts'

/** A shard as DescribeStream and ListShards show it. */
export function describeShard(shard: ShardState): AnswerObject {
  return {
    ShardId: shardIdOf(shard.index),
    ParentShardId: shard.parentIndex === undefined ? undefined : shardIdOf(shard.parentIndex),
    AdjacentParentShardId: shard.adjacentParentIndex === undefined ? undefined : shardIdOf(shard.adjacentParentIndex),
    HashKeyRange: describeRange(shard),
    SequenceNumberRange: {
      StartingSequenceNumber: startingSequenceNumber(shard),
      EndingSequenceNumber: endingSequenceNumber(shard),
    },
  }
}

/** A shard as the end of its parent's records shows it. */
export function describeChildShard(shard: ShardState): AnswerObject {
  const parents = [shard.parentIndex, shard.adjacentParentIndex].filter((index) => index !== undefined)
  return {
    ShardId: shardIdOf(shard.index),
    ParentShards: parents.map(shardIdOf),
    HashKeyRange: describeRange(shard),
  }
}

function describeRange({ range }: ShardState): AnswerObject {
  return { StartingHashKey: range.start.toString(), EndingHashKey: range.end.toString() }
}

function startingSequenceNumber({ index, createdSeconds }: ShardState): string {
  const times = { createTimeSeconds: createdSeconds, seqTimeSeconds: createdSeconds }
  return formatSequenceNumber({ ...times, shardIndex: index, seqIx: 0n })
}

function endingSequenceNumber({ index, createdSeconds, closedMs }: ShardState): string | undefined {
  if (closedMs === undefined) return undefined
  const times = { createTimeSeconds: createdSeconds, seqTimeSeconds: Math.floor(closedMs / 1000) }
  return formatSequenceNumber({ ...times, shardIndex: index, seqIx: endingSeqIx })
}
