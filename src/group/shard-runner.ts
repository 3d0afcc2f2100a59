import type { HeldLease } from '../checkpoint/held-lease.ts'
import { sleep } from '../clock.ts'
import type { PrefetchBudget } from '../consumer/prefetch-budget.ts'
import { type ShardPage, ShardReader } from '../consumer/shard-reader.ts'
import { type StreamRecord, toStreamRecord } from '../consumer/stream-record.ts'
import { isObserved, report } from '../diagnostics.ts'
import { ClosedError } from '../errors.ts'
import { describePosition, type Position } from '../kinesis/position.ts'
import { BatchProgress } from './batch-progress.ts'
import { callHandler, contextOf, type HandlerCall } from './call-handler.ts'
import type { Gate } from './gate.ts'
import { handleBatch } from './handle-batch.ts'
import type { WorkerSettings } from './worker-options.ts'

export interface ShardRunnerOptions<T> {
  settings: WorkerSettings<T>
  lease: HeldLease
  /** Whether anything may be done under the lease now. */
  isHeld: () => boolean
  position: Position
  budget: PrefetchBudget
  /** Lets so many handlers run at the same time. */
  gate: Gate
  /** What a page may take in memory, in bytes. */
  pageBytes: number
  /** How long the shard is left alone at its tip, in milliseconds, when there was no record for so long. */
  idlePollMs: (silentMs: number) => number
}

/** How a runner's reading came to its end. */
export type RunEnd =
  /** All of a closed shard is handled. */
  | { type: 'finished'; page: ShardPage }
  /** It was asked to stop, and what was in hand is handled or called off. */
  | { type: 'stopped' }
  /** The lease is gone. */
  | { type: 'lost' }

/**
 * Reads one shard and has its records handled, for as long as its lease is held. It writes nothing itself but through
 * the lease, and never gives it back: whoever runs it does, when it has ended.
 *
 *     running    until the shard's end, `stop`, or the loss of the lease
 *     stopping   no further batch begins; the one in hand may end until the time is up, then its signal fires
 *     over       `run` has resolved, or rejected with what reading failed of for good
 */
export class ShardRunner<T> {
  readonly shardId: string
  readonly #options: ShardRunnerOptions<T>
  readonly #lease: HeldLease
  /** Fires when no further batch may begin: reading ends. */
  readonly #stopping = new AbortController()
  /** Fires when what is in hand must end, too. */
  readonly #life = new AbortController()
  #over: Promise<RunEnd> | undefined
  #progress: BatchProgress<T> | undefined
  /** Last record that a handler was given. */
  #lastGiven: string | undefined
  #onKept: (() => void) | undefined
  /** When a page last brought records; at first, when reading began. */
  #lastRecordMs: number
  #reader: ShardReader | undefined
  /** Pages that count as the worker's prefetch. */
  readonly #heldPages = new Set<ShardPage>()
  /** Calls of the handler that run now, and whether they may. */
  #insideCount = 0
  #inside: Promise<boolean> | undefined
  /** End the waiting for handlers that run. */
  readonly #cutOffs = new Set<() => void>()

  /** Facts for the watch and the status. */
  readonly state: RunnerState

  constructor(options: ShardRunnerOptions<T>) {
    this.shardId = options.lease.name
    this.#options = options
    this.#lease = options.lease
    this.#lastGiven = 'sequenceNumber' in options.position ? options.position.sequenceNumber : undefined
    this.#lastRecordMs = options.settings.clock.monotonic()
    const readTrouble = () => this.#reader?.trouble ?? ''
    this.state = {
      get readTrouble() {
        return readTrouble()
      },
      position: describePosition(options.position),
      sequenceNumber: 'sequenceNumber' in options.position ? options.position.sequenceNumber : undefined,
      movedAtMs: options.settings.clock.monotonic(),
      behindMs: -1,
      handlerSinceMs: undefined,
      isInLine: false,
      halted: '',
      isUnkept: false,
      handledCount: 0,
      handledBytes: 0,
    }
    options.lease.signal.addEventListener('abort', this.#onLost, { once: true })
    if (options.lease.signal.aborted) this.#onLost()
  }

  run(): Promise<RunEnd> {
    this.#over ??= this.#run().finally(() => {
      this.#lease.signal.removeEventListener('abort', this.#onLost)
    })
    return this.#over
  }

  /** Lets the batch in hand end, for `handOffMs` at most, and begins no other. Resolves when nothing runs any more. */
  async stop(handOffMs: number): Promise<void> {
    const { clock } = this.#options.settings
    this.#stopping.abort()
    const timer = clock.setTimer(
      () => this.#abort(new ClosedError(`${this.shardId} is handed over: time is up`)),
      handOffMs,
    )
    await this.#over?.catch(() => {}) // told by whoever runs it
    timer.cancel()
  }

  /** Resolves when every record that was handled is kept, or that is of no use any more. */
  async untilKept(): Promise<void> {
    while (this.#lastGiven !== this.state.sequenceNumber && !this.#stopping.signal.aborted) {
      this.state.isUnkept = true
      await new Promise<void>((resolve) => {
        this.#onKept = resolve
        this.#stopping.signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  async #run(): Promise<RunEnd> {
    const { api, stream, callsPerSecond, clock, random } = this.#options.settings
    const { budget, pageBytes, position } = this.#options
    const idlePollMs = () => this.#options.idlePollMs(clock.monotonic() - this.#lastRecordMs)
    report({ type: 'shard-started', stream, shardId: this.shardId, from: describePosition(position) })
    const reader = new ShardReader({
      ...{ api, stream, shardId: this.shardId, position, pageBytes, idlePollMs, callsPerSecond, budget, clock, random },
      signal: this.#stopping.signal,
    })
    this.#reader = reader
    let coming = this.#next(reader)
    for (;;) {
      const page = await coming
      if (page === undefined) return { type: this.#lease.signal.aborted ? 'lost' : 'stopped' }
      if (!page.isEnd) coming = this.#next(reader)
      try {
        await this.#handlePage(page)
      } catch (error) {
        this.#stopping.abort()
        throw error
      } finally {
        page.records.release()
        this.#release(page)
        if (this.#stopping.signal.aborted && !page.isEnd) await this.#drop(coming)
      }
      if (this.#stopping.signal.aborted) return { type: this.#lease.signal.aborted ? 'lost' : 'stopped' }
      if (page.isEnd) return { type: 'finished', page }
    }
  }

  /** The page after the one in hand. It may fail while nobody waits for it yet. */
  #next(reader: ShardReader): Promise<ShardPage | undefined> {
    const coming = reader.next().then((page) => {
      if (page !== undefined) this.#heldPages.add(page)
      if (page !== undefined && page.records.length > 0) this.#lastRecordMs = this.#options.settings.clock.monotonic()
      if (this.state.halted !== '') this.yieldBudget()
      return page
    })
    coming.catch(() => {})
    return coming
  }

  /**
   * What this shard holds counts no longer as the worker's prefetch: it stands, and others must not starve behind it. It
   * keeps two pages at most, whatever the budget says.
   */
  yieldBudget(): void {
    for (const page of [...this.#heldPages]) this.#release(page)
  }

  #release(page: ShardPage): void {
    if (this.#heldPages.delete(page)) this.#options.budget.release(page.heldBytes)
  }

  async #drop(coming: Promise<ShardPage | undefined>): Promise<void> {
    const page = await coming.catch(() => undefined)
    if (page !== undefined) this.#release(page)
  }

  async #handlePage(page: ShardPage): Promise<void> {
    const { settings } = this.#options
    this.state.behindMs = page.millisBehindLatest
    let turnBegunMs = settings.clock.monotonic()
    if (page.millisBehindLatest === 0 && page.records.length === 0) this.state.movedAtMs = turnBegunMs
    for (let from = 0; from < page.records.length; from += settings.batchRecords) {
      if (this.#stopping.signal.aborted) return
      const records: StreamRecord<T>[] = []
      for (let index = from; index < from + settings.batchRecords; index++) {
        const encoded = page.records.at(index)
        if (encoded === undefined) break
        records.push(toStreamRecord(this.shardId, encoded, settings.decode))
      }
      const handling = this.#handle(records, page.millisBehindLatest)
      if (handling !== undefined) await handling
      // Handlers that compute and wait for nothing would keep the renewals of all leases waiting.
      if (settings.clock.monotonic() - turnBegunMs < longestTurnMs) continue
      await sleep(settings.clock, 0)
      turnBegunMs = settings.clock.monotonic()
    }
    this.state.handledBytes += page.records.byteLength
    this.#lease.facts = { ...this.#lease.facts, behindMs: page.millisBehindLatest }
  }

  /** Undefined when the handler had nothing to wait for, and all is done. */
  #handle(records: StreamRecord<T>[], millisBehindLatest: number): Promise<void> | undefined {
    const { settings } = this.#options
    const { clock, isManual } = settings
    this.#tellUndecodable(records)
    this.#lastGiven = records.at(-1)?.sequenceNumber
    const begunMs = clock.monotonic()
    const progress = new BatchProgress(records, {
      lease: this.#lease,
      isManual,
      flushAfter: settings.checkpointRecords,
      kept: () => this.state.sequenceNumber,
      onMoved: (sequenceNumber) => {
        this.state.sequenceNumber = sequenceNumber
        this.state.movedAtMs = clock.monotonic()
        this.#onKept?.()
      },
    })
    this.#progress = progress
    const call: HandlerCall<T> = { settings, progress, attempt: 1, millisBehindLatest, signal: this.#life.signal }
    const begun = this.#attemptAtOnce(records, call)
    if (begun !== 'done') return this.#handleInTime(call, begun).finally(() => this.#tellHandled(call, begunMs))
    if (!this.#life.signal.aborted) progress.done(records)
    this.#tellHandled(call, begunMs)
    return undefined
  }

  /**
   * Calls a handler that takes batches, if its turn is now. When it returns no promise its batch is done before another
   * shard's is made: batches that lie about while others are handled cost the collector more than all the rest.
   */
  #attemptAtOnce(records: StreamRecord<T>[], call: HandlerCall<T>): 'done' | Promise<boolean> | undefined {
    const { gate, isHeld, settings } = this.#options
    const { handler, keysWithinShard, clock } = settings
    if (handler === undefined || keysWithinShard > 1 || this.#stopping.signal.aborted) return undefined
    if (!isHeld() || !gate.enterAtOnce()) return undefined
    this.#insideCount += 1
    this.state.handlerSinceMs = clock.monotonic()
    let returned: unknown
    try {
      returned = handler(records.slice(), contextOf(records, call))
    } catch (error) {
      returned = Promise.reject(error)
    }
    if (!isThenable(returned)) {
      this.#leave(true)
      isHeld()
      return 'done'
    }
    return this.#orCutOff(Promise.resolve(returned))
      .then(() => {
        isHeld()
        return true
      })
      .finally(() => this.#leave(true))
  }

  async #handleInTime(first: HandlerCall<T>, begun?: Promise<boolean>): Promise<void> {
    const { settings, isHeld } = this.#options
    const { progress, signal: life } = first
    await progress.handleByKey(settings.keysWithinShard, (lane) =>
      handleBatch(
        lane,
        settings,
        {
          shardId: this.shardId,
          stopping: this.#stopping.signal,
          get isOver() {
            return life.aborted
          },
          attempt: (some, attempt) =>
            this.#throughGate(async () => {
              if (!isHeld()) return
              await this.#orCutOff(callHandler(some, { ...first, attempt }))
              isHeld()
            }),
          unhandled: (some) => progress.unhandled(some),
          done: (some) => progress.done(some),
          halted: (_, reason) => {
            this.state.halted = reason
            if (reason !== '') this.yieldBudget()
          },
        },
        begun,
      ),
    )
  }

  #tellHandled({ progress, millisBehindLatest }: HandlerCall<T>, begunMs: number): void {
    const { client, stream, clock } = this.#options.settings
    this.#progress = undefined
    const recordCount = progress.doneCount
    this.state.handledCount += recordCount
    if (!isObserved()) return
    report({
      ...{ type: 'batch-handled', client, stream, shardId: this.shardId, recordCount },
      ageMs: Math.max(0, clock.now() - (progress.arrivedAtMs ?? clock.now())),
      ...{ millisBehindLatest, durationMs: clock.monotonic() - begunMs },
    })
  }

  /**
   * Runs a call of the handler when the worker has a place for this shard; keys side by side share one. Between attempts
   * the place is others'. Answers false when the shard is to stop and none was made.
   */
  async #throughGate(call: () => Promise<void>): Promise<boolean> {
    const { gate } = this.#options
    const { clock } = this.#options.settings
    if (this.#insideCount++ === 0) this.#inside = gate.enter(this.#stopping.signal)
    const inside = this.#inside ?? Promise.resolve(false)
    this.state.isInLine = true
    const isInside = await inside
    this.state.isInLine = false
    try {
      if (isInside) {
        this.state.handlerSinceMs ??= clock.monotonic()
        await call()
      }
      return isInside
    } finally {
      this.#leave(isInside)
    }
  }

  #leave(isInside: boolean): void {
    if (--this.#insideCount > 0) return
    this.state.handlerSinceMs = undefined
    if (isInside) this.#options.gate.leave()
  }

  /** A handler that does not return is left behind when its time is up; what it still does counts no more. */
  #orCutOff(call: Promise<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      const cutOff = () => resolve()
      this.#cutOffs.add(cutOff)
      call.then(cutOff, reject).finally(() => this.#cutOffs.delete(cutOff))
    })
  }

  #tellUndecodable(records: readonly StreamRecord<T>[]): void {
    const { stream } = this.#options.settings
    for (const { error, shardId, sequenceNumber } of records) {
      if (error !== undefined) {
        report({ type: 'record-undecodable', stream, shardId, sequenceNumber, reason: error.message })
      }
    }
  }

  #abort(reason: unknown): void {
    this.#stopping.abort(reason)
    this.#life.abort(reason)
    this.#progress?.abandon(reason)
    for (const cutOff of this.#cutOffs) cutOff()
  }

  readonly #onLost = () => {
    this.#abort(this.#lease.signal.reason)
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof (value as PromiseLike<unknown>).then === 'function'
  )
}

/** After so long, others have their turn of the event loop, in milliseconds. */
const longestTurnMs = 20

export interface RunnerState {
  /** Where it began, for people. */
  position: string
  /** Last record that is done with; undefined before the first. */
  sequenceNumber: string | undefined
  /** When the position last moved, or there was nothing to read; monotonic. */
  movedAtMs: number
  /** -1 before the first page. */
  behindMs: number
  /** Since when a handler has been running; undefined while none is. */
  handlerSinceMs: number | undefined
  /** Waits until fewer handlers run than may at the same time. */
  isInLine: boolean
  /** What reading fails with; empty when it does not. */
  readonly readTrouble: string
  /** Why the shard halts; empty when it does not. */
  halted: string
  /** Read to its end, and its last record is not kept: by hand only its handler does that. */
  isUnkept: boolean
  handledCount: number
  handledBytes: number
}
