import type { Clock, Timer } from '../../src/clock.ts'

/** A clock that stands still until a test moves it. Timers fire in order of their due time. */
export class ManualClock implements Clock {
  #nowMs: number
  readonly #startMs: number
  #timers: { dueMs: number; act: () => void }[] = []

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs - this.#startMs
  }

  setTimer(act: () => void, ms: number): Timer {
    const timer = { dueMs: this.#nowMs + Math.max(0, ms), act }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.length
  }

  /** Moves time forward, firing what falls due, and lets promises settle after each timer. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    for (;;) {
      const next = this.#timers.filter((timer) => timer.dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      next.act()
      await settle()
    }
    this.#nowMs = endMs
    await settle()
  }
}

/** Lets everything run that is ready to run, I/O callbacks of this turn included. One promise: hours of timers make many. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    let turnsLeft = 5
    const turn = () => {
      if (turnsLeft-- > 0) setImmediate(turn)
      else resolve()
    }
    turn()
  })
}
