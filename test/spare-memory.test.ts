import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { leastSpareBytes, SpareMemory } from '../src/spare-memory.ts'

const mib = 1024 * 1024

describe('spare memory', () => {
  test('gives what was given back again, to whom it is large enough for', () => {
    const memory = new SpareMemory(8 * mib)
    const [small, large] = [memory.take(mib), memory.take(3 * mib)]
    assert.ok(small.length >= mib && large.length >= 3 * mib)
    // As answers are: a part of what was taken.
    memory.giveBack(large.subarray(0, 5))
    memory.giveBack(small)
    assert.equal(memory.take(mib).buffer, small.buffer)
    assert.equal(memory.take(2 * mib).buffer, large.buffer)
    assert.notEqual(memory.take(mib).buffer, small.buffer)
  })

  test('never gives a buffer to two, though it is given back twice', () => {
    const memory = new SpareMemory(8 * mib)
    const buffer = memory.take(mib)
    memory.giveBack(buffer)
    memory.giveBack(buffer)
    assert.notEqual(memory.take(mib).buffer, memory.take(mib).buffer)
  })

  test('knows what it has lent, and small ones are no matter of its', () => {
    const memory = new SpareMemory(8 * mib)
    const buffer = memory.take(mib)
    assert.equal(memory.isLent(buffer.subarray(5)), true)
    memory.giveBack(buffer)
    assert.equal(memory.isLent(buffer), false)
    assert.equal(memory.isLent(memory.take(leastSpareBytes - 1)), false)
  })

  test('takes only what is its own', () => {
    const memory = new SpareMemory(8 * mib)
    const foreign = Buffer.alloc(mib)
    memory.giveBack(foreign)
    assert.notEqual(memory.take(mib).buffer, foreign.buffer)
  })

  test('keeps no more than its limit, the latest first', () => {
    const memory = new SpareMemory(4 * mib)
    const [first, second, tooLarge] = [memory.take(3 * mib), memory.take(2 * mib), memory.take(9 * mib)]
    for (const buffer of [first, second, tooLarge]) memory.giveBack(buffer)
    assert.equal(memory.take(2 * mib).buffer, second.buffer)
    assert.notEqual(memory.take(2 * mib).buffer, first.buffer)
  })
})
