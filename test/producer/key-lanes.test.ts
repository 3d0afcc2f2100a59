import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyLanes, waitingIn } from '../../src/producer/key-lanes.ts'
import { PendingRecord, type PutCall } from '../../src/producer/pending-record.ts'

const limits = { records: 500, bytes: 1_000_000, onePerKey: false }

test('batches take whole lanes, so that none waits for another, while little is waiting', () => {
  const lanes = lanesOf(Array.from({ length: 900 }, (_, index) => `key-${index % 128}`)) // 7 or 8 records a key
  const first = keysOf(lanes.takeBatch(limits, false))
  const second = keysOf(lanes.takeBatch(limits, false))
  assert.equal(first.size + second.size, 128)
  assert.equal(lanes.waitingCount, 0)
})

test('batches are full, though a lane is cut in two, while plenty is waiting', () => {
  const lanes = lanesOf(Array.from({ length: 9_000 }, (_, index) => `key-${index % 128}`))
  for (let round = 0; round < 8; round++) assert.equal(lanes.takeBatch(limits, false).length, 500)
})

test('a lane longer than a batch gives one batch, and the next when that is settled', () => {
  const lanes = lanesOf(Array.from({ length: 1200 }, () => 'one'))
  for (const expected of [500, 500, 200]) {
    const batch = lanes.takeBatch(limits, false)
    assert.equal(batch.length, expected)
    assert.deepEqual(lanes.takeBatch(limits, false), [])
    lanes.settle(batch, [])
  }
  assert.equal(lanes.waitingCount, 0)
})

test('what failed comes again first, before what came meanwhile, once its lane has rested', () => {
  const lanes = lanesOf(['a', 'a', 'b'])
  const batch = lanes.takeBatch(limits, false)
  lanes.add(record('a', 3))
  lanes.add(record('c', 4))
  const resting = lanes.settle(batch, batch.slice(1))
  assert.deepEqual(indexesOf(lanes.takeBatch(limits, false)), [4])
  lanes.resume(resting)
  assert.deepEqual(indexesOf(lanes.takeBatch(limits, false)), [1, 3, 2])
})

test('retries only: lanes that were never sent stay where they are', () => {
  const lanes = lanesOf(['a', 'b'])
  const batch = lanes.takeBatch({ ...limits, records: 1 }, false)
  for (const sent of batch) sent.attemptCount++
  const resting = lanes.settle(batch, batch)
  assert.equal(lanes.retryingCount, 1)
  lanes.resume(resting)
  assert.deepEqual(indexesOf(lanes.takeBatch(limits, true)), [0])
  assert.deepEqual(lanes.takeBatch(limits, true), [])
  assert.equal(lanes.retryingCount, 0)
})

test('withdrawn records are passed over, wherever they stand', () => {
  const records = ['a', 'a', 'b', 'a', 'c'].map(record)
  const lanes = new KeyLanes()
  for (const each of records) lanes.add(each)
  for (const index of [0, 2, 3]) lanes.withdraw(records[index] as PendingRecord)
  assert.equal(lanes.waitingCount, 2)
  assert.equal(lanes.readyCount, 2)
  assert.deepEqual(indexesOf([...lanes.waiting()]), [1, 4])
  const batch = lanes.takeBatch(limits, false)
  assert.deepEqual(indexesOf(batch), [1, 4])
  lanes.settle(batch, [])
  assert.deepEqual([...lanes.waiting()], [])
  lanes.add(record('b', 5))
  assert.deepEqual(indexesOf(lanes.takeBatch(limits, false)), [5])
})

test('with one record per key at a time, successors wait behind', () => {
  const lanes = lanesOf(['a', 'b', 'a', 'a'])
  const batch = lanes.takeBatch({ ...limits, onePerKey: true }, false)
  assert.deepEqual(indexesOf(batch), [0, 1])
  const lane = batch[0]?.lane
  assert.ok(lane)
  assert.deepEqual(indexesOf([...waitingIn(lane)]), [2, 3])
  assert.equal(lanes.readyCount, 0)
  lanes.settle(batch, [])
  assert.deepEqual(indexesOf(lanes.takeBatch({ ...limits, onePerKey: true }, false)), [2])
})

const call: PutCall = {
  startedAtMs: 0,
  isDrawn: false,
  peek: () => undefined,
  take: () => 0,
  accept() {},
  fail() {},
  finishIfDone() {},
  onFinished: undefined,
}

function record(partitionKey: string, index: number): PendingRecord {
  return new PendingRecord({ data: Buffer.alloc(9), partitionKey }, call, index, 10, 0)
}

function lanesOf(keys: readonly string[]): KeyLanes {
  const lanes = new KeyLanes()
  for (const [index, key] of keys.entries()) lanes.add(record(key, index))
  return lanes
}

function keysOf(records: readonly PendingRecord[]): Set<string> {
  return new Set(records.map(({ entry }) => entry.partitionKey))
}

function indexesOf(records: readonly PendingRecord[]): number[] {
  return records.map(({ index }) => index)
}
