import { assert } from '../../errors.ts'
import { shardIdOf } from '../../kinesis/shard.ts'
import { invalidArgument, limitExceeded, resourceInUse, resourceNotFound, validationError } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import type { LiveStream } from '../state/live-stream.ts'
import { isExpired, type ShardState } from '../state/stream-state.ts'

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

/** The shard of an active stream that a reshard names. */
export function findShard(core: EngineCore, stream: LiveStream, shardIndex: number): ShardState {
  const shard = stream.shard(shardIndex)
  if (shard === undefined || isExpired(stream.state, shard, core.clock.now()))
    throw couldNotFindShard(core, stream.state.name, shardIdOf(shardIndex))
  return shard
}

/**
 * The index in a shard id as requests write it: what stands between the first and the second dash, or all of it, so
 * that `shard-0`, `x-00` and `0` are all the same shard. The error names the id as it was given.
 */
export function readShardId(core: EngineCore, streamName: string, shardId: string): number {
  const index = parseShardId(shardId)
  if (index === undefined) throw couldNotFindShard(core, streamName, shardId)
  return index
}

export function parseShardId(shardId: string): number | undefined {
  const digits = shardId.split('-')[1] || shardId
  const index = /^\d+$/.test(digits) ? Number(digits) : Number.NaN
  return index <= 0x7fff_ffff ? index : undefined
}

export function streamNotFound(core: EngineCore, name: string): Error {
  return resourceNotFound(`Stream ${name} under account ${core.account} not found.`)
}

export function couldNotFindShard(core: EngineCore, streamName: string, shardId: string): Error {
  return resourceNotFound(`Could not find shard ${shardId} in stream ${streamName} under account ${core.account}.`)
}

export function shardDoesNotExist(core: EngineCore, streamName: string, shardIndex: number): Error {
  return resourceNotFound(
    `Shard ${shardIdOf(shardIndex)} in stream ${streamName} under account ${core.account} does not exist`,
  )
}

/** Refuses what would lead to more open shards than the account may have. */
export function checkShardLimit(core: EngineCore, additional: number): void {
  const present = core.streams.openShardCount
  if (present + additional <= core.shardLimit) return
  throw limitExceeded(
    `This request would exceed the shard limit for the account ${core.account} in ${core.region}. Current shard count for the account: ${present}. Limit: ${core.shardLimit}. Number of additional shards that would have resulted from this request: ${additional}. Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits.`,
  )
}
