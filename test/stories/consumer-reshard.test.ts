import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { MemoryCheckpointStore } from '../../src/checkpoint/memory-checkpoint-store.ts'
import { iterate } from '../../src/consumer/iterate.ts'
import type { IterateOptions, StartPosition } from '../../src/consumer/read-settings.ts'
import type { StreamIterator } from '../../src/consumer/stream-iterator.ts'
import { observe } from '../../src/diagnostics.ts'
import { TritonCheckpointError } from '../../src/errors.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import {
  mergeShards,
  NumberedLoad,
  openShards,
  resizeStream,
  splitShard,
  untilActive,
} from '../support/reshard-load.ts'

let engine: LocalEngine
let api: KinesisApi
let streamCount = 0

before(async () => {
  engine = await startTestEngine({ updateStreamMs: 5 })
  api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
})

after(async () => {
  api.close()
  await engine.close()
})

async function newStream(shardCount: number): Promise<string> {
  const stream = `reshard-${streamCount++}`
  await api.createStream(stream, shardCount)
  await untilActive(api, stream)
  return stream
}

function read(stream: string, start: StartPosition, options: IterateOptions = {}): StreamIterator<string> {
  const decode = (bytes: Uint8Array) => ({ data: Buffer.from(bytes).toString() })
  const pace = { idlePollMs: 5, callsPerSecond: 1_000 }
  return iterate({ api, stream, decode }, start, { ...pace, ...options })
}

async function drain(iterator: AsyncIterable<{ data: string | undefined }>, lines: string[] = []): Promise<string[]> {
  for await (const { data } of iterator) lines.push(data as string)
  return lines
}

/** Reads until `count` records came, in the background. */
function collect(iterator: StreamIterator<string>, count: () => number): Promise<string[]> {
  return (async () => {
    const lines: string[] = []
    for await (const { data } of iterator) {
      lines.push(data as string)
      if (lines.length >= count()) iterator.stop()
    }
    return lines
  })()
}

test('splits, merges and resizes under load: every record comes once and every key in order', async () => {
  const stream = await newStream(2)
  const load = new NumberedLoad(api, stream)
  const iterator = read(stream, { from: 'latest' })
  await iterator.ready()
  let total = Number.POSITIVE_INFINITY
  const reading = collect(iterator, () => total)
  load.start()
  const [low] = await openShards(api, stream)
  await splitShard(api, stream, low)
  const [, second, third] = await openShards(api, stream)
  await mergeShards(api, stream, second, third)
  await resizeStream(api, stream, 4)
  await resizeStream(api, stream, 3)
  await resizeStream(api, stream, 2)
  await load.stop()
  total = load.recordCount + load.keyCount
  await load.putRound()
  assert.deepEqual(load.faultsIn(await reading), [])
})

test('a reader that comes late reads all generations, parents before their children', async () => {
  const stream = await newStream(1)
  const load = new NumberedLoad(api, stream)
  await load.putRounds(3)
  for (const shardCount of [2, 3, 4, 2, 1]) {
    await resizeStream(api, stream, shardCount)
    await load.putRounds(3)
  }
  const lines = await drain(read(stream, { from: 'oldest' }, { untilCaughtUp: true, limit: 7 }))
  assert.deepEqual(load.faultsIn(lines), [])
})

test('readers that were given different shards share the stream through every reshard', async () => {
  const stream = await newStream(2)
  const load = new NumberedLoad(api, stream)
  const checkpoint = { store: new MemoryCheckpointStore(), client: 'shared' }
  const lines: string[] = []
  const readers = [[0], [1]].map((shardNumbers) => read(stream, { from: 'oldest' }, { shardNumbers, checkpoint }))
  let total = Number.POSITIVE_INFINITY
  const reading = readers.map(async (iterator) => {
    // A reader says how far it is whenever it pauses, as a service would by the clock.
    const saving = setInterval(() => void iterator.checkpoint(), 5)
    for await (const { data } of iterator) {
      lines.push(data as string)
      if (lines.length >= total) for (const one of readers) one.stop()
    }
    clearInterval(saving)
  })
  load.start()
  const [low, high] = await openShards(api, stream)
  await splitShard(api, stream, high)
  await splitShard(api, stream, low)
  const [, second, third] = await openShards(api, stream)
  await mergeShards(api, stream, second, third)
  await load.stop()
  total = load.recordCount + load.keyCount
  await load.putRound()
  await Promise.all(reading)
  assert.deepEqual(load.faultsIn(lines), [])
})

test('a merged shard waits for the reader of its other parent, who says in a checkpoint that it is done', async () => {
  const stream = await newStream(2)
  const load = new NumberedLoad(api, stream)
  await load.putRounds(2)
  const [low, high] = await openShards(api, stream)
  await mergeShards(api, stream, low, high)
  await load.putRounds(2)
  const checkpoint = { store: new MemoryCheckpointStore(), client: 'shared' }
  const awaited = new Promise<void>((resolve) => {
    const unobserve = observe(({ type }) => {
      if (type !== 'merge-parent-awaited') return
      unobserve()
      resolve()
    })
  })
  const first = read(stream, { from: 'oldest' }, { shardNumbers: [0], checkpoint })
  const lines: string[] = []
  const reading = (async () => {
    for await (const { data } of first) {
      lines.push(data as string)
      if (lines.length === load.recordCount) first.stop()
    }
  })()
  await awaited
  const other = read(stream, { from: 'oldest' }, { shardNumbers: [1], checkpoint })
  // The other reader ends by itself: the merged shard is not its own, so it has read all it ever will.
  const theirs = await drain(other)
  lines.push(...theirs)
  await other.checkpoint()
  await reading
  assert.deepEqual(load.faultsIn(lines), [])
})

test('without checkpoints a merged shard is read at once, and the reader says what it does not know', async () => {
  const stream = await newStream(2)
  const load = new NumberedLoad(api, stream)
  const [low, high] = await openShards(api, stream)
  await mergeShards(api, stream, low, high)
  await load.putRounds(2)
  const unknown: string[] = []
  const unobserve = observe((news) => {
    if (news.type === 'merge-parent-unknown') unknown.push(`${news.shardId} of ${news.otherParentShardId}`)
  })
  const checkpoint = () => Promise.reject(new TritonCheckpointError('TRITON_DB is not set'))
  for (const without of [{}, { checkpoint }]) {
    const iterator = read(stream, { from: 'oldest' }, { shardNumbers: [0], ...without })
    assert.deepEqual(load.faultsIn(await collect(iterator, () => load.recordCount)), [])
    assert.deepEqual(unknown.splice(0), ['shardId-000000000002 of shardId-000000000001'])
  }
  unobserve()
})

test('latest begins at the open descendants of the shards that were given', async () => {
  const stream = await newStream(2)
  const load = new NumberedLoad(api, stream)
  await load.putRounds(2)
  const [low] = await openShards(api, stream)
  await splitShard(api, stream, low)
  await load.putRounds(2)
  const started: string[] = []
  const unobserve = observe((news) => {
    if (news.type === 'shard-started') started.push(`${news.shardId.slice(-1)} from ${news.from}`)
  })
  const iterator = read(stream, { from: 'latest' }, { shardNumbers: [0], untilCaughtUp: true })
  const lines = await drain(iterator)
  unobserve()
  assert.deepEqual(lines, [])
  assert.deepEqual(started, ['2 from the latest record', '3 from the latest record'])
})

test('reading after a number goes on with the descendants of its shard and nothing else', async () => {
  const stream = await newStream(2)
  const load = new NumberedLoad(api, stream)
  await load.putRounds(4)
  const [low] = await openShards(api, stream)
  const before = await drain(read(stream, { from: 'oldest' }, { shardNumbers: [0], untilCaughtUp: true }))
  const records = []
  for await (const record of read(stream, { from: 'oldest' }, { shardNumbers: [0], untilCaughtUp: true })) {
    records.push(record)
  }
  await splitShard(api, stream, low)
  const answers = await api.putRecords(stream, [
    { data: Buffer.from('later'), partitionKey: 'x', explicitHashKey: '0' },
  ])
  assert.equal(answers[0]?.errorCode, undefined)
  const position = { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: records[2]?.sequenceNumber ?? '' } as const
  const start: StartPosition = { from: 'positions', positions: new Map([['shardId-000000000000', position]]) }
  const lines = await drain(read(stream, start, { shardNumbers: [0], untilCaughtUp: true }))
  assert.deepEqual(lines, [...before.slice(3), 'later'])
})
