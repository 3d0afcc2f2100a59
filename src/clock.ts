/** Time as an argument: production passes `systemClock`, tests pass one that they move by hand. */
export interface Clock {
  /** Wall clock, epoch milliseconds. May jump either way. */
  now(): number
  /** Milliseconds since some fixed point; never goes back. For durations and deadlines. */
  monotonic(): number
  /** Calls `act` once after `ms` milliseconds. A waiting timer keeps the process alive. */
  setTimer(act: () => void, ms: number): Timer
}

export interface Timer {
  /** The timer won't fire any more. May be called twice. */
  cancel(): void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(act, ms) {
    const handle = setTimeout(act, Math.min(ms, longestTimeoutMs))
    return { cancel: () => clearTimeout(handle) }
  },
}

/**
 * Resolves after `ms` milliseconds, or as soon as `signal` fires: never rejects, so that loops look at their own
 * condition instead of catching.
 */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const wake = () => {
      timer.cancel()
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    const timer = clock.setTimer(wake, ms)
    signal?.addEventListener('abort', wake, { once: true })
  })
}

/** setTimeout fires at once above 2^31 - 1 ms (Node's documentation of timers). */
const longestTimeoutMs = 0x7fffffff
