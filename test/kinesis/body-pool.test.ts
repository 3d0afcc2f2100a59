import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BodyPool } from '../../src/kinesis/body-pool.ts'

const mebibyte = 1024 * 1024

test('memory that was given back is lent again, to an answer of another size too', () => {
  const pool = new BodyPool()
  const first = pool.take(3 * mebibyte) as Buffer
  assert.equal(first.length, 3 * mebibyte)
  assert.equal(pool.isLent(first.subarray(5)), true)
  assert.notEqual((pool.take(3 * mebibyte) as Buffer).buffer, first.buffer, 'nobody else has it meanwhile')
  pool.give(first)
  assert.equal(pool.isLent(first), false)
  const second = pool.take(2 * mebibyte) as Buffer
  assert.equal(second.buffer, first.buffer)
  assert.equal(second.length, 2 * mebibyte)
  assert.equal(pool.freeBytes, 0)
})

test('what is given twice, or is not its own, is left alone', () => {
  const pool = new BodyPool()
  const body = pool.take(mebibyte) as Buffer
  pool.give(body)
  pool.give(body)
  pool.give(Buffer.alloc(mebibyte))
  assert.equal(pool.freeBytes, mebibyte)
})

test('small, huge and unknown lengths are not its business', () => {
  const pool = new BodyPool()
  for (const length of [0, 1000, 17 * mebibyte, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.equal(pool.take(length), undefined, String(length))
  }
})

test('it keeps 16 MiB, the newest', () => {
  const pool = new BodyPool()
  const lent = Array.from({ length: 6 }, () => pool.take(4 * mebibyte) as Buffer)
  for (const body of lent) pool.give(body)
  assert.equal(pool.freeBytes, 16 * mebibyte)
  const again = Array.from({ length: 4 }, () => (pool.take(4 * mebibyte) as Buffer).buffer)
  assert.deepEqual(new Set(again), new Set(lent.slice(2).map((body) => body.buffer)))
})
