import { shardIdOf } from '../../kinesis/shard.ts'
import { invalidArgument } from '../api-error.ts'
import { required, shardId, streamReference } from '../shapes/members.ts'
import { resharding } from '../state/pending-change.ts'
import { checkNotClosed, findShard, readShardId } from './find-shard.ts'
import { checkProvisioned, findActiveStream, streamNameOf } from './find-stream.ts'
import { operation } from './operation.ts'

export const mergeShards = operation({
  input: {
    type: 'Structure',
    members: { ShardToMerge: required(shardId), ...streamReference, AdjacentShardToMerge: required(shardId) },
  },
  run(core, input) {
    const name = streamNameOf(core, input)
    const shardIndex = readShardId(core, name, input.ShardToMerge)
    const adjacentShardIndex = readShardId(core, name, input.AdjacentShardToMerge)
    const stream = findActiveStream(core, input)
    checkProvisioned(core, stream)
    const lower = findShard(core, stream, shardIndex)
    const upper = findShard(core, stream, adjacentShardIndex)
    checkNotClosed(core, name, lower)
    checkNotClosed(core, name, upper)
    if (lower.range.end + 1n !== upper.range.start)
      throw invalidArgument(
        `Shards ${shardIdOf(shardIndex)} and ${shardIdOf(adjacentShardIndex)} in stream ${name} under account ${core.account} are not an adjacent pair of shards eligible for merging`,
      )
    const step = { kind: 'merge', shardIndex, adjacentShardIndex } as const
    core.streams.change(stream, resharding(stream.state, [step], core.clock.now() + core.updateStreamMs))
    return undefined
  },
})
