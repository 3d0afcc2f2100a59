import type { EngineCore } from './engine-core.ts'
import type { FaultTarget } from './faults.ts'
import { parseShardId } from './operations/find-shard.ts'
import type { LiveStream } from './state/live-stream.ts'

/** Which stream and shards a checked input is about, whatever its operation: what fault rules look at. */
export function faultTargetOf(core: EngineCore, input: object): FaultTarget {
  const members = new Map<string, unknown>(Object.entries(input))
  const iterator = members.get('ShardIterator')
  if (typeof iterator === 'string') return targetOfIterator(core, iterator)
  const consumer = members.get('ConsumerARN')
  const arn = members.get('StreamARN') ?? consumer ?? members.get('ResourceARN') ?? '/'
  const stream = members.get('StreamName') ?? String(arn).split('/')[1]
  const name = typeof stream === 'string' && stream !== '' ? stream : undefined
  const named = ['ShardId', 'ShardToSplit', 'ShardToMerge', 'AdjacentShardToMerge']
    .map((member) => members.get(member))
    .filter((id) => typeof id === 'string')
    .map(parseShardId)
    .filter((index) => index !== undefined)
  const live = name === undefined ? undefined : core.streams.get(name)
  const records = Array.isArray(members.get('Records')) ? (members.get('Records') as object[]) : [input]
  const routed = live === undefined ? [] : records.map((record) => routeOf(live, record))
  return {
    stream: name,
    shardIndexes: [...named, ...routed.filter((index) => index !== undefined)],
    ...(typeof consumer === 'string' && { consumer }),
  }
}

function targetOfIterator(core: EngineCore, text: string): FaultTarget {
  try {
    const { streamName, shardIndex } = core.iterators.read(text)
    return { stream: streamName, shardIndexes: [shardIndex] }
  } catch {
    // The operation itself will say what is wrong with it.
    return { stream: undefined, shardIndexes: [] }
  }
}

function routeOf(stream: LiveStream, record: object): number | undefined {
  if ('ExplicitHashKey' in record) {
    const hashKey = BigInt(String(record.ExplicitHashKey))
    return hashKey >> 128n === 0n ? stream.routing.shardOfHashKey(hashKey) : undefined
  }
  return 'PartitionKey' in record ? stream.routing.shardOf(String(record.PartitionKey)) : undefined
}
