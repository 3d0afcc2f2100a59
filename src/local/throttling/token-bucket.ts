/**
 * A rate: so many tokens a second, of which at most a second's worth waits to be used. The level may fall below zero,
 * and then it must rise to zero before anything else is given.
 */
export class TokenBucket {
  readonly #perSecond: number
  readonly #capacity: number
  #level: number
  #atMs: number

  /** A bucket for whole things holds one at least, however low its rate. */
  constructor(perSecond: number, nowMs: number, leastCapacity = 0) {
    this.#perSecond = perSecond
    this.#capacity = perSecond > 0 ? Math.max(perSecond, leastCapacity) : 0
    this.#level = this.#capacity
    this.#atMs = nowMs
  }

  /** Whether all of it has come back: then a new bucket is as good. */
  isFull(nowMs: number): boolean {
    return this.#levelAt(nowMs) >= this.#capacity
  }

  isInDebt(nowMs: number): boolean {
    // Not even by the rounding of doubles.
    return this.#levelAt(nowMs) < -1e-6
  }

  /** How long it is in debt from now on, in milliseconds. */
  msInDebt(nowMs: number): number {
    return Math.max(0, (-this.#levelAt(nowMs) / this.#perSecond) * 1000)
  }

  /** Whether `take` may be called; what is more than a whole bucket may borrow so much from the time to come. */
  has(amount: number, nowMs: number, borrowed = 0): boolean {
    const level = this.#levelAt(nowMs)
    if (amount <= level + 1e-6) return true
    return amount > this.#capacity && level > 0 && amount - level <= borrowed
  }

  take(amount: number, nowMs: number): void {
    this.#level = this.#levelAt(nowMs) - amount
  }

  /** As `take`, but what is more than a whole bucket is paid back whole. */
  takeWhole(amount: number, nowMs: number): void {
    const level = this.#levelAt(nowMs)
    this.#level = (amount > this.#capacity ? Math.min(level, 0) : level) - amount
  }

  #levelAt(nowMs: number): number {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    this.#level = Math.min(this.#capacity, this.#level + (this.#perSecond * Math.max(0, nowMs - this.#atMs)) / 1000)
    this.#atMs = Math.max(this.#atMs, nowMs)
    return this.#level
  }
}
