import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../../src/errors.ts'
import { ReplayPace } from '../../src/replay/replay-pace.ts'

test('without a rate nothing waits', () => {
  const pace = new ReplayPace(undefined)
  assert.equal(pace.waitMs(0, 5) + pace.waitMs(0, 500_000), 0)
})

test('so many records a second, whenever they arrived', () => {
  const pace = new ReplayPace({ recordsPerSecond: 10 })
  assert.deepEqual(
    [pace.waitMs(1_000, 7), pace.waitMs(1_000, undefined), pace.waitMs(1_150, 7), pace.waitMs(9_000, 7)],
    [0, 100, 50, 0],
  )
})

test('so many times as fast as they arrived', () => {
  const pace = new ReplayPace({ timesOriginal: 10 })
  assert.deepEqual(
    [pace.waitMs(1_000, 50_000), pace.waitMs(1_000, 51_000), pace.waitMs(1_000, 50_500), pace.waitMs(1_100, 60_000)],
    [0, 100, 50, 900],
  )
})

test('a rate of nothing is refused', () => {
  for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => new ReplayPace({ recordsPerSecond: value }), ConfigError)
    assert.throws(() => new ReplayPace({ timesOriginal: value }), ConfigError)
  }
})
