import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lineage } from '../../src/consumer/lineage.ts'
import { ShardMap, shardIdsOf } from '../../src/consumer/shard-map.ts'
import { planStart, type StartFacts } from '../../src/consumer/start-plan.ts'
import type { Position } from '../../src/kinesis/position.ts'
import { shardIdOf, shardIndexOf } from '../../src/kinesis/shard.ts'
import { ReshardModel } from '../support/reshard-model.ts'

const oldest: Position = { type: 'TRIM_HORIZON' }
const latest: Position = { type: 'LATEST' }

async function lineageOf(model: ReshardModel, facts: Partial<StartFacts> = {}, given?: number[]): Promise<Lineage> {
  const shards = await model.listShards('model')
  const map = new ShardMap(shards)
  const ids = given && shardIdsOf(given)
  const start: StartFacts = { positions: new Map(), elsewhere: { type: 'TRIM_HORIZON' }, ...facts }
  return new Lineage(map, planStart(map, shards, start, ids), ids)
}

const begun = (lineage: Lineage) => lineage.begin().map(({ shardId }) => shardIndexOf(shardId))
const child = (index: number, ...parents: number[]) => ({
  shardId: shardIdOf(index),
  parentShardIds: parents.map(shardIdOf),
})

test('children wait for their parent, and for both parents of a merge', async () => {
  const model = new ReshardModel(2)
  model.split(0)
  model.merge(3, 1)
  const lineage = await lineageOf(model)
  assert.deepEqual(begun(lineage), [0, 1])
  assert.deepEqual(begun(lineage), [])
  lineage.finish(shardIdOf(0))
  assert.deepEqual(begun(lineage), [2, 3])
  lineage.finish(shardIdOf(1))
  assert.deepEqual(begun(lineage), [])
  lineage.finish(shardIdOf(3))
  assert.deepEqual(begun(lineage), [4])
})

test('children named at an end are read from their beginning, also before any listing shows them', async () => {
  const lineage = await lineageOf(new ReshardModel(1), { elsewhere: { type: 'LATEST' } })
  assert.deepEqual(lineage.begin()[0]?.position, latest)
  lineage.finish(shardIdOf(0), [child(1, 0), child(2, 0)])
  assert.deepEqual(
    lineage.begin().map(({ position }) => position),
    [oldest, oldest],
  )
})

test('a merged child that one parent names waits for the other parent too', async () => {
  const lineage = await lineageOf(new ReshardModel(2))
  begun(lineage)
  lineage.finish(shardIdOf(0), [child(2, 0, 1)])
  assert.deepEqual(begun(lineage), [])
  lineage.finish(shardIdOf(1), [child(2, 0, 1)])
  assert.deepEqual(begun(lineage), [2])
})

test('several generations that appear in one listing are read one after the other', async () => {
  const model = new ReshardModel(1)
  const lineage = await lineageOf(model)
  begun(lineage)
  model.split(0)
  model.merge(1, 2)
  model.split(3)
  lineage.finish(shardIdOf(0))
  lineage.learn(await model.listShards('model'))
  assert.deepEqual(begun(lineage), [1, 2])
  lineage.finish(shardIdOf(2))
  lineage.finish(shardIdOf(1))
  assert.deepEqual(begun(lineage), [3])
  lineage.finish(shardIdOf(3))
  assert.deepEqual(begun(lineage), [4, 5])
})

test('a shard named together with its ancestor is read once, after it', async () => {
  const model = new ReshardModel(2)
  model.split(0)
  const lineage = await lineageOf(model, {}, [0, 2])
  assert.deepEqual(begun(lineage), [0])
  lineage.finish(shardIdOf(0), [child(2, 0), child(3, 0)])
  assert.deepEqual(begun(lineage), [2, 3])
})

test('a shard named without its ancestors does not wait for them', async () => {
  const model = new ReshardModel(2)
  model.split(0)
  assert.deepEqual(begun(await lineageOf(model, {}, [3])), [3])
})

test('an expired shard hands its reader its listed descendants, and says that the parent is not listed', async () => {
  const model = new ReshardModel(2)
  model.split(0)
  model.expire(0)
  const lineage = await lineageOf(model, {}, [0])
  const ready = lineage.begin()
  assert.deepEqual(
    ready.map(({ shardId, unlistedParentIds }) => [shardIndexOf(shardId), unlistedParentIds]),
    [
      [2, [shardIdOf(0)]],
      [3, [shardIdOf(0)]],
    ],
  )
})

test('a merged shard waits for the reader of its other parent until that one is settled', async () => {
  const model = new ReshardModel(2)
  model.merge(0, 1)
  const lineage = await lineageOf(model, {}, [0])
  assert.deepEqual(begun(lineage), [0])
  lineage.finish(shardIdOf(0))
  assert.deepEqual(begun(lineage), [])
  assert.deepEqual(lineage.unsettledParents(), [{ shardId: shardIdOf(2), parentShardId: shardIdOf(1) }])
  lineage.settle(shardIdOf(1))
  assert.deepEqual(begun(lineage), [2])
  assert.deepEqual(lineage.unsettledParents(), [])
})

test('the merged shard does not belong to the reader of the higher parent', async () => {
  const model = new ReshardModel(2)
  model.merge(0, 1)
  const lineage = await lineageOf(model, {}, [1])
  assert.deepEqual(begun(lineage), [1])
  lineage.finish(shardIdOf(1), [child(2, 0, 1)])
  assert.deepEqual(begun(lineage), [])
  assert.deepEqual(lineage.unsettledParents(), [])
})

test('a merged shard that was begun before goes on without asking about its parents', async () => {
  const model = new ReshardModel(2)
  model.merge(0, 1)
  const { sequenceNumber } = model.putInto(2, 'x')
  const positions = new Map([[shardIdOf(2), { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber } as Position]])
  assert.deepEqual(begun(await lineageOf(model, { positions }, [0])), [2])
})

test('an other parent that expired holds nothing back', async () => {
  const model = new ReshardModel(2)
  model.merge(0, 1)
  model.expire(1)
  const lineage = await lineageOf(model, {}, [0])
  begun(lineage)
  lineage.finish(shardIdOf(0))
  assert.deepEqual(begun(lineage), [2])
})

test('a child whose other parent nobody listed yet waits for a listing that shows it', async () => {
  const model = new ReshardModel(3)
  const lineage = await lineageOf(model)
  assert.deepEqual(begun(lineage), [0, 1, 2])
  model.merge(1, 2)
  model.merge(0, 3)
  lineage.finish(shardIdOf(0), [child(4, 0, 3)])
  assert.deepEqual(begun(lineage), [])
  assert.deepEqual(lineage.unlistedChildren(), [shardIdOf(4)])
  lineage.learn(await model.listShards('model'))
  assert.deepEqual(lineage.unlistedChildren(), [])
  for (const parent of [1, 2]) lineage.finish(shardIdOf(parent), [child(3, 1, 2)])
  assert.deepEqual(begun(lineage), [3])
  lineage.finish(shardIdOf(3), [child(4, 0, 3)])
  assert.deepEqual(begun(lineage), [4])
})

test('a child that no listing ever shows is read when it is trusted', async () => {
  const lineage = await lineageOf(new ReshardModel(1))
  begun(lineage)
  lineage.finish(shardIdOf(0), [child(5, 0, 3)])
  assert.deepEqual(begun(lineage), [])
  lineage.trust(shardIdOf(5))
  assert.deepEqual(begun(lineage), [5])
})
