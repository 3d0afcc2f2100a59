import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Checkpoint } from '../../src/checkpoint/checkpoint-store.ts'
import { judgeOtherParent } from '../../src/consumer/other-readers.ts'
import { ShardMap } from '../../src/consumer/shard-map.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { ReshardModel } from '../support/reshard-model.ts'

/** Shards 0 and 1 merged into 2; the question is about 1. */
async function judge(rows: [number, boolean][], waitedMs = 0, untilCaughtUp = false) {
  const model = new ReshardModel(2)
  model.merge(0, 1)
  const checkpoints = new Map(
    rows.map(([index, isFinished]): [string, Checkpoint] => [shardIdOf(index), { sequenceNumber: '5', isFinished }]),
  )
  const map = new ShardMap(await model.listShards('model'))
  return judgeOtherParent(shardIdOf(1), map, checkpoints, waitedMs, { mergeGraceMs: 10_000, untilCaughtUp })
}

test('a parent that its reader has finished is done, and so is one whose descendant was begun', async () => {
  assert.equal(await judge([[1, true]]), 'done')
  assert.equal(await judge([[2, false]]), 'done')
})

test('a reader that left a checkpoint is waited for however long it takes', async () => {
  assert.equal(await judge([[1, false]], 3_600_000), 'wait')
})

test('a reader that left none is waited for a while', async () => {
  assert.equal(await judge([[0, true]], 9_999), 'wait')
  assert.equal(await judge([[0, true]], 10_000), 'unknown')
})

test('who is to end when it has caught up waits for nobody', async () => {
  assert.equal(await judge([[1, false]], 0, true), 'unknown')
  assert.equal(await judge([[1, true]], 0, true), 'done')
})
