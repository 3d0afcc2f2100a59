import type { Checkpoint } from '../checkpoint/checkpoint-store.ts'
import { sleep } from '../clock.ts'
import { report } from '../diagnostics.ts'
import {
  ClosedError,
  ConfigError,
  NotFoundError,
  ThrottledError,
  TritonCheckpointError,
  UnavailableError,
} from '../errors.ts'
import type { Position } from '../kinesis/position.ts'
import { KinesisCallError } from '../kinesis/retry-class.ts'
import { looksLikeSequenceNumber } from '../kinesis/sequence-number.ts'
import { type Shard, shardIdOf } from '../kinesis/shard.ts'
import { backoffMs } from './backoff.ts'
import { isWorthRetrying, toReadError } from './call-errors.ts'
import { Lineage } from './lineage.ts'
import type { CheckpointTarget, Fallback, ReadSettings } from './read-settings.ts'
import { describeShardNumbers, ShardMap, shardIdsOf } from './shard-map.ts'
import { expiredPositions, planStart, positionFault, type StartFacts } from './start-plan.ts'

/** What a reader knows when it begins. */
export interface Beginning {
  map: ShardMap
  lineage: Lineage
  /** Present when checkpoints were given; it was loaded from there if the start asked for it. */
  known: ReadonlyMap<string, Checkpoint>
}

/**
 * Lists the shards, learns where each begins and plans the reading. Resolves undefined when `signal` fired.
 * Rejects with NotFoundError, RefusedError, ConfigError, TritonCheckpointError, or, when the stream stayed out of reach
 * until the deadline, ThrottledError or UnavailableError.
 */
export async function beginReading(settings: ReadSettings, signal: AbortSignal): Promise<Beginning | undefined> {
  const startedAtMs = Math.floor(settings.clock.now())
  const shards = await listShards(settings, signal, settings.startDeadlineMs)
  if (shards === undefined) return undefined
  const map = new ShardMap(shards)
  const given = settings.shardNumbers === undefined ? undefined : shardIdsOf(settings.shardNumbers)
  checkGivenShards(settings, map, shards)
  const { facts, known } = await learnStart(settings, map, startedAtMs)
  if (signal.aborted) return undefined
  for (const expired of expiredPositions(map, facts, given)) {
    report({ type: 'position-trimmed', stream: settings.stream, ...expired })
  }
  await reportTrimmedTime(settings, facts.elsewhere, signal)
  const plan = planStart(map, shards, facts, given)
  for (const [shardId, position] of plan) {
    // Whoever read it to its end knows of children that this listing does not show yet: its end names them again.
    if (position === 'finished' && map.childrenOf(shardId).length === 0) plan.set(shardId, { type: 'LATEST' })
  }
  return { map, lineage: new Lineage(map, plan, given), known }
}

/**
 * All shards, through throttling and outages: for `deadlineMs`, or for ever without one. A stream that is being created
 * has none yet and is waited for. Resolves undefined when `signal` fired.
 */
export async function listShards(
  settings: Pick<ReadSettings, 'api' | 'stream' | 'clock' | 'random'>,
  signal: AbortSignal,
  deadlineMs = Number.POSITIVE_INFINITY,
): Promise<Shard[] | undefined> {
  const { api, stream, clock, random } = settings
  const begunMs = clock.monotonic()
  for (let attempt = 1; !signal.aborted; attempt++) {
    let failure: KinesisCallError | undefined
    try {
      const shards = await api.listShards(stream, signal)
      if (shards.length > 0) return shards
    } catch (error) {
      if (signal.aborted || error instanceof ClosedError) return undefined
      const isBeingCreated = error instanceof KinesisCallError && error.errorCode === 'ResourceInUseException'
      if (!isWorthRetrying(error) && !isBeingCreated) throw toReadError(error, { stream })
      failure = error
    }
    const delayMs = backoffMs(attempt, random)
    if (clock.monotonic() - begunMs + delayMs > deadlineMs) throw outOfReach(stream, deadlineMs, failure)
    report({ type: 'list-retry', stream, errorCode: failure?.errorCode ?? 'no shards yet', attempt, delayMs })
    await sleep(clock, delayMs, signal)
  }
  return undefined
}

function outOfReach(stream: string, deadlineMs: number, failure: KinesisCallError | undefined) {
  const tried = `stream "${stream}" could not be listed${deadlineMs > 0 ? ` for ${deadlineMs / 1000} s` : ''}`
  const options = { cause: failure }
  const told = failure?.message.replace(/\.$/, '')
  if (failure === undefined) {
    return new UnavailableError(`${tried}: it has no shards. It may still be being created; try again.`)
  }
  if (failure.retryClass === 'throttled') {
    return new ThrottledError(`${tried}: ${told}. Too many clients ask at once; try again later.`, options)
  }
  return new UnavailableError(`${tried}: ${told} (${failure.errorCode}). Check the endpoint and the network.`, options)
}

function checkGivenShards(settings: ReadSettings, map: ShardMap, shards: readonly Shard[]): void {
  for (const number of settings.shardNumbers ?? []) {
    const shardId = shardIdOf(number)
    // An expired shard is still known by its children.
    if (map.has(shardId) || map.childrenOf(shardId).length > 0) continue
    throw new NotFoundError(
      `stream "${settings.stream}" has no shard ${number} (${shardId}), nor children of it; ` +
        `it has: ${describeShardNumbers(shards)}`,
    )
  }
}

/** Kinesis starts at its oldest record without a word when a time is asked for that it no longer keeps. */
async function reportTrimmedTime(settings: ReadSettings, start: Position, signal: AbortSignal): Promise<void> {
  const { api, stream, clock } = settings
  if (start.type !== 'AT_TIMESTAMP') return
  try {
    const { retentionHours, createdAtMs } = await api.describeStreamSummary(stream, signal)
    const horizonMs = clock.now() - retentionHours * 3_600_000
    const askedMs = start.timestampMs
    // What was asked from before the stream began is only gone if the stream itself is older than what it keeps.
    if (askedMs < horizonMs && createdAtMs < horizonMs) report({ type: 'time-trimmed', stream, askedMs, horizonMs })
  } catch (error) {
    // News is all that it is for: without an answer, or the right to ask, reading goes on.
    if (!(error instanceof KinesisCallError || error instanceof ClosedError)) throw error
  }
}

async function learnStart(
  settings: ReadSettings,
  map: ShardMap,
  nowMs: number,
): Promise<{ facts: StartFacts; known: ReadonlyMap<string, Checkpoint> }> {
  const { start } = settings
  const known: ReadonlyMap<string, Checkpoint> = new Map()
  const positions: StartFacts['positions'] = new Map()
  switch (start.from) {
    case 'oldest':
      return { facts: { positions, elsewhere: { type: 'TRIM_HORIZON' } }, known }
    case 'latest':
      return { facts: { positions, elsewhere: { type: 'LATEST' } }, known }
    case 'timestamp':
      return { facts: { positions, elsewhere: { type: 'AT_TIMESTAMP', timestampMs: start.at.getTime() } }, known }
    case 'positions':
      checkPositions(settings, map, start.positions)
      return { facts: { positions: start.positions, elsewhere: unpinned(start.fallback) }, known }
    case 'checkpoint':
      return learnFromCheckpoints(settings, map, start.fallback, nowMs)
  }
}

async function learnFromCheckpoints(
  settings: ReadSettings,
  map: ShardMap,
  fallback: Fallback | undefined,
  nowMs: number,
) {
  const target = await settings.checkpointTarget()
  if (target === undefined) {
    throw new TritonCheckpointError(
      `reading "${settings.stream}" from the checkpoint needs a checkpoint store and a client name: ` +
        'set TRITON_DB and TRITON_CLIENT_NAME, or give the option checkpoint',
    )
  }
  const known = new Map(await target.store.load(target.client, settings.stream))
  const positions = new Map<string, Position | 'finished'>()
  for (const [shardId, checkpoint] of known) {
    const shard = map.listed(shardId)
    if (shard !== undefined && positionFault(shard, checkpoint.sequenceNumber) !== undefined) {
      const value = checkpoint.sequenceNumber
      report({ type: 'checkpoint-invalid', client: target.client, stream: settings.stream, shardId, value })
      known.delete(shardId)
    } else positions.set(shardId, toPosition(checkpoint))
  }
  const elsewhere = fallback === 'latest' ? await pinnedLatest(settings, target, nowMs) : unpinned(fallback)
  return { facts: { positions, elsewhere }, known }
}

/** A crash before the first checkpoint must lose nothing: the second start reads from the time of the first. */
async function pinnedLatest(
  settings: ReadSettings,
  target: CheckpointTarget,
  nowMs: number,
): Promise<StartFacts['elsewhere']> {
  const pinnedMs = await target.store.pinStart(target.client, settings.stream, nowMs)
  return pinnedMs === nowMs ? { type: 'LATEST' } : { type: 'AT_TIMESTAMP', timestampMs: pinnedMs }
}

function unpinned(fallback: Fallback | undefined): StartFacts['elsewhere'] {
  if (fallback instanceof Date) return { type: 'AT_TIMESTAMP', timestampMs: fallback.getTime() }
  return fallback === 'latest' ? { type: 'LATEST' } : { type: 'TRIM_HORIZON' }
}

function toPosition(checkpoint: Checkpoint): Position | 'finished' {
  if (checkpoint.isFinished) return 'finished'
  const { sequenceNumber, subSequenceNumber } = checkpoint
  return subSequenceNumber === undefined
    ? { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber }
    : { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber, subSequenceNumber }
}

function checkPositions(
  settings: ReadSettings,
  map: ShardMap,
  positions: ReadonlyMap<string, Position | 'finished'>,
): void {
  for (const [shardId, position] of positions) {
    if (position === 'finished' || !('sequenceNumber' in position)) continue
    const { sequenceNumber } = position
    if (!looksLikeSequenceNumber(sequenceNumber)) {
      throw new ConfigError(`"${sequenceNumber}", given as a position in ${shardId}, is no sequence number`)
    }
    const shard = map.listed(shardId)
    const fault = shard && positionFault(shard, sequenceNumber)
    if (fault === undefined) continue
    throw new NotFoundError(`${shardId} of stream "${settings.stream}" has no position ${sequenceNumber}: ${fault}`)
  }
}
