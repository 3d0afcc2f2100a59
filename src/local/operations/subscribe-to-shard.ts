import { resourceInUse } from '../api-error.ts'
import { consumerStatus } from '../consumers/consumer-state.ts'
import { findConsumer } from '../consumers/find-consumer.ts'
import { consumerArn, required, sequenceNumber, shardId, streamId, timestamp } from '../shapes/members.ts'
import { isExpired } from '../state/stream-state.ts'
import { eventStreamType } from '../wire/event-stream.ts'
import { StreamedAnswer } from '../wire/streamed-answer.ts'
import { dryRun, endDryRun } from './dry-run.ts'
import { readShardId, shardDoesNotExist } from './find-shard.ts'
import { operation } from './operation.ts'
import { positionTypes, startPosition } from './start-position.ts'

export const subscribeToShard = operation({
  input: {
    type: 'Structure',
    members: {
      ConsumerARN: required(consumerArn),
      ShardId: required(shardId),
      StartingPosition: {
        type: 'Structure',
        required: true,
        members: {
          Type: { type: 'String', required: true, values: positionTypes },
          SequenceNumber: sequenceNumber,
          Timestamp: timestamp,
        },
      },
      StreamId: streamId,
      DryRun: dryRun,
    },
  },
  async run(core, input, format) {
    const { stream, consumer } = findConsumer(core, input)
    const { name } = stream.state
    const shardIndex = readShardId(core, name, input.ShardId)
    const shard = stream.shard(shardIndex)
    const nowMs = core.clock.now()
    if (shard === undefined || !stream.isServing || isExpired(stream.state, shard, nowMs))
      throw shardDoesNotExist(core, name, shardIndex)
    if (consumerStatus(consumer, nowMs) !== 'ACTIVE')
      throw resourceInUse(
        `Consumer ${consumer.name} with creation timestamp ${consumer.createdSeconds} under stream ${name} and account ${core.account} is not in ACTIVE status.`,
      )
    const { Type: type, SequenceNumber, Timestamp: timestampMs } = input.StartingPosition
    const position = { type, sequenceNumber: SequenceNumber, timestampMs }
    const fromSeqIx = await startPosition(core, stream, shard, position)
    const target = { stream, consumer, shardIndex, fromSeqIx, format }
    core.subscriptions.checkFree(core, target)
    endDryRun(input)
    const subscription = core.subscriptions.begin(core, target)
    return new StreamedAnswer(eventStreamType, (gone) => subscription.messages(gone))
  },
})
