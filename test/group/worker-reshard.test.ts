import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MemoryLeaseStore } from '../../src/checkpoint/memory-lease-store.ts'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { auditLeases, uncoveredBy } from '../../src/group/audit-leases.ts'
import { Worker } from '../../src/group/worker.ts'
import { createAwsKinesisApi } from '../../src/index.ts'
import { maxHashKey } from '../../src/kinesis/hash-key.ts'
import { type Shard, shardIdOf } from '../../src/kinesis/shard.ts'
import { seededRandom } from '../../src/random.ts'
import { MachineClock, SimulatedTime } from '../simulation/simulated-time.ts'
import { startTestEngine } from '../support/engine.ts'
import { ReshardModel } from '../support/reshard-model.ts'

const decode = (bytes: Uint8Array) => ({ data: Buffer.from(bytes).toString() })

/** One stream, one lease store and workers, on simulated time. */
class Scene implements Disposable {
  readonly time = new SimulatedTime()
  readonly clock = new MachineClock(this.time, 0)
  readonly stream = new ReshardModel(2)
  readonly leases = new MemoryLeaseStore({ clock: this.clock })
  readonly got: string[] = []
  readonly news: Diagnostic[] = []
  readonly #stop = observe((news) => this.news.push(news))

  start(): Worker<string> {
    return new Worker<string>(
      { api: this.stream, stream: 'model', decode, leases: this.leases, closesLeases: false },
      {
        ...{ client: 'c', clock: this.clock, random: seededRandom(this.time.nowMs), auditMs: 5_000, idlePollMs: 1_000 },
        handler: (records) => void this.got.push(...records.map(({ data = '' }) => data)),
      },
    )
  }

  async close(worker: Worker<string>): Promise<void> {
    const closing = worker.close()
    await this.time.run(15_000)
    await closing
  }

  of<T extends Diagnostic['type']>(type: T): Extract<Diagnostic, { type: T }>[] {
    return this.news.filter((news) => news.type === type) as Extract<Diagnostic, { type: T }>[]
  }

  async leaseNames(): Promise<string[]> {
    const leases = await this.leases.list('c', 'model')
    return leases
      .map(({ name }) => name)
      .filter((name) => name.startsWith('shardId'))
      .sort()
  }

  [Symbol.dispose](): void {
    this.#stop()
  }
}

describe('reshards', () => {
  test('a finished parent keeps its lease until every child has moved on', async () => {
    using scene = new Scene()
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
    using scene = new Scene()
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
    using scene = new Scene()
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
    using scene = new Scene()
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

  test('a lease that somebody removed is a hole: made again, and told', async () => {
    using scene = new Scene()
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
