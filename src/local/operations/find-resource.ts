import { resourceNotFound } from '../api-error.ts'
import { consumersAt } from '../consumers/consumer-state.ts'
import { findConsumer } from '../consumers/find-consumer.ts'
import type { EngineCore } from '../engine-core.ts'
import type { LiveStream } from '../state/live-stream.ts'
import type { Tags } from '../state/stream-state.ts'
import { findStream } from './find-stream.ts'

/** What can have tags and a policy: a stream or a consumer, in whatever state it is. */
export interface Resource {
  readonly arn: string
  /** The stream itself, or the consumer's. */
  readonly stream: LiveStream
  readonly tags: Tags | undefined
  keepTags(tags: Tags): void
}

export function findResource(core: EngineCore, arn: string): Resource {
  const [kind, , part] = arn.split(':').slice(5).join(':').split('/')
  if (kind === 'stream' && part === undefined) return streamResource(core, arn)
  if (kind === 'stream' && part === 'consumer') return consumerResource(core, arn)
  throw resourceNotFound(`Resource ${arn} under account ${core.account} not found.`)
}

function streamResource(core: EngineCore, arn: string): Resource {
  const stream = findStream(core, { StreamARN: arn })
  const keepTags = (tags: Tags) => core.streams.change(stream, { ...stream.state, tags })
  return { arn, stream, tags: stream.state.tags, keepTags }
}

function consumerResource(core: EngineCore, arn: string): Resource {
  const { stream, consumer } = findConsumer(core, { ConsumerARN: arn })
  const keepTags = (tags: Tags) => {
    const others = consumersAt(stream.state, core.clock.now()).filter((other) => other.name !== consumer.name)
    core.streams.change(stream, { ...stream.state, consumers: [...others, { ...consumer, tags }] })
  }
  return { arn, stream, tags: consumer.tags, keepTags }
}
