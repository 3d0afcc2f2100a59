import type { Clock, Timer } from '../../src/clock.ts'

interface Due {
  atMs: number
  order: number
  act: (() => void) | undefined
}

/** True time of a simulated world: it jumps from timer to timer. Nothing in the world waits for anything else. */
export class SimulatedTime {
  nowMs = 0
  #order = 0
  readonly #heap: Due[] = []

  at(atMs: number, act: () => void): Timer {
    const due: Due = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, act }
    this.#push(due)
    return {
      cancel: () => {
        due.act = undefined
      },
    }
  }

  after(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(this.nowMs + ms, resolve))
  }

  /** Runs the world for so long, or until `isEnough`, which is asked after each event. */
  async run(ms: number, isEnough: () => boolean = () => false): Promise<void> {
    const endMs = this.nowMs + ms
    await drained()
    for (let eventCount = 0; !isEnough(); eventCount++) {
      if (eventCount > mostEvents) throw new Error(`the world stands still at ${this.nowMs} ms`)
      const due = this.#heap[0]
      if (due === undefined || due.atMs > endMs) {
        this.nowMs = endMs
        return
      }
      this.#pop()
      if (due.act === undefined) continue
      this.nowMs = due.atMs
      due.act()
      await drained()
    }
  }

  #push(due: Due): void {
    const heap = this.#heap
    heap.push(due)
    for (let at = heap.length - 1; at > 0; ) {
      const above = (at - 1) >> 1
      if (!isEarlier(heap[at] as Due, heap[above] as Due)) return
      swap(heap, at, above)
      at = above
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Due
    if (heap.length === 0) return
    heap[0] = last
    for (let at = 0; ; ) {
      let first = at
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && isEarlier(heap[child] as Due, heap[first] as Due)) first = child
      }
      if (first === at) return
      swap(heap, at, first)
      at = first
    }
  }
}

/**
 * One machine's clocks: its wall clock is wrong by so much, its monotonic clock began at some time of its own. A machine
 * may be paused: its timers then fire when it goes on, all at once. A dead machine's never fire.
 */
export class MachineClock implements Clock {
  readonly #time: SimulatedTime
  readonly #skewMs: number
  readonly #startMs: number
  state: 'running' | 'paused' | 'dead' = 'running'
  #late: (() => void)[] = []

  constructor(time: SimulatedTime, skewMs: number) {
    this.#time = time
    this.#skewMs = skewMs
    this.#startMs = time.nowMs - 12_345
  }

  now(): number {
    return worldStartMs + this.#time.nowMs + this.#skewMs
  }

  monotonic(): number {
    return this.#time.nowMs - this.#startMs
  }

  setTimer(act: () => void, ms: number): Timer {
    let isCancelled = false
    // So short a wait that adding it leaves the clock as it is would be asked for again, for ever. Node rounds it up, too.
    const waitMs = ms > 0 ? Math.max(shortestMs, ms) : 0
    const timer = this.#time.at(this.#time.nowMs + waitMs, () => this.#fire(() => void (isCancelled || act())))
    return {
      cancel: () => {
        isCancelled = true
        timer.cancel()
      },
    }
  }

  resume(): void {
    if (this.state !== 'paused') return
    this.state = 'running'
    for (const act of this.#late.splice(0)) act()
  }

  #fire(act: () => void): void {
    if (this.state === 'running') act()
    else if (this.state === 'paused') this.#late.push(act)
  }
}

const shortestMs = 0.001
/** A world of a minute has some ten thousand. */
const mostEvents = 2_000_000
export const worldStartMs = Date.UTC(2026, 0, 1)

function isEarlier(left: Due, right: Due): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order)
}

function swap(heap: Due[], one: number, other: number): void {
  const moved = heap[one] as Due
  heap[one] = heap[other] as Due
  heap[other] = moved
}

/** Every promise that can settle has: nothing of the world waits for the real one. */
function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
