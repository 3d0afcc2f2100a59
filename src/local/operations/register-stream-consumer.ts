import { limitExceeded, resourceInUse } from '../api-error.ts'
import { type ConsumerState, consumerStatus, consumersAt } from '../consumers/consumer-state.ts'
import { describeConsumer } from '../consumers/describe-consumer.ts'
import { consumerName, required, streamArn, streamId, tags } from '../shapes/members.ts'
import { addTags } from './change-tags.ts'
import { arnOf, findStream } from './find-stream.ts'
import { operation } from './operation.ts'

/** Of one stream (AWS: RegisterStreamConsumer). */
const mostConsumers = 20
const mostCreating = 5

export const registerStreamConsumer = operation({
  input: {
    type: 'Structure',
    members: {
      StreamARN: required(streamArn),
      ConsumerName: required(consumerName),
      StreamId: streamId,
      Tags: tags,
    },
  },
  run(core, input) {
    const stream = findStream(core, input)
    const { account } = core
    const { name: streamName, status, createdSeconds } = stream.state
    if (!stream.isServing)
      throw resourceInUse(`Stream ${streamName} under account ${account} not ACTIVE, instead in state ${status}`)
    const nowMs = core.clock.now()
    const { ConsumerName: name } = input
    const present = consumersAt(stream.state, nowMs)
    const arn = arnOf(core, streamName)
    if (present.some((consumer) => consumer.name === name))
      throw resourceInUse(`Consumer ${name} under stream ${arn} already exists.`)
    if (present.length >= mostConsumers)
      throw limitExceeded(`No more than ${mostConsumers} consumers may be registered with stream ${arn}.`)
    if (present.filter((consumer) => consumerStatus(consumer, nowMs) === 'CREATING').length >= mostCreating)
      throw limitExceeded(`No more than ${mostCreating} consumers may be in state CREATING under stream ${arn}.`)
    const given = input.Tags && addTags(core, streamName, undefined, input.Tags)
    const consumer: ConsumerState = {
      name,
      createdSeconds: Math.max(Math.floor(nowMs / 1000), createdSeconds),
      phase: 'CREATING',
      dueMs: nowMs + core.updateStreamMs,
      ...(given && { tags: given }),
    }
    core.streams.change(stream, { ...stream.state, consumers: [...present, consumer] })
    return { Consumer: describeConsumer(core, streamName, consumer) }
  },
})
