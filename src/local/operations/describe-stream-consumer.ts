import { describeConsumer } from '../consumers/describe-consumer.ts'
import { findConsumer } from '../consumers/find-consumer.ts'
import { consumerReference } from '../shapes/members.ts'
import { arnOf } from './find-stream.ts'
import { operation } from './operation.ts'

export const describeStreamConsumer = operation({
  input: { type: 'Structure', members: consumerReference },
  run(core, input) {
    const { stream, consumer } = findConsumer(core, input)
    const { name } = stream.state
    return { ConsumerDescription: { ...describeConsumer(core, name, consumer), StreamARN: arnOf(core, name) } }
  },
})
