import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MemoryLeaseStore } from '../../src/checkpoint/memory-lease-store.ts'
import { auditLeases, uncoveredBy } from '../../src/group/audit-leases.ts'
import { resetShards, withDescendants } from '../../src/group/seize-shards.ts'
import { Worker } from '../../src/group/worker.ts'
import { createAwsKinesisApi } from '../../src/index.ts'
import { maxHashKey } from '../../src/kinesis/hash-key.ts'
import { type Shard, shardIdOf } from '../../src/kinesis/shard.ts'
import { startTestEngine } from '../support/engine.ts'
import { WorkerScene } from '../support/worker-scene.ts'

const decode = (bytes: Uint8Array) => ({ data: Buffer.from(bytes).toString() })

describe('reshards', () => {
  test('a finished parent keeps its lease until every child has moved on', async () => {
    using scene = new WorkerScene()
    const worker = scene.start()
    await scene.time.run(2_000)
    scene.stream.putInto(0, 'parent')
    const [low, high] = scene.stream.split(0)
    await scene.time.run(20_000)
    assert.deepEqual(await scene.leaseNames(), [0, 1, low, high].map(shardIdOf), 'no child has handled anything')
    scene.stream.putInto(low, 'low')
    await scene.time.run(20_000)
    assert.deepEqual(await scene.leaseNames(), [0, 1, low, high].map(shardIdOf), 'one child has not')
    scene.stream.putInto(high, 'high')
    await scene.time.run(20_000)
    assert.deepEqual(await scene.leaseNames(), [1, low, high].map(shardIdOf))
    assert.deepEqual(scene.got, ['parent', 'low', 'high'])
    await scene.close(worker)
  })

  test('a worker that starts in the middle walks the lineage: parents first, children from their beginning', async () => {
    using scene = new WorkerScene()
    scene.stream.putInto(0, 'a')
    const [low, high] = scene.stream.split(0)
    scene.stream.putInto(low, 'b')
    scene.stream.putInto(high, 'b')
    const merged = scene.stream.merge(low, high)
    scene.stream.putInto(merged, 'c')
    const worker = scene.start()
    await scene.time.run(10_000)
    assert.deepEqual(scene.got, ['a', 'b', 'b', 'c'])
    await scene.close(worker)
  })

  test('a shard that retention took is told, and its children go on', async () => {
    using scene = new WorkerScene()
    scene.stream.putInto(0, 'first')
    const worker = scene.start()
    await scene.time.run(3_000)
    await scene.close(worker)
    scene.stream.putInto(0, 'lost to retention')
    const [low, high] = scene.stream.split(0)
    scene.stream.putInto(low, 'low')
    scene.stream.putInto(high, 'high')
    scene.stream.expire(0)
    const later = scene.start()
    await scene.time.run(15_000)
    assert.deepEqual(scene.got.sort(), ['first', 'high', 'low'])
    assert.ok(scene.of('position-trimmed').some(({ shardId }) => shardId === shardIdOf(0)))
    await scene.close(later)
  })

  test('an empty listing removes nothing, and is asked for again', async () => {
    using scene = new WorkerScene()
    let isEmpty = true
    const { listShards } = scene.stream
    scene.stream.listShards = async (stream) => (isEmpty ? [] : listShards.call(scene.stream, stream))
    const worker = scene.start()
    await scene.time.run(10_000)
    assert.deepEqual(await scene.leaseNames(), [])
    assert.ok(scene.of('worker-hindered').some(({ reason }) => reason.includes('it has no shards')))
    isEmpty = false
    scene.stream.putInto(0, 'there')
    await scene.time.run(10_000)
    assert.deepEqual(scene.got, ['there'])
    isEmpty = true
    await scene.time.run(30_000)
    assert.deepEqual(await scene.leaseNames(), [0, 1].map(shardIdOf))
    await scene.close(worker)
  })

  test('a listing that shows no shard for some hash keys is told, and asked for again until it is whole', async () => {
    using scene = new WorkerScene()
    let isTorn = true
    const { listShards } = scene.stream
    scene.stream.listShards = async (stream) => {
      const shards = await listShards.call(scene.stream, stream)
      return isTorn ? shards.slice(1) : shards
    }
    scene.stream.putInto(0, 'in the hole')
    const worker = scene.start()
    await scene.time.run(10_000)
    assert.deepEqual(await scene.leaseNames(), [shardIdOf(1)])
    const [hole] = scene.of('listing-hole')
    assert.deepEqual([hole?.startHashKey, hole?.endHashKey], ['0', String(2n ** 127n - 1n)])
    isTorn = false
    await scene.time.run(10_000)
    assert.deepEqual(scene.got, ['in the hole'])
    await scene.close(worker)
  })

  test('a shard that is to be read anew is, with all that came of it, parents first', async () => {
    using scene = new WorkerScene()
    const worker = scene.start()
    scene.stream.putInto(0, 'parent')
    scene.stream.putInto(1, 'other')
    const [low, high] = scene.stream.split(0)
    scene.stream.putInto(low, 'low')
    const [lowest] = scene.stream.split(low)
    scene.stream.putInto(lowest, 'lowest')
    scene.stream.putInto(high, 'high')
    await scene.time.run(20_000)
    assert.equal(scene.got.length, 5)
    const listed = await scene.stream.listShards('model')
    const shards = withDescendants(shardIdOf(0), listed, await scene.leases.list('c', 'model'))
    assert.deepEqual(
      shards.map(({ shardId }) => shardId),
      [0, low, high, lowest, lowest + 1].map(shardIdOf),
    )
    const seizure = { store: scene.leases, client: 'c', stream: 'model', by: 'operator' }
    await resetShards(seizure, shards)
    await scene.time.run(20_000)
    const again = scene.got.slice(5)
    assert.deepEqual([...again].sort(), ['high', 'low', 'lowest', 'parent'])
    assert.ok(again[0] === 'parent' && again.indexOf('low') < again.indexOf('lowest'), again.join())
    await scene.close(worker)
  })

  test('a lease that somebody removed is a hole: made again, and told', async () => {
    using scene = new WorkerScene()
    const worker = scene.start()
    await scene.time.run(2_000)
    await scene.close(worker)
    const [lease] = (await scene.leases.list('c', 'model')).filter(({ name }) => name === shardIdOf(1))
    assert.ok(lease)
    await scene.leases.apply('c', 'model', [{ ...lease, type: 'delete' }])
    scene.stream.putInto(1, 'in the hole')
    const later = scene.start()
    await scene.time.run(10_000)
    assert.deepEqual(scene.got, ['in the hole'])
    assert.deepEqual(
      scene.of('lease-hole').map(({ shardId }) => shardId),
      [shardIdOf(1)],
    )
    await scene.close(later)
  })
})

test('a stream that is deleted and made again under its name is read from its beginning', async (t) => {
  const engine = await startTestEngine()
  t.after(() => engine.close())
  const api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
  t.after(async () => api.close())
  const put = (text: string) => api.putRecords('again', [{ data: Buffer.from(text), partitionKey: 'k' }])
  await api.createStream('again', 1)
  await put('old')
  const got: string[] = []
  let wake = () => {}
  const worker = new Worker<string>(
    { api, stream: 'again', decode, leases: new MemoryLeaseStore(), closesLeases: false },
    {
      ...{ client: 'c', idlePollMs: 10, auditMs: 100, failoverMs: 60_000 },
      handler: (records) => {
        got.push(...records.map(({ data = '' }) => data))
        wake()
      },
    },
  )
  t.after(() => worker.close())
  const until = async (isTrue: () => boolean) => {
    while (!isTrue()) await new Promise<void>((resolve) => (wake = resolve))
  }
  await until(() => got.includes('old'))
  await api.deleteStream('again')
  // The new stream's sequence numbers begin with the second in which it was made.
  const second = Math.floor(Date.now() / 1_000)
  while (Math.floor(Date.now() / 1_000) === second) await new Promise((resolve) => setImmediate(resolve))
  await api.createStream('again', 1)
  await put('new')
  await until(() => got.includes('new'))
  assert.deepEqual(got, ['old', 'new'])
})

describe('the audit of leases', () => {
  const shard = (index: number, start: bigint, end: bigint, about: Partial<Shard> = {}): Shard => ({
    ...{ shardId: shardIdOf(index), hashKeyRange: { start, end }, startingSequenceNumber: '1' },
    ...about,
  })
  const half = maxHashKey / 2n

  test('finds the hash keys that no open shard takes', () => {
    assert.deepEqual(uncoveredBy([shard(0, 0n, maxHashKey)]), [])
    assert.deepEqual(uncoveredBy([shard(1, half + 1n, maxHashKey), shard(0, 0n, half)]), [])
    assert.deepEqual(uncoveredBy([shard(0, 0n, half - 1n), shard(1, half + 1n, maxHashKey)]), [
      { start: half, end: half },
    ])
    assert.deepEqual(uncoveredBy([shard(0, 0n, half)]), [{ start: half + 1n, end: maxHashKey }])
    assert.deepEqual(uncoveredBy([shard(0, 0n, maxHashKey, { endingSequenceNumber: '2' })]), [
      { start: 0n, end: maxHashKey },
    ])
  })

  test('removes nothing by a listing that is not whole', () => {
    const finished = {
      ...{ name: shardIdOf(0), owner: '', counter: 3, wantedBy: '', parentIds: [], state: 'finished' as const },
      facts: { behindMs: -1, bytesPerSecond: -1, trouble: '' },
    }
    const facts = {
      leases: [finished],
      checkpoints: new Map([[shardIdOf(0), { sequenceNumber: '5', isFinished: true }]]),
      elsewhere: { type: 'TRIM_HORIZON' } as const,
    }
    const whole = auditLeases({ ...facts, shards: [shard(1, 0n, maxHashKey)] })
    assert.deepEqual(
      whole.changes.map(({ type, name }) => [type, name]),
      [
        ['create', shardIdOf(1)],
        ['delete', shardIdOf(0)],
      ],
    )
    const torn = auditLeases({ ...facts, shards: [shard(1, 0n, half)] })
    assert.deepEqual(
      torn.changes.map(({ type, name }) => [type, name]),
      [['create', shardIdOf(1)]],
    )
    assert.equal(torn.uncovered.length, 1)
  })
})
