import { sleep } from '../clock.ts'
import { ClosedError, type TritonError } from '../errors.ts'
import type { KinesisApi, PutEntry } from '../kinesis/kinesis-api.ts'
import { defaultMaxRecordBytes, highestMaxRecordBytes } from '../kinesis/limits.ts'
import { CallsBySignal } from './calls-by-signal.ts'
import { checkEntry, sizeOfEntry, tooLargeError } from './check-entry.ts'
import { Dispatcher } from './dispatcher.ts'
import { Fifo } from './fifo.ts'
import { isRetryable, judgeCallError } from './judge-answers.ts'
import { bookkeepingBytes, PendingRecord, type PutCall } from './pending-record.ts'
import { type ProducerOptions, type ResolvedProducerOptions, resolveProducerOptions } from './producer-options.ts'
import { ManyPut, SinglePut } from './put-calls.ts'
import type { PutOutcome, PutResult } from './put-outcome.ts'
import { retryDelayMs } from './retry-delay.ts'

export type { ProducerOptions } from './producer-options.ts'
export { type PutAccepted, PutError, type PutFailed, type PutOutcome, type PutResult } from './put-outcome.ts'

export interface PutOptions {
  /** Calls off what was not sent yet and any further attempt; what is under way is waited for. */
  signal?: AbortSignal
}

/**
 * Puts records into one stream: those of one turn of the event loop travel together, those of one key in order, and each
 * gets exactly one outcome. What it holds is bounded: when it is full, calls wait in line, in their order.
 *
 *     open -> closing: takes no further calls, finishes those it has -> closed
 */
export class Producer implements AsyncDisposable {
  readonly #api: KinesisApi
  readonly #stream: string
  readonly #options: ResolvedProducerOptions
  readonly #dispatcher: Dispatcher
  /** Calls that have records to hand over and wait for room. */
  readonly #line = new Fifo<PutCall>()
  readonly #calls = new CallsBySignal<PutCall>((calls) => this.#callOff(calls))
  #maxRecordBytes: number
  /** Nobody told us what the stream takes: it is asked when a record comes that only some streams take. */
  #maxRecordIs: 'assumed' | 'asked' | 'known'
  #closed: Promise<void> | undefined
  #finishClosing: (() => void) | undefined

  constructor(api: KinesisApi, stream: string, options: ProducerOptions = {}) {
    this.#api = api
    this.#stream = stream
    this.#options = resolveProducerOptions(options)
    this.#dispatcher = new Dispatcher(api, stream, this.#options, {
      fill: () => this.#fill(),
      onIdle: () => this.#finishIfIdle(),
    })
    this.#maxRecordBytes = this.#options.maxRecordBytes ?? defaultMaxRecordBytes
    this.#maxRecordIs = this.#options.maxRecordBytes === undefined ? 'assumed' : 'known'
  }

  /**
   * Resolves when Kinesis has the record. Rejects with a `RecordError` when it can't be written, with a `PutError` when
   * it was sent in vain, and with a `ClosedError` when it was called off.
   */
  put(entry: PutEntry, options: PutOptions = {}): Promise<PutResult> {
    return new Promise((resolve, reject) => {
      this.#enter(new SinglePut(entry, resolve, reject), options.signal)
    })
  }

  /**
   * Resolves with one outcome per record, in their order, whatever became of them. Entries are drawn from the iterable as
   * there is room; should it throw, the records drawn until then are finished before its error is passed on.
   */
  putMany(entries: Iterable<PutEntry>, options: PutOptions = {}): Promise<PutOutcome[]> {
    return new Promise((resolve, reject) => {
      this.#enter(new ManyPut(entries, resolve, reject), options.signal)
    })
  }

  /** Records taken over that have no outcome yet. */
  get unacknowledgedCount(): number {
    return this.#dispatcher.heldCount
  }

  /** What they count against `bufferBytes`. */
  get unacknowledgedBytes(): number {
    return this.#dispatcher.heldBytes
  }

  /** Sends what there is, and resolves when every record has its outcome. Later calls are refused. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#finishClosing = resolve
      this.#dispatcher.hurry()
      this.#finishIfIdle()
    })
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #enter(call: PutCall, signal: AbortSignal | undefined): void {
    if (this.#closed !== undefined) {
      refuseAll(call, new ClosedError(`The producer of stream ${this.#stream} was closed before this put.`))
      return
    }
    if (signal?.aborted) {
      refuseAll(call, this.#calledOffError())
      return
    }
    if (signal !== undefined) {
      this.#calls.add(call, signal)
      call.onFinished = () => this.#calls.delete(call, signal)
    }
    call.startedAtMs = Math.floor(this.#options.clock.monotonic())
    if (this.#line.length > 0 || !this.#admit(call)) this.#line.push(call)
    this.#dispatcher.start()
  }

  /** Takes records over from a call as far as there is room; answers whether that was all of them. */
  #admit(call: PutCall): boolean {
    const nowMs = Math.floor(this.#options.clock.monotonic())
    for (let entry = call.peek(); entry !== undefined; entry = call.peek()) {
      const problem = checkEntry(entry)
      if (problem !== undefined) {
        refuse(call, problem)
        continue
      }
      const sentBytes = sizeOfEntry(entry)
      if (sentBytes > this.#maxRecordBytes) {
        if (this.#maxRecordIs !== 'known' && sentBytes <= highestMaxRecordBytes) {
          this.#askMaxRecordBytes()
          return false
        }
        refuse(call, tooLargeError(sentBytes, this.#maxRecordBytes, this.#stream))
        continue
      }
      const { heldCount, heldBytes, isAmple } = this.#dispatcher
      // A record larger than the whole buffer is let in when it is alone.
      const isRoom = heldBytes + sentBytes + bookkeepingBytes <= this.#options.bufferBytes || heldCount === 0
      if (!isRoom || (isAmple && call.isDrawn)) return false
      this.#dispatcher.add(new PendingRecord(entry, call, call.take(), sentBytes, nowMs))
    }
    call.finishIfDone()
    return true
  }

  /**
   * Lets calls in line hand over what there is room for. A call waits for all of those before it: were they to take turns,
   * its records could overtake theirs.
   */
  #fill(): void {
    for (let call = this.#line.peek(); call !== undefined; call = this.#line.peek()) {
      if (!this.#admit(call)) return
      this.#line.shift()
    }
  }

  #finishIfIdle(): void {
    if (this.#line.length === 0 && this.#dispatcher.heldCount === 0) this.#finishClosing?.()
  }

  /** Until the answer is there, the record that needs it and all calls behind it wait: order comes first. */
  #askMaxRecordBytes(): void {
    if (this.#maxRecordIs === 'asked') return
    this.#maxRecordIs = 'asked'
    void this.#learnMaxRecordBytes().then((maxRecordBytes) => {
      this.#maxRecordIs = maxRecordBytes === undefined ? 'assumed' : 'known'
      this.#maxRecordBytes = maxRecordBytes ?? this.#maxRecordBytes
      this.#fill()
      this.#dispatcher.start()
      this.#finishIfIdle()
    })
  }

  /** What the stream takes; undefined when nobody waits for it any more. Never rejects. */
  async #learnMaxRecordBytes(): Promise<number | undefined> {
    const { clock, random, deadlineMs } = this.#options
    const untilMs = clock.monotonic() + deadlineMs
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.#api.describeStreamSummary(this.#stream)).maxRecordBytes
      } catch (error) {
        // Without permission to ask, what every stream takes is what we can promise.
        if (!isRetryable(judgeCallError(error))) return this.#maxRecordBytes
        const delayMs = retryDelayMs(attempt, this.#options, random)
        // Where nobody answers, the record itself is sent, and has its own deadline: Kinesis then says what it takes.
        if (clock.monotonic() + delayMs > untilMs) return highestMaxRecordBytes
        await sleep(clock, delayMs)
        if (this.#line.length === 0) return undefined
      }
    }
  }

  #callOff(calls: ReadonlySet<PutCall>): void {
    for (const call of calls) if (this.#line.remove(call)) refuseAll(call, this.#calledOffError())
    this.#dispatcher.callOff(calls)
  }

  #calledOffError(): ClosedError {
    return new ClosedError(`A put into stream ${this.#stream} was called off before it was sent.`)
  }
}

/** Hands the call's next record back unsent. */
function refuse(call: PutCall, error: TritonError): void {
  const entry = call.peek()
  if (entry !== undefined) call.fail(call.take(), entry, { code: error.code, error, mayHaveBeenWritten: false })
}

function refuseAll(call: PutCall, error: TritonError): void {
  while (call.peek() !== undefined) refuse(call, error)
  call.finishIfDone()
}
