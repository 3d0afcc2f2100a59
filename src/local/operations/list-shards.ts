import { listShardsPage } from '../../kinesis/limits.ts'
import { invalidArgument, resourceNotFound } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import { nextToken, optionalStreamReference, pageLimit, shardId, timestamp } from '../shapes/members.ts'
import type { InputOf } from '../shapes/shape.ts'
import type { LiveStream } from '../state/live-stream.ts'
import { horizonMs, listedShards, type ShardState } from '../state/stream-state.ts'
import { describeShard } from './describe-shard.ts'
import { parseShardId } from './find-shard.ts'
import { findStream } from './find-stream.ts'
import { operation } from './operation.ts'
import { shardsAfter } from './shards-after.ts'

const shardFilter = {
  type: 'Structure',
  members: {
    Type: {
      type: 'String',
      required: true,
      values: ['AFTER_SHARD_ID', 'AT_TRIM_HORIZON', 'FROM_TRIM_HORIZON', 'AT_LATEST', 'AT_TIMESTAMP', 'FROM_TIMESTAMP'],
    },
    ShardId: shardId,
    Timestamp: timestamp,
  },
} as const

type ShardFilter = InputOf<typeof shardFilter>

/** What a NextToken says: of which stream, what is asked for, and behind which shard the next page begins. */
interface Place {
  serial: number
  filter?: ShardFilter
  afterIndex: number
}

const listShardsInput = {
  type: 'Structure',
  members: {
    ...optionalStreamReference,
    NextToken: nextToken,
    ExclusiveStartShardId: shardId,
    MaxResults: pageLimit,
    StreamCreationTimestamp: timestamp,
    ShardFilter: shardFilter,
  },
} as const

export const listShards = operation({
  input: listShardsInput,
  run(core, input) {
    const { stream, filter, shards } = input.NextToken === undefined ? firstPage(core, input) : laterPage(core, input)
    const page = shards.slice(0, Math.min(input.MaxResults ?? listShardsPage, listShardsPage))
    const last = page.at(-1)
    const hasMore = last !== undefined && page.length < shards.length
    const place = { serial: stream.state.serial, filter, afterIndex: last?.index }
    return {
      Shards: page.map(describeShard),
      NextToken: hasMore ? core.tokens.issue('ListShards', place) : undefined,
    }
  },
})

interface Listing {
  stream: LiveStream
  filter: ShardFilter | undefined
  /** All that are still to be listed. */
  shards: readonly ShardState[]
}

function firstPage(core: EngineCore, input: InputOf<typeof listShardsInput>): Listing {
  if (input.StreamName === undefined && input.StreamARN === undefined)
    throw invalidArgument('Either NextToken or StreamName should be provided.')
  const stream = findStream(core, input)
  const { createdSeconds, name } = stream.state
  const { StreamCreationTimestamp: askedMs, ShardFilter: filter } = input
  if (askedMs !== undefined && Math.floor(askedMs / 1000) !== createdSeconds)
    throw resourceNotFound(`Stream ${name} under account ${core.account} not found.`)
  return { stream, filter, shards: shardsAfter(filteredShards(core, stream, filter), input.ExclusiveStartShardId) }
}

function laterPage(core: EngineCore, input: InputOf<typeof listShardsInput>): Listing {
  for (const member of ['StreamName', 'StreamARN', 'ExclusiveStartShardId', 'ShardFilter'] as const)
    if (input[member] !== undefined) throw invalidArgument(`NextToken and ${member} cannot be provided together.`)
  const { serial, filter, afterIndex } = core.tokens.read('ListShards', input.NextToken as string) as Place
  const stream = core.streams.bySerial(serial)
  if (stream === undefined) throw resourceNotFound('The stream of this NextToken does not exist any more.')
  const shards = filteredShards(core, stream, filter).filter((shard) => shard.index > afterIndex)
  return { stream, filter, shards }
}

function filteredShards(core: EngineCore, { state }: LiveStream, filter: ShardFilter | undefined): ShardState[] {
  const nowMs = core.clock.now()
  const shards = listedShards(state, nowMs)
  const horizon = horizonMs(state, nowMs)
  switch (filter?.Type) {
    case undefined:
    case 'FROM_TRIM_HORIZON':
      return shards
    case 'AT_LATEST':
      return shards.filter((shard) => shard.closedMs === undefined)
    case 'AT_TRIM_HORIZON':
      return shards.filter((shard) => wasOpenAt(shard, Math.max(horizon, state.createdSeconds * 1000)))
    case 'AT_TIMESTAMP': {
      const atMs = Math.max(timeOf(filter, nowMs), horizon, state.createdSeconds * 1000)
      return shards.filter((shard) => wasOpenAt(shard, atMs))
    }
    case 'FROM_TIMESTAMP': {
      const fromMs = Math.max(timeOf(filter, nowMs), horizon)
      return shards.filter((shard) => (shard.closedMs ?? Number.POSITIVE_INFINITY) >= fromMs)
    }
    case 'AFTER_SHARD_ID': {
      if (filter?.ShardId === undefined) throw invalidArgument('ShardFilter of type AFTER_SHARD_ID needs a ShardId.')
      if (parseShardId(filter.ShardId) === undefined)
        throw invalidArgument(`ShardFilter has a ShardId that is no shard id: ${filter.ShardId}.`)
      return [...shardsAfter(shards, filter.ShardId)]
    }
  }
}

function wasOpenAt(shard: ShardState, atMs: number): boolean {
  return shard.openedMs <= atMs && (shard.closedMs ?? Number.POSITIVE_INFINITY) >= atMs
}

function timeOf({ Type, Timestamp }: ShardFilter, nowMs: number): number {
  if (Timestamp === undefined) throw invalidArgument(`ShardFilter of type ${Type} needs a Timestamp.`)
  if (Timestamp > nowMs) throw invalidArgument(`The Timestamp of a ShardFilter of type ${Type} lies in the future.`)
  return Timestamp
}
