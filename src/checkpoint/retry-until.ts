import { type Clock, sleep } from '../clock.ts'
import type { Random } from '../random.ts'

export interface RetryRules {
  clock: Clock
  random: Random
  /** How long after the first try another one may still begin, in milliseconds; 0 tries once. */
  retryMs: number
  /** The wait before the second try; it doubles up to `longestDelayMs`, and chance takes off up to half. */
  firstDelayMs: number
  longestDelayMs: number
  /** Ends the waiting and the trying: the last error is thrown. */
  signal: AbortSignal
  isTransient(error: unknown): boolean
  onRetry(error: unknown, attempt: number, delayMs: number): void
}

/** Does it again while it fails in a way that passes; then throws what the last try threw. */
export async function retryUntil<T>(act: () => Promise<T>, rules: RetryRules): Promise<T> {
  const deadlineMs = rules.clock.monotonic() + rules.retryMs
  for (let attempt = 1; ; attempt++) {
    try {
      return await act()
    } catch (error) {
      if (!rules.isTransient(error)) throw error
      const fullDelayMs = Math.min(rules.longestDelayMs, rules.firstDelayMs * 2 ** (attempt - 1))
      const delayMs = Math.ceil(fullDelayMs * (1 - rules.random.next() / 2))
      if (rules.signal.aborted || rules.clock.monotonic() + delayMs > deadlineMs) throw error
      rules.onRetry(error, attempt, delayMs)
      await sleep(rules.clock, delayMs, rules.signal)
      if (rules.signal.aborted) throw error
    }
  }
}
