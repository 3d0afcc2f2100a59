import { formatSequenceNumber, parseSequenceNumber } from '../../kinesis/sequence-number.ts'
import { shardIdOf } from '../../kinesis/shard.ts'
import { internalFailure, invalidArgument } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import type { LiveStream } from '../state/live-stream.ts'
import { horizonMs, type ShardState } from '../state/stream-state.ts'

/** Every kind of place in a shard at which reading can begin, in the order in which messages list them. */
export const positionTypes = [
  'AFTER_SEQUENCE_NUMBER',
  'LATEST',
  'AT_TIMESTAMP',
  'AT_SEQUENCE_NUMBER',
  'TRIM_HORIZON',
] as const

/** Where a request wants to begin. */
export interface AskedPosition {
  type: (typeof positionTypes)[number]
  sequenceNumber: string | undefined
  timestampMs: number | undefined
}

/** The seqIx from which to read. */
export async function startPosition(
  core: EngineCore,
  stream: LiveStream,
  shard: ShardState,
  { type, sequenceNumber: number, timestampMs }: AskedPosition,
): Promise<number> {
  const isByNumber = type === 'AT_SEQUENCE_NUMBER' || type === 'AFTER_SEQUENCE_NUMBER'
  if (number !== undefined && (type === 'TRIM_HORIZON' || type === 'LATEST'))
    throw invalidArgument(`${eitherNumberOrNot} Request specified ${type} and also a StartingSequenceNumber.`)
  if (number !== undefined) checkNumber(core, stream, shard, number)
  else if (isByNumber)
    throw invalidArgument(`${eitherNumberOrNot} Request specified ${type} and no StartingSequenceNumber.`)
  switch (type) {
    case 'TRIM_HORIZON':
      return 0
    case 'LATEST':
      // The log tells what records there were before a restart.
      await stream.log()
      return stream.nextSeqIx(shard.index)
    case 'AT_TIMESTAMP':
      return startAtTime(core, stream, shard, timestampMs)
    case 'AT_SEQUENCE_NUMBER':
    case 'AFTER_SEQUENCE_NUMBER':
      return startAtNumber(core, stream, shard, BigInt(number as string), type === 'AFTER_SEQUENCE_NUMBER')
  }
}

const eitherNumberOrNot =
  'Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber.'

function checkNumber(core: EngineCore, stream: LiveStream, shard: ShardState, number: string): void {
  const parts = parseSequenceNumber(number)
  const shardId = shardIdOf(shard.index)
  const used = `StartingSequenceNumber ${number} used in GetShardIterator on shard ${shardId} in stream ${stream.state.name} under account ${core.account} is invalid`
  if (parts === undefined) throw invalidArgument(`${used}.`)
  if (parts.shardIndex !== shard.index)
    throw invalidArgument(
      `Invalid StartingSequenceNumber. It encodes ${encodedShardId(parts.shardIndex)}, while it was used in a call to a shard with ${shardId}`,
    )
  if (parts.version === 2 && parts.createTimeSeconds === shard.createdSeconds) return
  if (parts.version === 0) throw internalFailure()
  throw invalidArgument(`${used} because it did not come from this stream.`)
}

/** Numbers can encode negative indexes, which print with one digit less. */
function encodedShardId(index: number): string {
  return index < 0 ? `shardId--${String(-index).padStart(11, '0')}` : shardIdOf(index)
}

async function startAtTime(
  core: EngineCore,
  stream: LiveStream,
  shard: ShardState,
  atMs: number | undefined,
): Promise<number> {
  const nowMs = core.clock.now()
  if (atMs === undefined)
    throw invalidArgument(
      'Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.',
    )
  if (atMs > nowMs)
    throw invalidArgument(
      `The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: ${atMs}, currentTimestampInMillis: ${nowMs}`,
    )
  const log = await stream.log()
  const fromMs = Math.max(atMs, horizonMs(stream.state, nowMs))
  return (await log.seqIxAt(shard.index, fromMs)) ?? stream.nextSeqIx(shard.index)
}

/**
 * Numbers order by seqIx first. Only where a record has the very seqIx of the number do the other digits decide: a
 * number need not be a record's.
 */
async function startAtNumber(
  core: EngineCore,
  stream: LiveStream,
  shard: ShardState,
  number: bigint,
  isAfter: boolean,
): Promise<number> {
  const seqIx = Number((number >> 80n) & 0x7fff_ffff_ffff_ffffn)
  if (seqIx >= Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER
  const log = await stream.log()
  const query = { shardIndex: shard.index, fromSeqIx: seqIx, notBeforeMs: horizonMs(stream.state, core.clock.now()) }
  const { blocks } = await log.read({ ...query, maxRecords: 1, maxBytes: 0 })
  const [block] = blocks
  if (block === undefined || block.firstSeqIx !== seqIx) return isAfter ? seqIx + 1 : seqIx
  const record = BigInt(
    formatSequenceNumber({
      createTimeSeconds: shard.createdSeconds,
      shardIndex: shard.index,
      seqIx: BigInt(seqIx),
      seqTimeSeconds: block.seqTimeSeconds,
    }),
  )
  return record > number || (record === number && !isAfter) ? seqIx : seqIx + 1
}
