import assert from 'node:assert/strict'
import { test } from 'node:test'
import { belongsTo, describeShardNumbers, ShardMap, shardIdsOf } from '../../src/consumer/shard-map.ts'
import { type Shard, shardIdOf } from '../../src/kinesis/shard.ts'
import { ReshardModel } from '../support/reshard-model.ts'

/** 0 and 1; 0 splits into 2 and 3; 3 and 1 merge into 4; 2 splits into 5 and 6. */
async function family(): Promise<{ model: ReshardModel; shards: Shard[] }> {
  const model = new ReshardModel(2)
  model.split(0)
  model.merge(3, 1)
  model.split(2)
  return { model, shards: await model.listShards('model') }
}

const id = shardIdOf

test('a listing tells who came from whom', async () => {
  const map = new ShardMap((await family()).shards)
  assert.deepEqual(map.parentsOf(id(4)), [id(3), id(1)])
  assert.deepEqual(map.childrenOf(id(2)), [id(5), id(6)])
  assert.ok(map.someDescendant(id(0), (one) => one === id(4)))
  assert.ok(map.someAncestor(id(5), (one) => one === id(0)))
  assert.ok(!map.someAncestor(id(5), (one) => one === id(1)))
  assert.ok(!map.isOpen(id(2)) && map.isOpen(id(4)))
})

test('a shard that expired stays known as a parent, and its merged child keeps both', async () => {
  const { model, shards } = await family()
  const map = new ShardMap(shards)
  model.expire(3)
  map.updateListing((await model.listShards('model')).map(({ adjacentParentShardId: _, ...shard }) => shard))
  assert.equal(map.listed(id(3)), undefined)
  assert.deepEqual(map.parentsOf(id(4)), [id(3), id(1)])
  assert.ok(map.has(id(3)))
})

test('children named at the end of a shard are known before a listing shows them', () => {
  const map = new ShardMap()
  map.addChildren([{ shardId: id(7), parentShardIds: [id(5), id(6)] }])
  assert.ok(map.has(id(7)))
  assert.deepEqual(map.childrenOf(id(6)), [id(7)])
  assert.ok(map.isOpen(id(7)))
})

test('a descendant belongs to the reader of its parent, a merged shard to the reader of the lower parent', async () => {
  const map = new ShardMap((await family()).shards)
  const owned = (...numbers: number[]) =>
    [0, 1, 2, 3, 4, 5, 6].filter((number) => belongsTo(map, id(number), shardIdsOf(numbers)))
  assert.deepEqual(owned(0), [0, 2, 3, 5, 6])
  assert.deepEqual(owned(1), [1, 4])
  assert.deepEqual(owned(3), [3])
  assert.deepEqual(owned(2, 5), [2, 5, 6])
  assert.ok(belongsTo(map, id(6), undefined))
})

test('the listed descendants of an expired shard still belong to its reader', async () => {
  const { model } = await family()
  model.expire(0)
  const map = new ShardMap(await model.listShards('model'))
  assert.ok(belongsTo(map, id(5), shardIdsOf([0])))
  assert.ok(!belongsTo(map, id(4), shardIdsOf([0])))
})

test('every shard of any family has exactly one of the readers that share the first shards', async () => {
  const map = new ShardMap((await family()).shards)
  for (const number of [0, 1, 2, 3, 4, 5, 6]) {
    const readers = [0, 1].filter((reader) => belongsTo(map, id(number), shardIdsOf([reader])))
    assert.equal(readers.length, 1, `shard ${number}`)
  }
})

test('a message names at most twenty shards', async () => {
  const few = await new ReshardModel(2).listShards('model')
  const many = await new ReshardModel(23).listShards('model')
  assert.equal(describeShardNumbers(few), '0, 1')
  assert.match(describeShardNumbers(many), /^0, 1, .*19 and 3 more$/)
})
