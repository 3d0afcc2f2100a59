import type { Timer } from '../clock.ts'
import { isObserved, report } from '../diagnostics.ts'
import { ClosedError } from '../errors.ts'
import type { KinesisApi } from '../kinesis/kinesis-api.ts'
import { type Failure, isAccepted, isRetryable, markOvertaken, type Verdict } from './judge-answers.ts'
import { type BatchLimits, type KeyLane, KeyLanes, waitingIn } from './key-lanes.ts'
import { bookkeepingBytes, type PendingRecord, type PutCall } from './pending-record.ts'
import type { ResolvedProducerOptions } from './producer-options.ts'
import { putErrorOf } from './put-outcome.ts'
import { retryDelayMs } from './retry-delay.ts'
import { sendBatch } from './send-batch.ts'

interface Failed {
  record: PendingRecord
  verdict: Failure
}

/** Where records come from. */
export interface RecordSource {
  /** Hands over what waits outside, as far as there is room; called before each batch is taken. */
  fill(): void
  /** No record is held. */
  onIdle(): void
}

/**
 * Brings the records that a producer holds to their outcomes, a batch at a time.
 *
 *     lane -> batch -> accepted
 *                   -> failed for good, or for as long as its deadline allows
 *                   -> back to the head of its lane, which rests a while
 */
export class Dispatcher {
  readonly #api: KinesisApi
  readonly #stream: string
  readonly #options: ResolvedProducerOptions
  readonly #limits: BatchLimits
  readonly #source: RecordSource
  readonly #lanes = new KeyLanes()
  readonly #sent = new Set<readonly PendingRecord[]>()
  #heldCount = 0
  #heldBytes = 0
  #mayLinger: boolean
  #planned: { cancel(): void; isLingering: boolean } | undefined
  #stallTimer: Timer | undefined
  /** Lanes that wait before they are sent again. */
  readonly #resting = new Set<{ lanes: readonly KeyLane[]; timer: Timer }>()
  #lastAcceptedAtMs = Number.NEGATIVE_INFINITY
  #lastFailure: Failure | undefined

  constructor(api: KinesisApi, stream: string, options: ResolvedProducerOptions, source: RecordSource) {
    this.#api = api
    this.#stream = stream
    this.#options = options
    this.#source = source
    this.#mayLinger = options.lingerMs > 0
    this.#limits = {
      records: options.batchRecords,
      bytes: options.batchBytes,
      onePerKey: options.order === 'strict',
    }
  }

  /** Records without an outcome. */
  get heldCount(): number {
    return this.#heldCount
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** So many wait already that more of them would only grow old. */
  get isAmple(): boolean {
    return this.#lanes.readyCount >= 2 * this.#options.batchRecords || this.#lanes.waitingCount >= ampleWaitingRecords
  }

  add(record: PendingRecord): void {
    this.#heldCount++
    this.#heldBytes += record.sentBytes + bookkeepingBytes
    this.#lanes.add(record)
  }

  /** Records were added. */
  start(): void {
    if (this.#lanes.waitingCount === 0) return
    this.#plan()
    this.#stallTimer ??= this.#options.clock.setTimer(() => this.#lookForStall(), this.#options.deadlineMs)
  }

  /** Records wait for company no longer. */
  hurry(): void {
    this.#mayLinger = false
    this.start()
  }

  /** Waiting records of these calls are handed back; those under way get no further attempt. */
  callOff(calls: ReadonlySet<PutCall>): void {
    for (const batch of this.#sent) for (const record of batch) if (calls.has(record.call)) record.isCalledOff = true
    const withdrawn = [...this.#lanes.waiting()].filter((record) => calls.has(record.call))
    for (const record of withdrawn) {
      this.#lanes.withdraw(record)
      const error = new ClosedError(`A put into stream ${this.#stream} was called off before Kinesis had the record.`)
      this.#release(record)
      const { mayHaveBeenWritten } = record
      record.call.fail(record.index, record.entry, { code: error.code, error, mayHaveBeenWritten })
    }
    this.#goOn()
  }

  /** The next batches leave after this turn of the event loop, with all that was put in it; later, when lingering. */
  #plan(): void {
    const isLingering = this.#mayLinger && this.#lanes.waitingCount < this.#limits.records
    if (this.#planned !== undefined) {
      if (isLingering || !this.#planned.isLingering) return
      this.#planned.cancel()
    }
    const dispatch = () => this.#dispatch()
    if (isLingering) {
      const timer = this.#options.clock.setTimer(dispatch, this.#options.lingerMs)
      this.#planned = { isLingering, cancel: () => timer.cancel() }
    } else {
      const immediate = setImmediate(dispatch)
      this.#planned = { isLingering, cancel: () => clearImmediate(immediate) }
    }
  }

  #dispatch(): void {
    this.#planned?.cancel()
    this.#planned = undefined
    while (this.#sent.size < this.#options.requestsInFlight) {
      this.#source.fill()
      const retriesOnly = this.#lanes.retryingCount >= retryBacklogRecords
      const batch = this.#lanes.takeBatch(this.#limits, retriesOnly)
      if (batch.length === 0) return
      void this.#carry(batch)
    }
  }

  /** One attempt for each record of the batch. */
  async #carry(batch: readonly PendingRecord[]): Promise<void> {
    const { clock, deadlineMs } = this.#options
    this.#sent.add(batch)
    const startMs = Math.floor(clock.monotonic())
    let latestFirstMs = 0
    for (const record of batch) {
      if (record.attemptCount++ === 0) record.firstSentAtMs = startMs
      latestFirstMs = Math.max(latestFirstMs, record.firstSentAtMs)
    }
    const deadline = new AbortController()
    const timer = clock.setTimer(() => deadline.abort(), latestFirstMs + deadlineMs - startMs)
    const entries = batch.map((record) => record.entry)
    const verdicts = await sendBatch(this.#api, this.#stream, entries, deadline.signal)
    timer.cancel()
    this.#sent.delete(batch)
    this.#settle(batch, verdicts, startMs)
    this.#goOn()
  }

  #settle(batch: readonly PendingRecord[], verdicts: readonly Verdict[], startMs: number): void {
    const { clock, random, order, deadlineMs } = this.#options
    const nowMs = clock.monotonic()
    let failure: Failure | undefined
    let attemptCount = 0
    for (let index = 0; index < batch.length; index++) {
      const verdict = verdicts[index] as Verdict
      attemptCount = Math.max(attemptCount, (batch[index] as PendingRecord).attemptCount)
      if (!isAccepted(verdict)) failure ??= verdict
    }
    const delayMs = failure === undefined ? 0 : retryDelayMs(attemptCount, this.#options, random)
    if (failure !== undefined && order === 'lane') markOvertaken(batch, verdicts)

    const again: PendingRecord[] = []
    const failed: Failed[] = []
    let reorderedCount = 0
    for (let index = 0; index < batch.length; index++) {
      const record = batch[index] as PendingRecord
      const verdict = verdicts[index] as Verdict
      if (isAccepted(verdict)) {
        if (record.isOvertaken) reorderedCount++
        this.#lastAcceptedAtMs = nowMs
        this.#release(record)
        record.call.accept(record.index, verdict, record.isOvertaken)
        continue
      }
      record.mayHaveBeenWritten ||= verdict.mayHaveBeenWritten
      const hasTime = nowMs + delayMs < record.firstSentAtMs + deadlineMs
      if (isRetryable(verdict) && hasTime && !record.isCalledOff) again.push(record)
      else failed.push({ record, verdict })
    }
    const resting = this.#lanes.settle(batch, again)
    if (again.length > 0) this.#rest(resting, delayMs)
    const stale = failed.flatMap(({ record, verdict }) => (isRetryable(verdict) ? this.#stale(record, verdict) : []))
    this.#giveUp([...failed, ...stale])

    if (failure === undefined && !isObserved()) return
    this.#lastFailure = failure ?? this.#lastFailure
    this.#tell(batch, { again, failure, attemptCount, delayMs, reorderedCount, durationMs: nowMs - startMs })
  }

  #rest(lanes: readonly KeyLane[], delayMs: number): void {
    const timer = this.#options.clock.setTimer(() => {
      this.#resting.delete(rest)
      this.#lanes.resume(lanes)
      this.#dispatch()
    }, delayMs)
    const rest = { lanes, timer }
    this.#resting.add(rest)
  }

  #goOn(): void {
    this.#dispatch()
    if (this.#heldCount > 0) return
    this.#stallTimer?.cancel()
    this.#stallTimer = undefined
    // Lanes whose records were all called off while they rested.
    for (const { lanes, timer } of this.#resting) {
      timer.cancel()
      this.#lanes.resume(lanes)
    }
    this.#resting.clear()
    this.#source.onIdle()
  }

  #release(record: PendingRecord): void {
    record.state = 'settled'
    this.#heldCount--
    this.#heldBytes -= record.sentBytes + bookkeepingBytes
  }

  #giveUp(failed: readonly Failed[]): void {
    const counts = new Map<string, { errorCode: string; mayHaveBeenWritten: boolean; recordCount: number }>()
    for (const { record, verdict } of failed) {
      const { mayHaveBeenWritten } = record
      const { errorCode: code } = verdict
      const group = `${code} ${mayHaveBeenWritten}`
      const counted = counts.get(group) ?? { errorCode: code, mayHaveBeenWritten, recordCount: 0 }
      counted.recordCount++
      counts.set(group, counted)
      this.#release(record)
      const error = putErrorOf(record, verdict, this.#stream, this.#options.deadlineMs)
      record.call.fail(record.index, record.entry, { code, error, mayHaveBeenWritten })
    }
    for (const counted of counts.values()) report({ type: 'put-failed', stream: this.#stream, ...counted })
  }

  /** Records that waited behind one that was given up, for as long as it was allowed to be tried, have had their time. */
  #stale(record: PendingRecord, verdict: Failure): Failed[] {
    if (record.lane === undefined) return []
    const dueBeforeMs = this.#options.clock.monotonic() - this.#options.deadlineMs
    const stale = [...waitingIn(record.lane)].filter(
      (waiting) => waiting.attemptCount === 0 && waiting.admittedAtMs <= dueBeforeMs,
    )
    for (const waiting of stale) this.#lanes.withdraw(waiting)
    return stale.map((waiting) => ({ record: waiting, verdict }))
  }

  /**
   * A record that never had its turn waits for as long as Kinesis accepts others: a slow stream is no failure. When
   * nothing was accepted for a whole deadline, the records of calls that waited as long are given up; those that are
   * drawn from such a call then, too.
   */
  #lookForStall(): void {
    const { clock, deadlineMs } = this.#options
    this.#stallTimer = undefined
    if (this.#heldCount === 0) return
    const nowMs = clock.monotonic()
    const verdict = this.#lastFailure ?? neverTried
    const stalled: Failed[] = []
    let nextDueMs = nowMs + deadlineMs
    for (const record of this.#lanes.waiting()) {
      if (record.attemptCount > 0) continue
      const dueMs = Math.max(record.call.startedAtMs, this.#lastAcceptedAtMs) + deadlineMs
      if (dueMs <= nowMs) stalled.push({ record, verdict })
      else nextDueMs = Math.min(nextDueMs, dueMs)
    }
    const pauseMs = stalled.length > 0 ? 0 : nextDueMs - nowMs
    this.#stallTimer = clock.setTimer(() => this.#lookForStall(), pauseMs)
    if (stalled.length === 0) return
    for (const { record } of stalled) this.#lanes.withdraw(record)
    this.#giveUp(stalled)
    this.#goOn()
  }

  #tell(
    batch: readonly PendingRecord[],
    facts: {
      again: readonly PendingRecord[]
      failure: Failure | undefined
      attemptCount: number
      delayMs: number
      reorderedCount: number
      durationMs: number
    },
  ): void {
    const stream = this.#stream
    const { again, failure, attemptCount, delayMs, reorderedCount, durationMs } = facts
    const batchBytes = batch.reduce((sum, record) => sum + record.sentBytes, 0)
    const failedCount = batch.filter((record) => record.state !== 'settled').length
    const recordCount = batch.length
    report({
      type: 'batch-put',
      stream,
      recordCount,
      batchBytes,
      failedCount,
      retryCount: attemptCount - 1,
      durationMs,
    })
    if (again.length > 0 && failure !== undefined) {
      const { errorCode } = failure
      report({ type: 'put-retry', stream, recordCount: again.length, errorCode, attempt: attemptCount, delayMs })
    }
    if (reorderedCount > 0) report({ type: 'record-reordered', stream, recordCount: reorderedCount })
  }
}

/**
 * So many refused records wait at most beside what is under way; new ones stay back meanwhile. A stream that is slower
 * than its callers then sees few records often, rather than all of them seldom.
 */
const retryBacklogRecords = 2_000

/** Records that wait behind others of their key, or rest: with so many of them no further ones are drawn. */
const ampleWaitingRecords = 8_000

const neverTried: Failure = {
  errorCode: 'ETIMEDOUT',
  errorMessage: 'no request came to its turn, because none before it was answered',
  errorClass: 'transient',
  mayHaveBeenWritten: false,
}
