import { shardIdOf } from '../../kinesis/shard.ts'
import { type ApiError, invalidArgument, resourceNotFound } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import type { LiveStream } from '../state/live-stream.ts'
import { isExpired, type ShardState } from '../state/stream-state.ts'

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

/** A shard that was split or merged has done so once for all. */
export function checkNotClosed(core: EngineCore, streamName: string, shard: ShardState): void {
  if (shard.closedMs === undefined) return
  throw invalidArgument(
    `Shard ${shardIdOf(shard.index)} in stream ${streamName} under account ${core.account} has already been merged or split, and thus is not eligible for merging or splitting.`,
  )
}

export function couldNotFindShard(core: EngineCore, streamName: string, shardId: string): Error {
  return resourceNotFound(`Could not find shard ${shardId} in stream ${streamName} under account ${core.account}.`)
}

export function shardDoesNotExist(core: EngineCore, streamName: string, shardIndex: number): ApiError {
  return resourceNotFound(
    `Shard ${shardIdOf(shardIndex)} in stream ${streamName} under account ${core.account} does not exist`,
  )
}
