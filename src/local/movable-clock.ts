import { type Clock, systemClock, type Timer } from '../clock.ts'

/**
 * A clock that runs with another one, and can be moved ahead: what was to happen meanwhile happens at once, in its
 * order, as on a machine that wakes up. So a test ages a stream by a day without waiting for it.
 */
export class MovableClock implements Clock {
  readonly #base: Clock
  readonly #alarms = new Set<Alarm>()
  #offsetMs = 0

  constructor(base: Clock = systemClock) {
    this.#base = base
  }

  /** How far it is ahead of the clock that it runs with, in milliseconds. */
  get offsetMs(): number {
    return this.#offsetMs
  }

  now(): number {
    return this.#base.now() + this.#offsetMs
  }

  monotonic(): number {
    return this.#base.monotonic() + this.#offsetMs
  }

  setTimer(act: () => void, ms: number): Timer {
    const fire = () => {
      alarm.timer.cancel()
      if (this.#alarms.delete(alarm)) act()
    }
    const alarm: Alarm = { dueMs: this.monotonic() + ms, fire, timer: this.#base.setTimer(fire, ms) }
    this.#alarms.add(alarm)
    return {
      cancel: () => {
        alarm.timer.cancel()
        this.#alarms.delete(alarm)
      },
    }
  }

  /** Moves it ahead; timers that fall due have fired when this returns. */
  advance(ms: number): void {
    if (!(ms >= 0) || ms === Number.POSITIVE_INFINITY) throw new RangeError(`a clock goes ahead only, not by ${ms} ms`)
    this.#offsetMs += ms
    const nowMs = this.monotonic()
    const alarms = [...this.#alarms].sort((left, right) => left.dueMs - right.dueMs)
    for (const alarm of alarms) {
      alarm.timer.cancel()
      alarm.timer = this.#base.setTimer(alarm.fire, Math.max(0, alarm.dueMs - nowMs))
    }
    for (const alarm of alarms) if (alarm.dueMs <= nowMs) alarm.fire()
  }
}

interface Alarm {
  readonly dueMs: number
  readonly fire: () => void
  timer: Timer
}
