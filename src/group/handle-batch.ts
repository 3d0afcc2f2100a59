import { inspect } from 'node:util'
import { sleep } from '../clock.ts'
import { backoffMs } from '../consumer/backoff.ts'
import type { StreamRecord } from '../consumer/stream-record.ts'
import { report } from '../diagnostics.ts'
import { deadLetterOf } from './failure-policy.ts'
import type { WorkerSettings } from './worker-options.ts'

/** One shard's side of the matter, as handling sees it. */
export interface HandlingPlace<T> {
  readonly shardId: string
  /** No attempt begins once it has fired; one that runs may end. */
  readonly stopping: AbortSignal
  /** Whether what is in hand counts no more. */
  readonly isOver: boolean
  /** Calls the handler; answers false when it may not be called any more. */
  attempt(records: StreamRecord<T>[], attempt: number): Promise<boolean>
  /** The first of these records that are not known to be handled; the handler may have kept some of them itself. */
  unhandled(records: StreamRecord<T>[]): StreamRecord<T>[]
  /** These are done with, well or badly. */
  done(records: StreamRecord<T>[]): void
  /** The shard halts before this record; undefined: it goes on. */
  halted(record: StreamRecord<T> | undefined, reason: string): void
}

/**
 * Sees to it that these records of one shard are handled, each at least once and in their order, or left to the policy.
 * Resolves when all are done, or no attempt may begin any more.
 *
 * A batch that fails is tried again; when that does not help, its halves are, so that in the end a poison record stands
 * alone. Only then the policy is asked: one bad record costs one record.
 *
 * `begun` is the first attempt when it is under way already.
 */
export async function handleBatch<T>(
  records: StreamRecord<T>[],
  settings: WorkerSettings<T>,
  place: HandlingPlace<T>,
  begun?: Promise<boolean>,
): Promise<void> {
  await handleSome(records, settings.retries, settings, place, begun)
}

async function handleSome<T>(
  records: StreamRecord<T>[],
  retries: number,
  settings: WorkerSettings<T>,
  place: HandlingPlace<T>,
  begun?: Promise<boolean>,
): Promise<void> {
  let left = records
  let underWay = begun
  let failure: unknown
  for (let attempt = 1; attempt <= retries + 1; attempt++) {
    left = place.unhandled(left)
    if (underWay === undefined && (left.length === 0 || place.stopping.aborted)) return
    try {
      const isTried = await (underWay ?? place.attempt(left, attempt))
      if (isTried && !place.isOver) place.done(left)
      return
    } catch (error) {
      if (place.isOver) return
      failure = error
    }
    underWay = undefined
    await pause(left, attempt, attempt <= retries, failure, settings, place)
  }
  left = place.unhandled(left)
  const [record] = left
  if (record === undefined || place.stopping.aborted) return
  if (left.length === 1) return giveUpOn(record, retries + 1, failure, settings, place)
  // The halves need not prove again that waiting does not help; a single record gets all its retries.
  const half = Math.ceil(left.length / 2)
  for (const part of [left.slice(0, half), left.slice(half)]) {
    await handleSome(part, part.length === 1 ? settings.retries : 0, settings, place)
  }
}

async function pause<T>(
  records: StreamRecord<T>[],
  attempt: number,
  isRetried: boolean,
  failure: unknown,
  settings: WorkerSettings<T>,
  place: HandlingPlace<T>,
): Promise<void> {
  const { client, stream, retryMs, clock, random } = settings
  const delayMs = isRetried ? backoffMs(attempt, random, retryMs, Math.max(retryMs, longestRetryMs)) : 0
  const { shardId, sequenceNumber } = records[0] as StreamRecord<T>
  const recordCount = records.length
  const reason = reasonOf(failure)
  report({ type: 'handler-failed', client, stream, shardId, sequenceNumber, recordCount, attempt, delayMs, reason })
  if (delayMs > 0) await sleep(clock, delayMs, place.stopping)
}

/** The policy's turn. A record that is neither skipped nor in the dead-letter place is still to be handled. */
async function giveUpOn<T>(
  record: StreamRecord<T>,
  attempts: number,
  failure: unknown,
  settings: WorkerSettings<T>,
  place: HandlingPlace<T>,
): Promise<void> {
  const { client, stream, onFailure, clock, stoppedRetryMs, alarm } = settings
  const { shardId, sequenceNumber } = record
  let reason = reasonOf(failure)
  for (let round = 1; !place.stopping.aborted; round++) {
    if (onFailure === 'skip') {
      alarm.report({ type: 'record-skipped', client, stream, shardId, sequenceNumber, reason })
      return place.done([record])
    }
    if (onFailure !== 'stop-shard') {
      const about = { client, stream, reason, attempts: attempts * round, failedAt: new Date(clock.now()) }
      try {
        await onFailure.send(deadLetterOf(record, about))
        const to = onFailure.description
        report({ type: 'record-dead-lettered', client, stream, shardId, sequenceNumber, reason, to })
        return place.done([record])
      } catch (error) {
        reason = `${reason}; and the dead letter could not be kept in ${onFailure.description}: ${reasonOf(error)}`
      }
    }
    place.halted(record, reason)
    alarm.report({ type: 'shard-stopped', client, stream, shardId, sequenceNumber, retryMs: stoppedRetryMs, reason })
    await sleep(clock, stoppedRetryMs, place.stopping)
    if (place.stopping.aborted) return
    try {
      const isTried = await place.attempt([record], attempts + round)
      if (!isTried || place.isOver) return
      place.halted(undefined, '')
      report({ type: 'shard-resumed', client, stream, shardId, sequenceNumber })
      return place.done([record])
    } catch (error) {
      reason = reasonOf(error)
    }
  }
}

/** Whatever was thrown, in words: of what is no error, and may be no text either, what it holds. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error) return `${error.name}: ${error.message}`
  return typeof error === 'string' ? error : inspect(error, { breakLength: Number.POSITIVE_INFINITY })
}

const longestRetryMs = 5_000
