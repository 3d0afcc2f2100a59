import { shardIdOf } from '../../kinesis/shard.ts'
import { invalidArgument } from '../api-error.ts'
import { hashKey, required, shardId, streamReference } from '../shapes/members.ts'
import { resharding } from '../state/pending-change.ts'
import { checkShardLimit } from './check-shard-limit.ts'
import { checkNotClosed, findShard, readShardId } from './find-shard.ts'
import { checkProvisioned, findActiveStream, streamNameOf } from './find-stream.ts'
import { operation } from './operation.ts'

export const splitShard = operation({
  input: {
    type: 'Structure',
    members: {
      NewStartingHashKey: required(hashKey),
      ...streamReference,
      ShardToSplit: required(shardId),
    },
  },
  run(core, input) {
    const name = streamNameOf(core, input)
    const shardIndex = readShardId(core, name, input.ShardToSplit)
    const stream = findActiveStream(core, input)
    checkProvisioned(core, stream)
    const shard = findShard(core, stream, shardIndex)
    checkShardLimit(core, 1)
    checkNotClosed(core, name, shard)
    const newStartingHashKey = BigInt(input.NewStartingHashKey)
    const { start, end } = shard.range
    if (newStartingHashKey <= start + 1n || newStartingHashKey >= end)
      throw invalidArgument(
        `NewStartingHashKey ${input.NewStartingHashKey} used in SplitShard() on shard ${shardIdOf(shardIndex)} in stream ${name} under account ${core.account} is not both greater than one plus the shard's StartingHashKey ${start} and less than the shard's EndingHashKey ${end}.`,
      )
    const step = { kind: 'split', shardIndex, newStartingHashKey } as const
    core.streams.change(stream, resharding(stream.state, [step], core.clock.now() + core.updateStreamMs))
    return undefined
  },
})
