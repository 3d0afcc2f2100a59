import type { EngineCore } from '../engine-core.ts'
import { type AnswerObject, Timestamp } from '../wire/encode-answer.ts'
import { type ConsumerState, consumerStatus } from './consumer-state.ts'
import { consumerArnOf } from './find-consumer.ts'

/** A consumer as registration and listings show it. */
export function describeConsumer(core: EngineCore, streamName: string, consumer: ConsumerState): AnswerObject {
  return {
    ConsumerName: consumer.name,
    ConsumerARN: consumerArnOf(core, streamName, consumer),
    ConsumerStatus: consumerStatus(consumer, core.clock.now()),
    ConsumerCreationTimestamp: new Timestamp(consumer.createdSeconds * 1000),
  }
}
