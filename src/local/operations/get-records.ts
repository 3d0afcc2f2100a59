import { maxGetRecords } from '../../kinesis/limits.ts'
import type { EngineCore } from '../engine-core.ts'
import { type PageTail, writeRecordsPage } from '../records/write-records-page.ts'
import { pageLimit, required, streamArn, streamId } from '../shapes/members.ts'
import type { LiveStream } from '../state/live-stream.ts'
import { horizonMs, isExpired, type ShardState } from '../state/stream-state.ts'
import type { LogPage, ReadQuery } from '../stream-log.ts'
import { describeChildShard } from './describe-shard.ts'
import { shardDoesNotExist } from './find-shard.ts'
import { streamNameOf } from './find-stream.ts'
import { operation } from './operation.ts'

/** Data and keys of one answer. */
const maxPageBytes = 10 * 1024 * 1024

export const getRecords = operation({
  input: {
    type: 'Structure',
    members: {
      ShardIterator: required({ type: 'String', minLength: 1, maxLength: 512 } as const),
      Limit: pageLimit,
      StreamARN: streamArn,
      StreamId: streamId,
    },
  },
  async run(core, input, format) {
    const iterator = core.iterators.read(input.ShardIterator)
    const { serial, streamName, shardIndex } = iterator
    if (input.StreamARN !== undefined) streamNameOf(core, { StreamName: streamName, StreamARN: input.StreamARN })
    const stream = core.streams.bySerial(serial)
    const shard = stream?.shard(shardIndex)
    const nowMs = core.clock.now()
    if (stream === undefined || shard === undefined || !stream.isServing || isExpired(stream.state, shard, nowMs))
      throw shardDoesNotExist(core, streamName, shardIndex)
    // Asked before reading: records that arrive while we read are then seen by a later page at the latest.
    const mayBeFinished = shard.closedMs !== undefined && !stream.isDraining(shardIndex)
    const page = await readPage(stream, {
      shardIndex,
      fromSeqIx: iterator.fromSeqIx,
      notBeforeMs: horizonMs(stream.state, nowMs),
      maxRecords: input.Limit ?? maxGetRecords,
      maxBytes: maxPageBytes,
    })
    if (page === undefined) throw shardDoesNotExist(core, streamName, shardIndex)
    const isFinished = mayBeFinished && page.recordCount === 0 && page.reachesTip
    const tail = isFinished
      ? endOf(core, stream, shard)
      : {
          millisBehindLatest: millisBehind(page, nowMs),
          nextShardIterator: core.iterators.issue({ ...iterator, fromSeqIx: page.nextSeqIx }),
        }
    return writeRecordsPage(shard, page.blocks, tail, format)
  },
})

/** Undefined when the stream was deleted under the read. */
async function readPage(stream: LiveStream, query: ReadQuery): Promise<LogPage | undefined> {
  try {
    const log = await stream.log()
    return await log.read(query)
  } catch (error) {
    if (stream.isServing) throw error
    return undefined
  }
}

function millisBehind(page: LogPage, nowMs: number): number {
  const last = page.blocks.at(-1)
  return page.reachesTip || last === undefined ? 0 : Math.max(1, Math.floor(nowMs - last.arrivalMs))
}

/** A closed shard was read to its end: no iterator any more, but the shards that go on with its hash keys. */
function endOf(core: EngineCore, stream: LiveStream, shard: ShardState): PageTail {
  const nowMs = core.clock.now()
  const children = stream.state.shards.filter(
    (child) =>
      (child.parentIndex === shard.index || child.adjacentParentIndex === shard.index) &&
      !isExpired(stream.state, child, nowMs),
  )
  return { millisBehindLatest: 0, childShards: children.map(describeChildShard) }
}
