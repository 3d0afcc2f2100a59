import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PrefetchBudget } from '../../src/consumer/prefetch-budget.ts'
import { settle } from '../support/manual-clock.ts'

test('reservations beyond the limit wait in their order', async () => {
  const budget = new PrefetchBudget(100)
  const granted: string[] = []
  const reserve = (name: string, bytes: number) => void budget.reserve(bytes).then(() => granted.push(name))
  for (const [name, bytes] of [
    ['a', 60],
    ['b', 60],
    ['c', 10],
  ] as const) {
    reserve(name, bytes)
  }
  await settle()
  assert.deepEqual(granted, ['a'])
  budget.release(60)
  await settle()
  assert.deepEqual(granted, ['a', 'b', 'c'])
  assert.equal(budget.heldBytes, 70)
})

test('what is larger than the whole budget is granted when nothing else is held', async () => {
  const budget = new PrefetchBudget(100)
  assert.equal(await budget.reserve(1_000), true)
  budget.correct(1_000, 5)
  assert.equal(budget.heldBytes, 5)
  assert.equal(await budget.reserve(95), true)
})

test('a reservation that is given up lets the next one through', async () => {
  const budget = new PrefetchBudget(100)
  await budget.reserve(50)
  const life = new AbortController()
  const large = budget.reserve(80, life.signal)
  const small = budget.reserve(50)
  life.abort()
  assert.equal(await large, false)
  assert.equal(await small, true)
  assert.equal(await budget.reserve(1, life.signal), false)
})
