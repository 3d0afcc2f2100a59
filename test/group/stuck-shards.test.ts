import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LeaseStore } from '../../src/checkpoint/lease-store.ts'
import { ClosedError } from '../../src/errors.ts'
import { groupStatus } from '../../src/group/group-status.ts'
import type { HandlerContext } from '../../src/group/handler-context.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { failure } from '../support/reshard-model.ts'
import { WorkerScene } from '../support/worker-scene.ts'

const [first, second] = [shardIdOf(0), shardIdOf(1)]
const stuckMs = 20_000

/** Why this shard stands, by the news; each reason once, however often it is told. */
function reasonsOf(scene: WorkerScene, shardId: string): string[] {
  const told = scene.of('shard-stuck').filter((news) => news.shardId === shardId)
  return [...new Set(told.map(({ reason }) => reason.replace(/\d+ s/, 'N s').replaceAll(/\/[0-9a-f]{8}/g, '')))]
}

/** Handles everything but the records of the first shard, at which it stays for ever. */
const staysAtFirst = (scene: WorkerScene) => ({
  stuckMs,
  handOffMs: 1e9,
  handler: (records: { data?: string | undefined }[], { shardId }: { shardId: string }) => {
    if (shardId === first) return new Promise<void>(() => {})
    scene.got.push(...records.map(({ data = '' }) => data))
    return undefined
  },
})

test('a handler that does not return is told, and so is it of the children that wait for its shard; others go on', async () => {
  using scene = new WorkerScene()
  scene.stream.putInto(0, 'stuck')
  scene.start(staysAtFirst(scene))
  await scene.time.run(stuckMs / 2)
  const [low] = scene.stream.split(0)
  scene.stream.putInto(low, 'after it')
  scene.stream.putInto(1, 'other')
  await scene.time.run(stuckMs * 3)
  assert.deepEqual(scene.got, ['other'])
  assert.deepEqual(reasonsOf(scene, first), ['its handler has been running for N s'])
  const ofChild = `waits for its parent ${first}, which stands: its handler has been running for N s`
  assert.deepEqual(reasonsOf(scene, shardIdOf(low)), [ofChild])
  assert.deepEqual(reasonsOf(scene, second), [])
  assert.ok(
    scene.of('shard-stuck').every(({ isRestarted }) => !isRestarted),
    'a second handler would help nobody',
  )
  const { shards } = await groupStatus(scene.leases, 'c', 'model', scene.clock.now())
  const troubleOf = (shardId: string) => shards.find((shard) => shard.shardId === shardId)?.trouble ?? ''
  assert.match(troubleOf(first), /its handler has been running for \d+ s/)
  assert.match(troubleOf(shardIdOf(low)), /waits for its parent/)
  assert.equal(troubleOf(second), '')
})

test('a shard that is throttled for long is told with what Kinesis says, and goes on when it may', async () => {
  using scene = new WorkerScene()
  let isThrottled = true
  scene.stream.onCall = ({ operation, shardId }) => {
    const isMeant = isThrottled && operation === 'GetRecords' && shardId === first
    if (isMeant) throw failure('throttled', 'ProvisionedThroughputExceededException')
  }
  scene.stream.putInto(0, 'late')
  const worker = scene.start({ stuckMs })
  await scene.time.run(stuckMs * 2)
  assert.deepEqual(reasonsOf(scene, first), ['reading fails: ProvisionedThroughputExceededException'])
  isThrottled = false
  await scene.time.run(stuckMs)
  assert.deepEqual(scene.got, ['late'])
  await scene.close(worker)
})

test('a shard of which no page comes is told, and read anew, which helps', async () => {
  using scene = new WorkerScene()
  const { getRecords } = scene.stream
  let hungCount = 0
  Object.assign(scene.stream, {
    // A call whose answer never comes ends, as those of the AWS client do, when it is called off.
    getRecords(iterator: string, limit: number, signal?: AbortSignal) {
      if (!iterator.startsWith('0/') || hungCount > 0) return getRecords.call(scene.stream, iterator, limit)
      hungCount += 1
      return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new ClosedError('called off'))))
    },
  })
  scene.stream.putInto(0, 'waits')
  const worker = scene.start({ stuckMs })
  await scene.time.run(stuckMs - 2_000)
  assert.deepEqual(scene.got, [])
  await scene.time.run(5_000)
  assert.deepEqual(scene.got, ['waits'])
  assert.deepEqual(
    scene.of('shard-stuck').map(({ shardId, reason, isRestarted }) => [shardId, reason, isRestarted]),
    [[first, 'no page comes', true]],
  )
  await scene.close(worker)
})

test('a lease that somebody asked for and does not get is told as disputed', async () => {
  using scene = new WorkerScene()
  scene.stream.putInto(0, 'stuck')
  scene.stream.putInto(1, 'stuck')
  const never = () => new Promise<void>(() => {})
  scene.start({ workerId: 'holder', stuckMs, handOffMs: 1e9, handler: never })
  await scene.time.run(2_000)
  scene.start({ workerId: 'newcomer', stuckMs, handler: never })
  await scene.time.run(stuckMs * 3)
  const disputed = [first, second].flatMap((shardId) => reasonsOf(scene, shardId))
  assert.ok(disputed.includes('newcomer asked holder for it, who does not hand it over'), disputed.join('\n'))
})

test('a shard that nobody can take is told to have no owner', async () => {
  using scene = new WorkerScene()
  const { apply } = scene.leases
  const refusing: LeaseStore['apply'] = (client, stream, changes) =>
    apply.call(
      scene.leases,
      client,
      stream,
      // Another counter than stands there: as if somebody were always faster.
      changes.map((one) => (one.type === 'take' && one.name === first ? { ...one, counter: 1e6, next: 1e6 + 1 } : one)),
    )
  Object.assign(scene.leases, { apply: refusing })
  scene.stream.putInto(0, 'nobody gets it')
  scene.stream.putInto(1, 'other')
  const worker = scene.start({ stuckMs })
  await scene.time.run(stuckMs * 3)
  assert.deepEqual(scene.got, ['other'])
  assert.deepEqual(reasonsOf(scene, first), ['nobody reads it'])
  await scene.close(worker)
})

test('a shard whose handler does not keep its last record is told, and goes on to its children when it does', async () => {
  using scene = new WorkerScene(1)
  const contexts: HandlerContext<string>[] = []
  const worker = scene.start({
    ...{ stuckMs, checkpoint: 'manual' },
    handler: (records, context) => {
      contexts.push(context)
      scene.got.push(...records.map(({ data = '' }) => data))
    },
  })
  scene.stream.putInto(0, 'last')
  await scene.time.run(2_000)
  const [low] = scene.stream.split(0)
  scene.stream.putInto(low, 'after it')
  await scene.time.run(stuckMs * 3)
  assert.deepEqual(scene.got, ['last'])
  const reason = 'it is read to its end, and waits for its handler to keep the last record, by context.checkpoint()'
  assert.deepEqual(reasonsOf(scene, first), [reason])
  assert.deepEqual(reasonsOf(scene, shardIdOf(low)), [`waits for its parent ${first}, which stands: ${reason}`])
  void contexts[0]?.checkpoint()
  await scene.time.run(5_000)
  assert.deepEqual(scene.got, ['last', 'after it'])
  await scene.close(worker)
})
