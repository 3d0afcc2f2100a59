import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { evenHashKeyRanges, hashKeyOf, maxHashKey } from '../../src/kinesis/hash-key.ts'

test('a partition key stands where the MD5 of its UTF-8 bytes says', () => {
  for (const key of ['a', 'clé-☃', '😀', 'x'.repeat(256)])
    assert.equal(hashKeyOf(key), BigInt(`0x${createHash('md5').update(key, 'utf8').digest('hex')}`))
})

test('even ranges cover all hash keys without hole or overlap', () => {
  for (const count of [1, 2, 3, 7, 1000]) {
    const ranges = evenHashKeyRanges(count)
    assert.equal(ranges.length, count)
    assert.equal(ranges[0]?.start, 0n)
    assert.equal(ranges.at(-1)?.end, maxHashKey)
    for (const [index, range] of ranges.entries())
      if (index > 0) assert.equal(range.start, (ranges[index - 1]?.end ?? 0n) + 1n)
  }
})
