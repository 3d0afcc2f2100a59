import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShardMap, shardIdsOf } from '../../src/consumer/shard-map.ts'
import { expiredPositions, planStart, positionFault, type StartFacts } from '../../src/consumer/start-plan.ts'
import type { Position } from '../../src/kinesis/position.ts'
import { type Shard, shardIdOf, shardIndexOf } from '../../src/kinesis/shard.ts'
import { ReshardModel } from '../support/reshard-model.ts'

const oldest: Position = { type: 'TRIM_HORIZON' }
const latest: Position = { type: 'LATEST' }
const after = (sequenceNumber: string): Position => ({ type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber })

async function planOf(model: ReshardModel, start: Partial<StartFacts>, given?: number[]) {
  const shards = await model.listShards('model')
  const facts: StartFacts = { positions: new Map(), elsewhere: { type: 'TRIM_HORIZON' }, ...start }
  const plan = planStart(new ShardMap(shards), shards, facts, given && shardIdsOf(given))
  return Object.fromEntries([...plan].map(([shardId, position]) => [shardIndexOf(shardId), position]))
}

/** 0 and 1; 0 splits into 2 and 3; 3 splits into 4 and 5. */
function grown(): ReshardModel {
  const model = new ReshardModel(2)
  model.split(0)
  model.split(3)
  return model
}

test('oldest reads every shard from its beginning, of those that are given', async () => {
  assert.deepEqual(await planOf(grown(), {}, [3]), { 3: oldest, 4: oldest, 5: oldest })
})

test('latest begins at the open shards and leaves the closed ones out', async () => {
  const plan = await planOf(grown(), { elsewhere: { type: 'LATEST' } })
  assert.deepEqual(plan, { 0: 'finished', 1: latest, 2: latest, 3: 'finished', 4: latest, 5: latest })
})

test('latest asks a closed shard whose children are not listed yet, since its end names them', async () => {
  const shards: Shard[] = await grown().listShards('model')
  const young = shards.filter(({ shardId }) => shardId !== shardIdOf(4) && shardId !== shardIdOf(5))
  const plan = planStart(new ShardMap(young), young, { positions: new Map(), elsewhere: { type: 'LATEST' } })
  assert.deepEqual(plan.get(shardIdOf(3)), latest)
})

test('a shard with a position continues there, finished ones are left out', async () => {
  const model = grown()
  const { sequenceNumber } = model.putInto(1, 'x')
  const positions = new Map<string, Position | 'finished'>([
    [shardIdOf(0), 'finished'],
    [shardIdOf(1), after(sequenceNumber)],
  ])
  const plan = await planOf(model, { positions, elsewhere: { type: 'LATEST' } })
  assert.deepEqual(plan, { 0: 'finished', 1: after(sequenceNumber), 2: oldest, 3: oldest, 4: oldest, 5: oldest })
})

test('a shard one of whose descendants has a position counts as finished', async () => {
  const positions = new Map([[shardIdOf(5), after('5')]])
  const plan = await planOf(grown(), { positions })
  assert.deepEqual(plan, { 0: 'finished', 1: oldest, 2: oldest, 3: 'finished', 4: oldest, 5: after('5') })
})

test('a shard whose parent expired with a position is read from its beginning, whatever the fallback', async () => {
  const model = grown()
  model.expire(0)
  const positions = new Map([[shardIdOf(0), after('5')]])
  const plan = await planOf(model, { positions, elsewhere: { type: 'LATEST' } })
  assert.deepEqual(plan, { 1: latest, 2: oldest, 3: oldest, 4: oldest, 5: oldest })
})

test('a time is asked of every shard: those that closed before it end at once', async () => {
  const model = new ReshardModel(1)
  model.split(0)
  const at: Position = { type: 'AT_TIMESTAMP', timestampMs: model.nowMs }
  assert.deepEqual(await planOf(model, { elsewhere: at }), { 0: at, 1: at, 2: at })
})

test('a position in a shard that expired unread is told, unless its descendants are further', async () => {
  const model = grown()
  model.expire(0)
  const shards = await model.listShards('model')
  const expired = (positions: StartFacts['positions'], given?: Set<string>) =>
    expiredPositions(new ShardMap(shards), { positions, elsewhere: { type: 'TRIM_HORIZON' } }, given)
  const row = { shardId: shardIdOf(0), sequenceNumber: '5' }
  assert.deepEqual(expired(new Map([[shardIdOf(0), after('5')]])), [row])
  assert.deepEqual(expired(new Map([[shardIdOf(0), after('5')]]), shardIdsOf([1])), [])
  assert.deepEqual(expired(new Map([[shardIdOf(0), 'finished']])), [])
  assert.deepEqual(expired(new Map([0, 4].map((index) => [shardIdOf(index), after('5')]))), [])
})

test('rows of shards that nobody remembers are told only when nothing newer is there', async () => {
  const shards = await grown().listShards('model')
  const expired = (positions: StartFacts['positions']) =>
    expiredPositions(new ShardMap(shards), { positions, elsewhere: { type: 'TRIM_HORIZON' } }).length
  assert.equal(expired(new Map([[shardIdOf(77), after('5')]])), 1)
  assert.equal(expired(new Map([77, 1].map((index) => [shardIdOf(index), after('5')]))), 0)
})

test('a sequence number is recognised as one of this shard, of another, of an earlier stream, or as none', async () => {
  const model = new ReshardModel(2)
  const { sequenceNumber } = model.putInto(1, 'x')
  const [zero, one] = (await model.listShards('model')) as [Shard, Shard]
  assert.equal(positionFault(one, sequenceNumber), undefined)
  assert.equal(positionFault(zero, sequenceNumber), 'it belongs to shard 1')
  assert.equal(positionFault(one, String(1n << 187n)), 'it is no sequence number that Kinesis issues')
  const earlier = new ReshardModel(2)
  earlier.nowMs -= 86_400_000
  earlier.split(0)
  const [, , child] = (await earlier.listShards('model')) as [Shard, Shard, Shard]
  assert.equal(positionFault(child, child.startingSequenceNumber), undefined)
  assert.match(
    positionFault({ ...child, startingSequenceNumber: one.startingSequenceNumber }, child.startingSequenceNumber) ?? '',
    /earlier stream/,
  )
})
