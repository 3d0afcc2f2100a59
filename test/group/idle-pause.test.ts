import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idlePauseMs } from '../../src/group/idle-pause.ts'

test('few shards are asked four times a second, however long they have been silent', () => {
  for (const shardCount of [1, 4, 25]) {
    for (const silentMs of [0, 1_000, 86_400_000]) assert.equal(idlePauseMs(shardCount, silentMs), 250)
  }
})

test('a shard of many is asked less often, and the longer it is silent the less, up to a bound', () => {
  assert.equal(idlePauseMs(1_000, 0), 4_000)
  assert.equal(idlePauseMs(1_000, 16_000), 4_000)
  assert.equal(idlePauseMs(1_000, 24_000), 6_000)
  assert.equal(idlePauseMs(1_000, 86_400_000), 10_000)
})

test('a record is never late by more than a quarter of the silence before it, beyond what its neighbours cost', () => {
  for (let shardCount = 1; shardCount < 3_000; shardCount += 97) {
    for (let silentMs = 0; silentMs < 100_000; silentMs += 1_234) {
      assert.ok(idlePauseMs(shardCount, silentMs) <= Math.max(250, shardCount * 4, silentMs / 4))
    }
  }
})
