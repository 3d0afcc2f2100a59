import type { PutEntry } from '../kinesis/kinesis-api.ts'
import type { AcceptedAnswer, PutCall, PutFailure } from './pending-record.ts'
import type { PutOutcome, PutResult } from './put-outcome.ts'

/** One `put`: its promise resolves when Kinesis has the record and rejects otherwise. */
export class SinglePut implements PutCall {
  startedAtMs = 0
  readonly isDrawn = false
  onFinished: (() => void) | undefined
  readonly #entry: PutEntry
  readonly #resolve: (result: PutResult) => void
  readonly #reject: (error: Error) => void
  #isTaken = false

  constructor(entry: PutEntry, resolve: (result: PutResult) => void, reject: (error: Error) => void) {
    this.#entry = entry
    this.#resolve = resolve
    this.#reject = reject
  }

  peek(): PutEntry | undefined {
    return this.#isTaken ? undefined : this.#entry
  }

  take(): number {
    this.#isTaken = true
    return 0
  }

  accept(_index: number, answer: AcceptedAnswer, reordered: boolean): void {
    this.#resolve({ shardId: answer.shardId, sequenceNumber: answer.sequenceNumber, reordered })
    this.onFinished?.()
  }

  fail(_index: number, _entry: PutEntry, failure: PutFailure): void {
    this.#reject(failure.error)
    this.onFinished?.()
  }

  finishIfDone(): void {}
}

/** One `putMany`: it resolves when each of its records has an outcome. Records are drawn as there is room for them. */
export class ManyPut implements PutCall {
  startedAtMs = 0
  readonly isDrawn = true
  onFinished: (() => void) | undefined
  readonly #entries: Iterator<PutEntry>
  readonly #resolve: (outcomes: PutOutcome[]) => void
  readonly #reject: (error: unknown) => void
  readonly #outcomes: (PutOutcome | undefined)[] = []
  #peeked: PutEntry | undefined
  #isExhausted = false
  /** What the caller's iterator threw. */
  #problem: { error: unknown } | undefined
  #settledCount = 0

  constructor(
    entries: Iterable<PutEntry>,
    resolve: (outcomes: PutOutcome[]) => void,
    reject: (error: unknown) => void,
  ) {
    this.#entries = entries[Symbol.iterator]()
    this.#resolve = resolve
    this.#reject = reject
  }

  peek(): PutEntry | undefined {
    if (this.#peeked !== undefined || this.#isExhausted) return this.#peeked
    try {
      const next = this.#entries.next()
      if (next.done) this.#isExhausted = true
      else this.#peeked = next.value
    } catch (error) {
      this.#isExhausted = true
      this.#problem = { error }
    }
    return this.#peeked
  }

  take(): number {
    this.#peeked = undefined
    // A place for each outcome in their order: requests end in any order, and arrays with gaps are slow.
    return this.#outcomes.push(undefined) - 1
  }

  accept(index: number, answer: AcceptedAnswer, reordered: boolean): void {
    const { shardId, sequenceNumber } = answer
    this.#settle({ ok: true, index, shardId, sequenceNumber, reordered })
  }

  fail(index: number, record: PutEntry, failure: PutFailure): void {
    this.#settle({ ok: false, index, record, ...failure })
  }

  finishIfDone(): void {
    if (!this.#isExhausted || this.#settledCount < this.#outcomes.length) return
    this.onFinished?.()
    if (this.#problem === undefined) this.#resolve(this.#outcomes as PutOutcome[])
    else this.#reject(this.#problem.error)
  }

  #settle(outcome: PutOutcome): void {
    this.#outcomes[outcome.index] = outcome
    this.#settledCount++
    if (this.#isExhausted) this.finishIfDone()
  }
}
