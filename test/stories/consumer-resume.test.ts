import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { CheckpointStore } from '../../src/checkpoint/checkpoint-store.ts'
import { MemoryCheckpointStore } from '../../src/checkpoint/memory-checkpoint-store.ts'
import { openCheckpointStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { iterate } from '../../src/consumer/iterate.ts'
import type { IterateOptions, StartPosition } from '../../src/consumer/read-settings.ts'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { TritonCheckpointError } from '../../src/errors.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { NumberedLoad, openShards, resizeStream, splitShard, untilActive } from '../support/reshard-load.ts'

let engine: LocalEngine
let api: KinesisApi
let directory: string
let streamCount = 0

before(async () => {
  engine = await startTestEngine()
  api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
  directory = await mkdtemp(join(tmpdir(), 'triton-resume-'))
})

after(async () => {
  api.close()
  await engine.close()
  await rm(directory, { recursive: true })
})

async function newStream(shardCount: number): Promise<string> {
  const stream = `resume-${streamCount++}`
  await api.createStream(stream, shardCount)
  await untilActive(api, stream)
  return stream
}

function read(stream: string, start: StartPosition, options: IterateOptions = {}, asked = api) {
  const decode = (bytes: Uint8Array) => ({ data: Buffer.from(bytes).toString() })
  const pace = { untilCaughtUp: true, idlePollMs: 5, callsPerSecond: 1_000, limit: 10 }
  return iterate({ api: asked, stream, decode }, start, { ...pace, ...options })
}

const stores: Record<string, (name: string) => CheckpointStore> = {
  memory: () => new MemoryCheckpointStore(),
  SQLite: (name) => openCheckpointStore(`sqlite://${join(directory, `${name}.db`)}`),
}

for (const [kind, open] of Object.entries(stores)) {
  test(`a reader carries on behind the last record that was handed out, over a split (${kind})`, async () => {
    const stream = await newStream(2)
    await using store = open(stream)
    await store.init()
    const checkpoint = { store, client: 'c' }
    const load = new NumberedLoad(api, stream)
    await load.putRounds(3)
    const lines: string[] = []
    const first = read(stream, { from: 'checkpoint' }, { checkpoint })
    for await (const { data } of first) {
      lines.push(data as string)
      if (lines.length === 25) break
    }
    // Leaving the loop took nothing back: what was handed out can still be saved.
    await first.checkpoint()
    await splitShard(api, stream, (await openShards(api, stream))[0])
    await load.putRounds(3)
    for (let rest = 25; rest < load.recordCount; rest += 40) {
      const next = read(stream, { from: 'checkpoint' }, { checkpoint })
      let count = 0
      for await (const { data } of next) {
        lines.push(data as string)
        if (++count === 40) break
      }
      await next.checkpoint()
    }
    assert.deepEqual(load.faultsIn(lines), [])
    const nothing = read(stream, { from: 'checkpoint' }, { checkpoint })
    for await (const { data } of nothing) assert.fail(`${data} was handed out before`)
  })

  test(`a shard that was read to its end is remembered as finished, an empty one too (${kind})`, async () => {
    const stream = await newStream(1)
    await using store = open(stream)
    await store.init()
    await resizeStream(api, stream, 2)
    const load = new NumberedLoad(api, stream)
    await load.putRound()
    const reader = read(stream, { from: 'oldest' }, { checkpoint: { store, client: 'c' } })
    for await (const _ of reader);
    await reader.checkpoint()
    const rows = await store.list({ client: 'c', stream })
    const shown = rows.map(({ shardId, isFinished }) => `${shardId.slice(-1)} ${isFinished ? 'finished' : 'open'}`)
    assert.deepEqual(shown, ['0 finished', '1 open', '2 open'])
    const [parent] = await api.listShards(stream)
    assert.equal(rows[0]?.sequenceNumber, parent?.endingSequenceNumber)
  })

  test(`a start at latest is remembered, so that a crash before the first checkpoint loses nothing (${kind})`, async () => {
    const stream = await newStream(2)
    await using store = open(stream)
    await store.init()
    const checkpoint = { store, client: 'c' }
    const latest: StartPosition = { from: 'checkpoint', fallback: 'latest' }
    const load = new NumberedLoad(api, stream)
    const old = new NumberedLoad(api, stream, 1)
    await old.putRound(() => 'old')
    // A time can't tell apart what arrived within one millisecond.
    for (const putAtMs = Date.now(); Date.now() <= putAtMs; ) await new Promise((resolve) => setImmediate(resolve))
    const crashed = read(stream, latest, { checkpoint })
    await crashed.ready()
    await load.putRounds(2)
    await crashed.close()
    const lines: string[] = []
    for await (const { data } of read(stream, latest, { checkpoint })) lines.push(data as string)
    assert.deepEqual(load.faultsIn(lines), [])
  })
}

test('a reader that finished a shard goes on with its children, also when no listing shows them yet', async () => {
  const stream = await newStream(1)
  await resizeStream(api, stream, 2)
  const load = new NumberedLoad(api, stream)
  await load.putRounds(2)
  const [parent, ...children] = await api.listShards(stream)
  assert.ok(parent?.endingSequenceNumber !== undefined && children.length === 2)
  const checkpoint = { store: new MemoryCheckpointStore(), client: 'c' }
  const { endingSequenceNumber: sequenceNumber } = parent
  await checkpoint.store.save('c', stream, new Map([[parent.shardId, { sequenceNumber, isFinished: true }]]))
  const late = new Proxy(api, {
    get(target, name: keyof KinesisApi) {
      if (name === 'listShards') return async () => [parent]
      return target[name].bind(target)
    },
  })
  const lines: string[] = []
  const reader = read(stream, { from: 'checkpoint' }, { checkpoint }, late)
  for await (const { data } of reader) lines.push(data as string)
  assert.deepEqual(load.faultsIn(lines), [])
})

test('a reader killed with SIGKILL again and again loses nothing and repeats only what it had not saved', async () => {
  const stream = await newStream(3)
  const load = new NumberedLoad(api, stream)
  await load.putRounds(20)
  await resizeStream(api, stream, 2)
  await load.putRounds(20)
  const checkpointEvery = 30
  const runs: string[][] = []
  // Each run is killed a little later than the one before; the last one reaches the end.
  for (let killAfter = 60; ; killAfter += 130) {
    const { lines, wasKilled } = await readerProcess([stream, checkpointEvery], killAfter)
    runs.push(lines)
    if (!wasKilled) break
  }
  assert.ok(runs.length >= 3, 'the reader was killed at least twice')
  const lines = runs.flat()
  assert.deepEqual(load.faultsIn(lines, true), [])
  const repeated = lines.length - new Set(lines).size
  assert.ok(repeated <= (runs.length - 1) * checkpointEvery, `${repeated} records came twice`)
})

/** Runs the reader until it ends, or kills it when it has printed that many lines; answers all that it printed. */
async function readerProcess(args: (string | number)[], killAfter: number) {
  const program = fileURLToPath(new URL('../support/reshard-reader-process.ts', import.meta.url))
  const database = `sqlite://${join(directory, 'killed.db')}`
  const [stream, every] = args
  const argv = ['--no-warnings', '--import', 'tsx', program, engine.endpoint, String(stream), database, String(every)]
  const child = spawn(process.execPath, argv, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
  })
  const exited = once(child, 'exit')
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    if (lines.push(line) === killAfter) child.kill('SIGKILL')
  }
  const [code, signal] = (await exited) as [number | null, string | null]
  assert.ok(code === 0 || signal === 'SIGKILL', `the reader ended with code ${code}`)
  return { lines, wasKilled: signal === 'SIGKILL' }
}

test('a checkpoint never runs ahead of what the loop was given', async () => {
  const stream = await newStream(1)
  const store = new MemoryCheckpointStore()
  const load = new NumberedLoad(api, stream)
  await load.putRounds(3)
  const reader = read(stream, { from: 'oldest' }, { checkpoint: { store, client: 'c' }, limit: 1_000 })
  for await (const { sequenceNumber } of reader) {
    // Not waited for: the checkpoint is of this moment, however late it is written.
    const saving = reader.checkpoint()
    await reader.checkpoint()
    await saving
    const [row] = await store.list()
    assert.equal(row?.sequenceNumber, sequenceNumber)
    assert.equal(row?.isFinished, false)
  }
})

test('only the shards that moved are written', async () => {
  const stream = await newStream(4)
  const saved: number[] = []
  const unobserve = observe((news: Diagnostic) => {
    if (news.type === 'checkpoint-saved') saved.push(news.shardCount)
  })
  const store = new MemoryCheckpointStore()
  const load = new NumberedLoad(api, stream)
  await load.putRounds(2)
  const reader = read(stream, { from: 'oldest' }, { checkpoint: { store, client: 'c' }, limit: 1_000 })
  await reader.next()
  await reader.checkpoint()
  await reader.checkpoint()
  await reader.next()
  await reader.checkpoint()
  for await (const _ of reader);
  await reader.checkpoint()
  unobserve()
  assert.deepEqual(saved, [1, 1, 4])
})

test('a checkpoint that fails is taken along by the next one', async () => {
  const stream = await newStream(1)
  const load = new NumberedLoad(api, stream)
  await load.putRounds(2)
  const store = new MemoryCheckpointStore()
  const real = store.save.bind(store)
  store.save = () => Promise.reject(new Error('the disk is full'))
  const reader = read(stream, { from: 'oldest' }, { checkpoint: { store, client: 'c' } })
  const { value } = await reader.next()
  await assert.rejects(reader.checkpoint(), (error: Error) => {
    assert.ok(error instanceof TritonCheckpointError)
    assert.match(error.message, /1 shards of "resume-\d+" was not saved: .*the disk is full/)
    return true
  })
  store.save = real
  await reader.checkpoint()
  assert.equal((await store.list())[0]?.sequenceNumber, value?.sequenceNumber)
  await reader.close()
})

test('a checkpoint without a store, or a start from it, says what is missing', async () => {
  const stream = await newStream(1)
  const reader = read(stream, { from: 'oldest' })
  await assert.rejects(reader.checkpoint(), /needs a checkpoint store and a client name: set TRITON_DB/)
  await reader.close()
  await assert.rejects(read(stream, { from: 'checkpoint' }).next(), TritonCheckpointError)
  const asked = read(
    stream,
    { from: 'oldest' },
    { checkpoint: () => Promise.reject(new TritonCheckpointError('no DB')) },
  )
  await assert.rejects(asked.checkpoint(), /no DB/)
  await asked.close()
})

test('a row whose number belongs to an earlier stream of the name is reported and counts as none', async () => {
  const stream = await newStream(1)
  const earlier = new NumberedLoad(api, stream, 1)
  await earlier.putRound()
  const store = new MemoryCheckpointStore()
  const checkpoint = { store, client: 'c' }
  const reader = read(stream, { from: 'oldest' }, { checkpoint })
  for await (const _ of reader);
  await reader.checkpoint()
  await api.deleteStream(stream)
  await api.createStream(stream, 1)
  await untilActive(api, stream)
  const load = new NumberedLoad(api, stream)
  await load.putRound()
  const invalid: string[] = []
  const unobserve = observe((news) => {
    if (news.type === 'checkpoint-invalid') invalid.push(news.shardId)
  })
  const lines: string[] = []
  for await (const { data } of read(stream, { from: 'checkpoint' }, { checkpoint })) lines.push(data as string)
  unobserve()
  assert.deepEqual(invalid, ['shardId-000000000000'])
  assert.deepEqual(load.faultsIn(lines), [])
})
