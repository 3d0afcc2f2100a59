import { invalidArgument, resourceNotFound } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import { arnOf, findStream } from '../operations/find-stream.ts'
import type { LiveStream } from '../state/live-stream.ts'
import { type ConsumerState, consumersAt } from './consumer-state.ts'

/** How a request names a consumer: by its ARN, or by its stream and its name. */
export interface ConsumerReference {
  readonly ConsumerARN?: string
  readonly StreamARN?: string
  readonly ConsumerName?: string
}

export interface FoundConsumer {
  stream: LiveStream
  consumer: ConsumerState
}

/** The consumer, in whatever state it is. */
export function findConsumer(core: EngineCore, reference: ConsumerReference): FoundConsumer {
  const { ConsumerARN, StreamARN, ConsumerName } = reference
  if (ConsumerARN !== undefined) {
    const found = findByArn(core, ConsumerARN)
    const isOther =
      (StreamARN !== undefined && StreamARN !== arnOf(core, found.stream.state.name)) ||
      (ConsumerName !== undefined && ConsumerName !== found.consumer.name)
    if (isOther) throw invalidArgument('ConsumerARN, StreamARN and ConsumerName do not identify the same consumer.')
    return found
  }
  if (StreamARN === undefined || ConsumerName === undefined)
    throw invalidArgument('Either ConsumerARN or both StreamARN and ConsumerName must be provided.')
  const stream = findStream(core, { StreamARN })
  const consumer = consumersAt(stream.state, core.clock.now()).find(({ name }) => name === ConsumerName)
  if (consumer === undefined) throw consumerNotFound(core.account, ConsumerName)
  return { stream, consumer }
}

export function consumerArnOf(core: EngineCore, streamName: string, consumer: ConsumerState): string {
  return `${arnOf(core, streamName)}/consumer/${consumer.name}:${consumer.createdSeconds}`
}

/** A consumer that was registered again under the name is another one: its create time differs. */
function findByArn(core: EngineCore, arn: string): FoundConsumer {
  const parts = partsOf(arn)
  if (parts === undefined) throw consumerNotFound(core.account, arn)
  const { region, account, streamName, consumerName, createdSeconds } = parts
  const isOurs = region === core.region && account === core.account
  const stream = isOurs ? core.streams.get(streamName) : undefined
  const consumer =
    stream &&
    consumersAt(stream.state, core.clock.now()).find(
      (known) => known.name === consumerName && String(known.createdSeconds) === createdSeconds,
    )
  if (stream === undefined || consumer === undefined) throw consumerNotFound(account, consumerName)
  return { stream, consumer }
}

interface ArnParts {
  region: string
  account: string
  streamName: string
  consumerName: string
  createdSeconds: string
}

function partsOf(arn: string): ArnParts | undefined {
  const match = /^arn:aws[^:]*:kinesis:([^:]*):(\d{12}):stream\/([^/]+)\/consumer\/([^/:]+):(\d+)$/.exec(arn)
  if (match === null) return undefined
  const [, region = '', account = '', streamName = '', consumerName = '', createdSeconds = ''] = match
  return { region, account, streamName, consumerName, createdSeconds }
}

function consumerNotFound(account: string, name: string): Error {
  return resourceNotFound(`Consumer ${name}, account ${account} not found.`)
}
