import type { EngineCore } from '../engine-core.ts'
import type { LiveStream } from '../state/live-stream.ts'
import { horizonMs, isExpired, type ShardState } from '../state/stream-state.ts'
import type { LogPage, ReadQuery } from '../stream-log.ts'
import { dataBytesOf } from '../stream-log-page.ts'
import type { AnswerObject } from '../wire/encode-answer.ts'
import { describeChildShard } from './describe-shard.ts'

/** What stands in a shard from some place on. */
export type ShardReading =
  | { readonly kind: 'page'; readonly shard: ShardState; readonly page: LogPage; readonly millisBehindLatest: number }
  /** A closed shard was read to its end; its hash keys go on in the children. */
  | { readonly kind: 'end'; readonly shard: ShardState; readonly childShards: AnswerObject[] }
  /** The stream was deleted, or the shard has expired. */
  | { readonly kind: 'gone' }

export async function readShard(
  core: EngineCore,
  stream: LiveStream,
  query: Omit<ReadQuery, 'notBeforeMs'>,
): Promise<ShardReading> {
  const { shardIndex } = query
  const shard = stream.shard(shardIndex)
  const nowMs = core.clock.now()
  if (shard === undefined || !isServed(core, stream) || isExpired(stream.state, shard, nowMs)) return { kind: 'gone' }
  // Asked before reading: records that arrive while we read are then seen by a later page at the latest.
  const mayBeFinished = shard.closedMs !== undefined && !stream.isDraining(shardIndex)
  const page = await readPage(core, stream, { ...query, notBeforeMs: horizonMs(stream.state, nowMs) })
  if (page === undefined) return { kind: 'gone' }
  if (mayBeFinished && page.recordCount === 0 && page.reachesTip)
    return { kind: 'end', shard, childShards: childrenOf(core, stream, shard) }
  stream.traffic.got(shardIndex, page.recordCount, dataBytesOf(page))
  return { kind: 'page', shard, page, millisBehindLatest: millisBehind(page, nowMs) }
}

/** Undefined when the stream was deleted under the read. */
async function readPage(core: EngineCore, stream: LiveStream, query: ReadQuery): Promise<LogPage | undefined> {
  try {
    const log = await stream.log()
    return await log.read(query)
  } catch (error) {
    if (isServed(core, stream)) throw error
    return undefined
  }
}

function isServed(core: EngineCore, stream: LiveStream): boolean {
  return stream.isServing && core.streams.bySerial(stream.state.serial) === stream
}

function millisBehind(page: LogPage, nowMs: number): number {
  const last = page.blocks.at(-1)
  return page.reachesTip || last === undefined ? 0 : Math.max(1, Math.floor(nowMs - last.arrivalMs))
}

function childrenOf(core: EngineCore, stream: LiveStream, shard: ShardState): AnswerObject[] {
  const nowMs = core.clock.now()
  const children = stream.state.shards.filter(
    (child) =>
      (child.parentIndex === shard.index || child.adjacentParentIndex === shard.index) &&
      !isExpired(stream.state, child, nowMs),
  )
  return children.map(describeChildShard)
}
