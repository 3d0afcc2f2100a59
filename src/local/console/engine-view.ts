import { maxHashKey } from '../../kinesis/hash-key.ts'
import { shardIdOf } from '../../kinesis/shard.ts'
import { type ConsumerState, consumerStatus, consumersAt } from '../consumers/consumer-state.ts'
import { consumerArnOf } from '../consumers/find-consumer.ts'
import type { EngineCore } from '../engine-core.ts'
import { arnOf } from '../operations/find-stream.ts'
import type { LiveStream } from '../state/live-stream.ts'
import { listedShards, openShards, type ShardState } from '../state/stream-state.ts'
import type { TrafficCounts } from '../state/traffic.ts'
import { latestRecords, type ShownRecord } from './latest-records.ts'

/** More would be too many to look at; how many there are is told. */
const mostStreams = 500
const mostShards = 1_000

/** What the page shows of the engine at one moment. Traffic is counted from the start: two views make a rate. */
export interface EngineView {
  /** The engine's clock, epoch milliseconds. */
  nowMs: number
  /** Between two views lies so much time, whatever happens to the clock; milliseconds. */
  atMs: number
  account: string
  region: string
  streamCount: number
  /** By name. */
  streams: StreamLine[]
  /** The one that was asked for, if it exists. */
  stream?: StreamView
}

export interface StreamLine extends TrafficCounts {
  name: string
  status: string
  openShardCount: number
}

export interface StreamView {
  name: string
  arn: string
  status: string
  mode: string
  isEncrypted: boolean
  retentionHours: number
  createdMs: number
  shardCount: number
  openShardCount: number
  /** Open ones, and closed ones whose records may still be read. */
  shards: ShardView[]
  consumers: ConsumerView[]
  /** Latest first. */
  records: ShownRecord[]
}

export interface ShardView extends TrafficCounts {
  index: number
  id: string
  isOpen: boolean
  parents: number[]
  startingHashKey: string
  endingHashKey: string
  /** The range as a part of all hash keys, 0 to 1. */
  from: number
  to: number
}

export interface ConsumerView {
  name: string
  arn: string
  status: string
  createdMs: number
  /** Shards that it listens to at this moment. */
  shardIndexes: number[]
}

export interface ViewQuery {
  stream: string | null
  /** Records of this shard only. */
  shardIndex: number | undefined
}

export async function viewEngine(core: EngineCore, { stream: wanted, shardIndex }: ViewQuery): Promise<EngineView> {
  const streams = [...core.streams.all()].sort((left, right) => (left.state.name < right.state.name ? -1 : 1))
  const stream = wanted === null ? undefined : core.streams.get(wanted)
  return {
    nowMs: core.clock.now(),
    atMs: performance.now(),
    account: core.account,
    region: core.region,
    streamCount: streams.length,
    streams: streams.slice(0, mostStreams).map(lineOf),
    ...(stream !== undefined && { stream: await viewStream(core, stream, shardIndex) }),
  }
}

function lineOf({ state, traffic }: LiveStream): StreamLine {
  return { name: state.name, status: state.status, openShardCount: openShards(state).length, ...traffic.total }
}

async function viewStream(core: EngineCore, stream: LiveStream, shardIndex: number | undefined): Promise<StreamView> {
  const { state } = stream
  const nowMs = core.clock.now()
  const shards = listedShards(state, nowMs)
  // Where not all can be shown, the open ones are.
  const isShort = shards.length <= mostShards
  const shown = isShort ? shards : openShards(state).slice(0, mostShards)
  return {
    name: state.name,
    arn: arnOf(core, state.name),
    status: state.status,
    mode: state.mode,
    isEncrypted: typeof state.keyId === 'string',
    retentionHours: state.retentionHours,
    createdMs: state.createdSeconds * 1000,
    shardCount: shards.length,
    openShardCount: openShards(state).length,
    shards: shown.map((shard) => viewShard(stream, shard)),
    consumers: consumersAt(state, nowMs).map((consumer) => viewConsumer(core, stream, consumer)),
    records: await latestRecords(core, stream, shardIndex),
  }
}

function viewShard(stream: LiveStream, shard: ShardState): ShardView {
  const { start, end } = shard.range
  return {
    index: shard.index,
    id: shardIdOf(shard.index),
    isOpen: shard.closedMs === undefined,
    parents: [shard.parentIndex, shard.adjacentParentIndex].filter((index) => index !== undefined),
    startingHashKey: start.toString(),
    endingHashKey: end.toString(),
    from: partOf(start),
    to: partOf(end + 1n),
    ...stream.traffic.shard(shard.index),
  }
}

/** Of 2^128. */
function partOf(hashKey: bigint): number {
  return Number(hashKey) / Number(maxHashKey)
}

function viewConsumer(core: EngineCore, stream: LiveStream, consumer: ConsumerState): ConsumerView {
  const { serial } = stream.state
  return {
    name: consumer.name,
    arn: consumerArnOf(core, stream.state.name, consumer),
    status: consumerStatus(consumer, core.clock.now()),
    createdMs: consumer.createdSeconds * 1000,
    shardIndexes: core.subscriptions
      .active()
      .filter((target) => target.stream.state.serial === serial && target.consumer.name === consumer.name)
      .map((target) => target.shardIndex)
      .sort((left, right) => left - right),
  }
}
