/**
 * Keeps one shard's GetRecords calls under Kinesis' limit: in no second more than `callsPerSecond` of them begin.
 * Within a second they may follow one another at once, so that catching up is not held back. Time comes as an argument.
 */
export class CallPacer {
  readonly #callsPerSecond: number
  /** When the last `callsPerSecond` calls began, oldest first. */
  #begunMs: number[] = []

  constructor(callsPerSecond: number) {
    this.#callsPerSecond = callsPerSecond
  }

  /** Milliseconds until the next call may begin; 0 when it may begin now. */
  waitMs(nowMs: number): number {
    if (this.#begunMs.length < this.#callsPerSecond) return 0
    return Math.max(0, (this.#begunMs[0] ?? nowMs) + 1_000 - nowMs)
  }

  /** A call begins now. */
  spend(nowMs: number): void {
    if (this.#callsPerSecond === Number.POSITIVE_INFINITY) return
    this.#begunMs.push(nowMs)
    if (this.#begunMs.length > this.#callsPerSecond) this.#begunMs.shift()
  }
}
