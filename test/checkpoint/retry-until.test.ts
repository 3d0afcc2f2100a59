import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RetryRules, retryUntil } from '../../src/checkpoint/retry-until.ts'
import { ManualClock, settle } from '../support/manual-clock.ts'

const neverCut = { next: () => 0 } // chance takes nothing off the delays

function rules(clock: ManualClock, changes: Partial<RetryRules> = {}): RetryRules & { delays: number[] } {
  const delays: number[] = []
  return {
    clock,
    random: neverCut,
    retryMs: 1_000,
    firstDelayMs: 10,
    longestDelayMs: 80,
    signal: new AbortController().signal,
    isTransient: () => true,
    onRetry: (_error, _attempt, delayMs) => delays.push(delayMs),
    delays,
    ...changes,
  }
}

test('waits longer and longer, up to a limit, until it succeeds', async () => {
  const clock = new ManualClock()
  const given = rules(clock)
  let attempts = 0
  const result = retryUntil(async () => {
    attempts++
    if (attempts < 7) throw new Error('not yet')
    return 'done'
  }, given)
  await settle()
  await clock.advance(1_000)
  assert.equal(await result, 'done')
  assert.deepEqual(given.delays, [10, 20, 40, 80, 80, 80])
})

test('chance takes off up to half of a delay, so that many processes do not come back together', async () => {
  const clock = new ManualClock()
  const given = rules(clock, { random: { next: () => 0.999 } })
  const result = retryUntil(() => Promise.reject(new Error('never')), given).catch((error: Error) => error.message)
  await settle()
  await clock.advance(2_000)
  assert.equal(await result, 'never')
  assert.deepEqual(given.delays.slice(0, 4), [6, 11, 21, 41])
})

test('throws the last error when the time is up, without waiting in vain', async () => {
  const clock = new ManualClock()
  let attempts = 0
  const given = rules(clock, { retryMs: 100 })
  const result = retryUntil(() => Promise.reject(new Error(`attempt ${++attempts}`)), given)
  const message = result.catch((error: Error) => error.message)
  await settle()
  await clock.advance(70)
  assert.equal(await message, 'attempt 4')
  assert.equal(clock.waiting, 0)
})

test('tries once when no time is given, and never again what would not pass', async () => {
  const clock = new ManualClock()
  await assert.rejects(
    retryUntil(() => Promise.reject(new Error('x')), rules(clock, { retryMs: 0 })),
    /x/,
  )
  const forGood = rules(clock, { isTransient: () => false })
  await assert.rejects(
    retryUntil(() => Promise.reject(new Error('y')), forGood),
    /y/,
  )
  assert.deepEqual(forGood.delays, [])
})

test('the signal ends a wait at once, and leaves no timer', async () => {
  const clock = new ManualClock()
  const closing = new AbortController()
  const result = retryUntil(() => Promise.reject(new Error('x')), rules(clock, { signal: closing.signal }))
  const message = result.catch((error: Error) => error.message)
  await settle()
  assert.equal(clock.waiting, 1)
  closing.abort()
  assert.equal(await message, 'x')
  assert.equal(clock.waiting, 0)
})
