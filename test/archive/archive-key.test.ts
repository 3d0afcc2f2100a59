import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { archiveKey, guessArchiveKey, isDay, parseArchiveKey } from '../../src/archive/archive-key.ts'

interface GoldenKey {
  key: string
  day: string
  stream: string
  who: string
  seconds: number
}

const tree: GoldenKey[] = readFileSync(join(import.meta.dirname, '../golden/tree.expected.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as GoldenKey)

test('every key of the older programs belongs to its stream and to no other', () => {
  const streams = new Set(tree.map(({ stream }) => stream))
  for (const { key, day, stream, who, seconds } of tree) {
    for (const asked of streams) {
      const parsed = parseArchiveKey(key, asked)
      if (asked === stream) assert.deepEqual(parsed, { key, day, stream, who, seconds })
      // A key that fits two streams belongs to the one that is asked for.
      else if (parsed !== undefined) assert.ok(['trips', 'orders', 'rides'].includes(asked), `${key} for ${asked}`)
    }
  }
})

test('a stream never reads those whose names begin with its own', () => {
  for (const key of [
    '20151201/orders-eu-shardId-000000000000-1.tri',
    '20151201/orders.v2-store-1.tri',
    '20151201/orders_eu-store-1.tri',
  ])
    assert.equal(parseArchiveKey(key, 'orders'), undefined, key)
  assert.equal(parseArchiveKey('20151130/trips-store-store-9.tri', 'trips'), undefined)
  assert.equal(parseArchiveKey('20151130/trips-store-store-9.tri', 'trips-store')?.who, 'store')
  assert.equal(parseArchiveKey('20151130/trips-store-9.tri', 'trips')?.who, 'store')
})

test('keys that are not ours are no keys', () => {
  for (const key of [
    ...['', '/', '20151301/a-store-1.tri', '20150229/a-store-1.tri', '2015130/a-store-1.tri', 'a-store-1.tri'],
    ...['20151201/a-store-1.tri.gz', '20151201/a-store-.tri', '20151201/a--1.tri', '20151201/a-sto/re-1.tri'],
    ...['20151201/a-shardId-1-9.tri', '20151201/a-store-1e3.tri', '20151201/a-store--1.tri', 'x20151201/a-store-1.tri'],
    ...['undecodable/20151201/a-store-1.tri', '20151201/a-store-1234567890123456.tri'],
  ])
    assert.equal(parseArchiveKey(key, 'a'), undefined, key)
})

test('a key says the UTC day of its seconds', () => {
  assert.equal(archiveKey('a', 'store', 1_795_651_199).key, '20261125/a-store-1795651199.tri')
  assert.equal(archiveKey('a', 'store', 1_795_651_200).key, '20261126/a-store-1795651200.tri')
  const { key } = archiveKey('a-b', 'store', 5)
  assert.deepEqual(guessArchiveKey(key), parseArchiveKey(key, 'a-b'))
})

test('a day is one of the calendar', () => {
  assert.deepEqual(['20240229', '20250229', '20261131', '00000000', '2026112', '20261125 '].filter(isDay), ['20240229'])
})
