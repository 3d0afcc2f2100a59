import { ConfigError } from '../errors.ts'

/** How fast the past comes: so many records a second, or so many times as fast as it once did. */
export type ReplayRate = { recordsPerSecond: number } | { timesOriginal: number }

/** Says when each record is due. The first is at once, and sets the clock for all others. */
export class ReplayPace {
  readonly #rate: ReplayRate | undefined
  #startMs = 0
  #firstArrivedMs = 0
  #count = 0

  constructor(rate: ReplayRate | undefined) {
    if (rate !== undefined) checkRate(rate)
    this.#rate = rate
  }

  get needsArrivals(): boolean {
    return this.#rate !== undefined && 'timesOriginal' in this.#rate
  }

  /** How long the next record is to wait, in milliseconds; `nowMs` is monotonic. */
  waitMs(nowMs: number, arrivedAtMs: number | undefined): number {
    if (this.#rate === undefined) return 0
    if (this.#count === 0) {
      this.#startMs = nowMs
      this.#firstArrivedMs = arrivedAtMs ?? 0
    }
    const elapsedMs =
      'recordsPerSecond' in this.#rate
        ? (this.#count / this.#rate.recordsPerSecond) * 1000
        : ((arrivedAtMs ?? 0) - this.#firstArrivedMs) / this.#rate.timesOriginal
    this.#count += 1
    return Math.max(0, this.#startMs + elapsedMs - nowMs)
  }
}

function checkRate(rate: ReplayRate): void {
  const value = 'recordsPerSecond' in rate ? rate.recordsPerSecond : rate.timesOriginal
  if (!(Number.isFinite(value) && value > 0)) throw new ConfigError(`a rate of ${value} is none; it is more than 0`)
}
