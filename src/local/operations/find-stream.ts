import { assert } from '../../errors.ts'
import { invalidArgument, resourceInUse, resourceNotFound, validationError } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import type { LiveStream } from '../state/live-stream.ts'

/** How a request names its stream. */
export interface StreamReference {
  readonly StreamName?: string
  readonly StreamARN?: string
}

export function arnOf(core: EngineCore, streamName: string): string {
  return `arn:aws:kinesis:${core.region}:${core.account}:stream/${streamName}`
}

/** The name that a request gives, by name, ARN or both. The stream need not exist. */
export function streamNameOf(core: EngineCore, { StreamName, StreamARN }: StreamReference): string {
  if (StreamARN === undefined) {
    assert(StreamName !== undefined, 'a stream is named')
    return StreamName
  }
  const [, , , region, account, resource = ''] = StreamARN.split(':')
  const name = resource.slice(resource.indexOf('/') + 1)
  if (StreamName !== undefined && StreamName !== name)
    throw invalidArgument('StreamName and StreamARN do not identify the same stream.')
  if (region !== core.region || account !== core.account)
    throw resourceNotFound(`Stream ${name} under account ${account} not found.`)
  return name
}

/** The stream, in whatever state it is. */
export function findStream(core: EngineCore, reference: StreamReference): LiveStream {
  const name = streamNameOf(core, reference)
  const stream = core.streams.get(name)
  if (stream === undefined) throw streamNotFound(core, name)
  return stream
}

/** The stream, when it takes and gives records. */
export function findServingStream(core: EngineCore, reference: StreamReference): LiveStream {
  const stream = findStream(core, reference)
  if (!stream.isServing) throw streamNotFound(core, stream.state.name)
  return stream
}

/** The stream, when its shards may be changed. */
export function findActiveStream(core: EngineCore, reference: StreamReference): LiveStream {
  const stream = findStream(core, reference)
  const { name, status } = stream.state
  if (status !== 'ACTIVE')
    throw resourceInUse(`Stream ${name} under account ${core.account} not ACTIVE, instead in state ${status}`)
  return stream
}

/** On-demand streams choose their shards themselves. */
export function checkProvisioned(core: EngineCore, { state }: LiveStream): void {
  if (state.mode === 'ON_DEMAND')
    throw validationError(
      `Request is invalid. Stream ${state.name} under account ${core.account} is in On-Demand mode.`,
    )
}

export function streamNotFound(core: EngineCore, name: string): Error {
  return resourceNotFound(`Stream ${name} under account ${core.account} not found.`)
}
