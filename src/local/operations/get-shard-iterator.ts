import { required, sequenceNumber, shardId, streamReference, timestamp } from '../shapes/members.ts'
import { isExpired } from '../state/stream-state.ts'
import { dryRun, endDryRun } from './dry-run.ts'
import { readShardId, shardDoesNotExist } from './find-shard.ts'
import { streamNameOf } from './find-stream.ts'
import { operation } from './operation.ts'
import { positionTypes, startPosition } from './start-position.ts'

export const getShardIterator = operation({
  input: {
    type: 'Structure',
    members: {
      ShardId: required(shardId),
      ShardIteratorType: {
        type: 'String',
        required: true,
        values: positionTypes,
      },
      StartingSequenceNumber: sequenceNumber,
      ...streamReference,
      Timestamp: timestamp,
      DryRun: dryRun,
    },
  },
  async run(core, input) {
    const name = streamNameOf(core, input)
    const shardIndex = readShardId(core, name, input.ShardId)
    const stream = core.streams.get(name)
    const shard = stream?.shard(shardIndex)
    if (
      stream === undefined ||
      shard === undefined ||
      !stream.isServing ||
      isExpired(stream.state, shard, core.clock.now())
    )
      throw shardDoesNotExist(core, name, shardIndex)
    const fromSeqIx = await startPosition(core, stream, shard, {
      type: input.ShardIteratorType,
      sequenceNumber: input.StartingSequenceNumber,
      timestampMs: input.Timestamp,
    })
    endDryRun(input)
    return {
      ShardIterator: core.iterators.issue({ serial: stream.state.serial, streamName: name, shardIndex, fromSeqIx }),
    }
  },
})
