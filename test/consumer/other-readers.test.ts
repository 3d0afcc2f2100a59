import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Checkpoint } from '../../src/checkpoint/checkpoint-store.ts'
import { MemoryCheckpointStore } from '../../src/checkpoint/memory-checkpoint-store.ts'
import { Lineage } from '../../src/consumer/lineage.ts'
import { awaitOtherReaders, judgeOtherParent } from '../../src/consumer/other-readers.ts'
import { resolveSettings } from '../../src/consumer/read-settings.ts'
import { ShardMap, shardIdsOf } from '../../src/consumer/shard-map.ts'
import { planStart } from '../../src/consumer/start-plan.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { ManualClock, settle } from '../support/manual-clock.ts'
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

test('each merge waits for its own while, also one that comes while another has long been waiting', async () => {
  const model = new ReshardModel(4)
  const clock = new ManualClock()
  const store = new MemoryCheckpointStore()
  // The reader of 1 is at work; of 3 nobody has left anything.
  const { sequenceNumber } = model.putInto(1, 'at work')
  await store.save('c', 'model', new Map([[shardIdOf(1), { sequenceNumber, isFinished: false }]]))
  const source = { api: model, stream: 'model', decode: () => ({ data: undefined }) }
  const checkpoint = { store, client: 'c' }
  const settings = resolveSettings(source, { from: 'oldest' }, { clock, checkpoint, mergeGraceMs: 10_000 })
  const shards = await model.listShards('model')
  const map = new ShardMap(shards)
  const given = shardIdsOf([0, 2])
  const plan = planStart(map, shards, { positions: new Map(), elsewhere: { type: 'TRIM_HORIZON' } }, given)
  const lineage = new Lineage(map, plan, given)
  const begun = () => lineage.begin().map(({ shardId }) => shardId)
  assert.deepEqual(begun(), [shardIdOf(0), shardIdOf(2)])

  const stop = new AbortController()
  model.merge(0, 1)
  lineage.learn(await model.listShards('model'))
  lineage.finish(shardIdOf(0))
  const waiting = awaitOtherReaders(settings, { map, lineage, known: new Map() }, stop.signal, () => {})
  await settle()
  await clock.advance(3_600_000)
  assert.deepEqual(begun(), [])

  model.merge(2, 3)
  lineage.learn(await model.listShards('model'))
  lineage.finish(shardIdOf(2))
  await clock.advance(9_000)
  assert.deepEqual(begun(), [])
  await clock.advance(3_000)
  assert.deepEqual(begun(), [shardIdOf(5)])
  stop.abort()
  await waiting
})
