import type { Random } from '../random.ts'

/**
 * How long to wait before try number `attempt` + 1 (the first failure is attempt 1): doubling from `baseMs` to `capMs`,
 * half of it by chance, so that readers who failed together don't come back together.
 */
export function backoffMs(attempt: number, random: Random, baseMs = 100, capMs = 5_000): number {
  const ceilingMs = Math.min(capMs, baseMs * 2 ** Math.min(attempt - 1, 30))
  return Math.round(ceilingMs / 2 + (random.next() * ceilingMs) / 2)
}
