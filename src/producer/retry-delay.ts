import type { Random } from '../random.ts'

export interface RetryPace {
  /** Longest pause before the second attempt, in milliseconds; it doubles with each further one. */
  retryDelayMs: number
  /** Longest pause ever, in milliseconds. */
  longestRetryDelayMs: number
}

/**
 * The pause after the given number of attempts: anywhere from none to the longest ("full jitter"), so that many
 * producers that failed together don't come back together.
 */
export function retryDelayMs(attemptCount: number, pace: RetryPace, random: Random): number {
  const ceiling = Math.min(pace.longestRetryDelayMs, pace.retryDelayMs * 2 ** Math.min(attemptCount - 1, 30))
  return random.next() * ceiling
}
