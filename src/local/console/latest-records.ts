import { shardIdOf } from '../../kinesis/shard.ts'
import type { EngineCore } from '../engine-core.ts'
import { dataLengthAt, hasKeyAt, keyLengthAt, packedHeaderBytes } from '../records/packed-records.ts'
import { SequenceText } from '../records/sequence-text.ts'
import type { LiveStream } from '../state/live-stream.ts'
import { horizonMs, listedShards, type ShardState } from '../state/stream-state.ts'
import type { LogBlock, LogPage, StreamLog } from '../stream-log.ts'
import { type ShownData, showData, visible } from './show-data.ts'

/** A record as the page shows it. */
export interface ShownRecord extends ShownData {
  shardId: string
  sequenceNumber: string
  /** Absent when it was put without one. */
  partitionKey?: string
  arrivedMs: number
}

const mostRecords = 25

/** Records are looked for in so many shards, those first into which something was put last. */
const mostShards = 8

/** What is read at once; large records make fewer of them. */
const mostBytes = 512 * 1024

/** Shards that share a counter leave gaps in one another's numbers. */
const shardsPerCounter = 5

/** The last records of a stream or of one of its shards, latest first. */
export async function latestRecords(
  core: EngineCore,
  stream: LiveStream,
  onlyShardIndex: number | undefined,
): Promise<ShownRecord[]> {
  if (!stream.isServing) return []
  try {
    const log = await stream.log()
    const nowMs = core.clock.now()
    const shards = listedShards(stream.state, nowMs)
      .filter(({ index }) => (onlyShardIndex === undefined ? true : index === onlyShardIndex))
      .map((shard) => ({ shard, tail: stream.tail(shard.index) }))
      .sort((left, right) => (right.tail?.lastArrivalMs ?? 0) - (left.tail?.lastArrivalMs ?? 0))
      .slice(0, mostShards)
    const records: ShownRecord[] = []
    for (const { shard, tail } of shards) {
      if (tail === undefined) continue
      const page = await readEnd(log, shard.index, tail.lastSeqIx, horizonMs(stream.state, nowMs))
      for (const block of page.blocks) records.push(...recordsIn(block, shard))
    }
    return records.sort(latestFirst).slice(0, mostRecords)
  } catch (error) {
    // It was deleted while we looked.
    if (!stream.isServing || core.streams.bySerial(stream.state.serial) !== stream) return []
    throw error
  }
}

/** The last records of a shard: fewer, when they are so large that not all fit. */
async function readEnd(log: StreamLog, shardIndex: number, lastSeqIx: number, notBeforeMs: number): Promise<LogPage> {
  const query = { shardIndex, notBeforeMs, maxRecords: mostRecords * shardsPerCounter, maxBytes: mostBytes }
  for (const reach of [mostRecords * shardsPerCounter, mostRecords, shardsPerCounter]) {
    const page = await log.read({ ...query, fromSeqIx: Math.max(0, lastSeqIx - reach + 1) })
    if (page.reachesTip) return page
  }
  return log.read({ ...query, fromSeqIx: lastSeqIx })
}

function* recordsIn(block: LogBlock, shard: ShardState): Generator<ShownRecord> {
  const { bytes, recordCount, firstSeqIx, seqTimeSeconds, arrivalMs } = block
  const number = new SequenceText(shard.createdSeconds, shard.index, firstSeqIx, seqTimeSeconds)
  let at = 0
  for (let left = recordCount; left > 0; left--) {
    const keyEnd = at + packedHeaderBytes + keyLengthAt(bytes, at)
    const dataEnd = keyEnd + dataLengthAt(bytes, at)
    yield {
      shardId: shardIdOf(shard.index),
      sequenceNumber: number.toString(),
      ...(hasKeyAt(bytes, at) && { partitionKey: visible(bytes.toString('utf8', at + packedHeaderBytes, keyEnd)) }),
      arrivedMs: arrivalMs,
      ...showData(bytes.subarray(keyEnd, dataEnd)),
    }
    number.advance()
    at = dataEnd
  }
}

function latestFirst(left: ShownRecord, right: ShownRecord): number {
  if (left.arrivedMs !== right.arrivedMs) return right.arrivedMs - left.arrivedMs
  return left.sequenceNumber < right.sequenceNumber ? 1 : -1
}
