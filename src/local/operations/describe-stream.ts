import { pageLimit, shardId, streamReference } from '../shapes/members.ts'
import { listedShards } from '../state/stream-state.ts'
import { describeShard } from './describe-shard.ts'
import { describeStreamBasics } from './describe-stream-basics.ts'
import { findStream } from './find-stream.ts'
import { operation } from './operation.ts'
import { shardsAfter } from './shards-after.ts'

const mostShards = 100

export const describeStream = operation({
  input: {
    type: 'Structure',
    members: { ...streamReference, Limit: pageLimit, ExclusiveStartShardId: shardId },
  },
  run(core, input) {
    const { state } = findStream(core, input)
    const shards = shardsAfter(listedShards(state, core.clock.now()), input.ExclusiveStartShardId)
    const page = shards.slice(0, Math.min(input.Limit ?? mostShards, mostShards))
    return {
      StreamDescription: {
        ...describeStreamBasics(core, state),
        Shards: page.map(describeShard),
        HasMoreShards: page.length < shards.length,
      },
    }
  },
})
