import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { type Clock, systemClock } from '../../src/clock.ts'
import { iterate } from '../../src/consumer/iterate.ts'
import type { IterateOptions, StartPosition } from '../../src/consumer/read-settings.ts'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { NotFoundError, UnavailableError } from '../../src/errors.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { NumberedLoad, resizeStream, untilActive } from '../support/reshard-load.ts'

let engine: LocalEngine
let api: KinesisApi
/** Gives up early on an answer that never comes. */
let impatientApi: KinesisApi
let streamCount = 0

before(async () => {
  engine = await startTestEngine()
  api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
  impatientApi = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1', requestTimeoutMs: 150 })
})

beforeEach(() => engine.setFaults([]))

after(async () => {
  api.close()
  impatientApi.close()
  await engine.close()
})

async function newStream(shardCount: number): Promise<string> {
  const stream = `faults-${streamCount++}`
  await api.createStream(stream, shardCount)
  await untilActive(api, stream)
  return stream
}

function read(stream: string, start: StartPosition, options: IterateOptions = {}, through = impatientApi) {
  const decode = (bytes: Uint8Array) => ({ data: Buffer.from(bytes).toString() })
  const pace = { untilCaughtUp: true, idlePollMs: 5, callsPerSecond: 1_000, limit: 30, clock: hasty }
  // A minute of the wall's clock: how early a start is given up is told elsewhere, too.
  const startDeadlineMs = 60_000 * hurry
  return iterate({ api: through, stream, decode }, start, { ...pace, startDeadlineMs, ...options })
}

const hurry = 50

/** Waits a fiftieth of what it is asked to: how long pauses are is told elsewhere. */
const hasty: Clock = {
  ...systemClock,
  monotonic: () => systemClock.monotonic() * hurry,
  setTimer: (act, ms) => systemClock.setTimer(act, ms / hurry),
}

async function drain(iterator: AsyncIterable<{ data: string | undefined }>): Promise<string[]> {
  const lines: string[] = []
  for await (const { data } of iterator) lines.push(data as string)
  return lines
}

async function hearing<T>(act: () => Promise<T>): Promise<{ answer: T; heard: Diagnostic[] }> {
  const heard: Diagnostic[] = []
  const unobserve = observe((news) => heard.push(news))
  try {
    return { answer: await act(), heard }
  } finally {
    unobserve()
  }
}

const faults = {
  throttles: { action: 'throttle' },
  'answers 500': { action: 'internal-failure' },
  'cuts the connection': { action: 'cut-before' },
  'cuts the connection after the read': { action: 'cut-after' },
  'never answers': { action: 'answer-lost' },
  'answers garbage': { action: 'garbage-body' },
  'answers half a body': { action: 'half-body' },
  'answers late': { action: 'delay', delayMs: 30 },
} as const

for (const [what, fault] of Object.entries(faults)) {
  test(`an engine that ${what}, at every call and through a reshard, costs time and no record`, async () => {
    const stream = await newStream(2)
    const load = new NumberedLoad(api, stream)
    await load.putRounds(4)
    await resizeStream(api, stream, 3)
    await load.putRounds(2)
    engine.setFaults(
      ['ListShards', 'GetShardIterator', 'GetRecords'].map((operation) => ({ ...fault, operation, count: 3 })),
    )
    const { answer: lines, heard } = await hearing(() => drain(read(stream, { from: 'oldest' })))
    assert.deepEqual(load.faultsIn(lines), [])
    if (what === 'answers late') return
    // A slow machine may add a timeout of its own.
    assert.ok(heard.filter(({ type }) => type === 'list-retry').length >= 3)
    assert.ok(heard.filter(({ type }) => type === 'get-retry').length >= 6)
  })
}

test('a third of all calls fail in all ways at once, and every record still comes once and in order', async () => {
  const stream = await newStream(4)
  const load = new NumberedLoad(api, stream)
  await load.putRounds(20)
  const actions = ['throttle', 'internal-failure', 'cut-after', 'garbage-body', 'half-body'] as const
  const reads = ['GetRecords', 'GetShardIterator'] as const
  engine.setFaults(
    actions.flatMap((action) => reads.map((operation) => ({ action, operation, probability: 0.08 }))),
    4,
  )
  assert.deepEqual(load.faultsIn(await drain(read(stream, { from: 'oldest' }))), [])
})

test('an iterator that expired while nobody read is replaced where reading stood', async () => {
  let skewMs = 0
  const clock: Clock = { ...systemClock, now: () => Date.now() + skewMs }
  await using aging = await startTestEngine({ clock })
  const through = createAwsKinesisApi({ endpoint: aging.endpoint, region: 'us-east-1' })
  await through.createStream('aging', 1)
  const load = new NumberedLoad(through, 'aging')
  await load.putRounds(5)
  const { answer: lines, heard } = await hearing(async () => {
    const lines: string[] = []
    // Holds one page and no more: the next one is asked for when this one was handed out.
    const iterator = read('aging', { from: 'oldest' }, { prefetchBytes: 1, limit: 50 }, through)
    for await (const { data } of iterator) {
      if (lines.length === 0) skewMs = 301_000
      lines.push(data as string)
    }
    return lines
  })
  through.close()
  assert.deepEqual(load.faultsIn(lines), [])
  assert.equal(heard.filter(({ type }) => type === 'iterator-expired').length, 1)
})

test('records that retention took before they were read are told with the place where reading went on', async () => {
  let skewMs = 0
  const clock: Clock = { ...systemClock, now: () => Date.now() + skewMs }
  await using aging = await startTestEngine({ clock })
  const through = createAwsKinesisApi({ endpoint: aging.endpoint, region: 'us-east-1' })
  await through.createStream('aging', 1)
  const putOne = async (text: string) => {
    const [answer] = await through.putRecords('aging', [{ data: Buffer.from(text), partitionKey: 'k' }])
    return answer !== undefined && 'sequenceNumber' in answer ? answer.sequenceNumber : ''
  }
  const first = await putOne('first')
  await putOne('missed')
  skewMs = 25 * 3_600_000
  const kept = await putOne('kept')
  const position = { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: first } as const
  const start: StartPosition = { from: 'positions', positions: new Map([['shardId-000000000000', position]]) }
  const { answer: lines, heard } = await hearing(() => drain(read('aging', start, {}, through)))
  through.close()
  assert.deepEqual(lines, ['kept'])
  const trimmed = heard.filter(({ type }) => type === 'position-trimmed')
  const facts = { stream: 'aging', shardId: 'shardId-000000000000', sequenceNumber: first }
  assert.deepEqual(trimmed, [{ type: 'position-trimmed', ...facts, oldestSequenceNumber: kept }])
})

test('a time before all that the stream keeps is told, and one that it keeps is not', async () => {
  let skewMs = 0
  const clock: Clock = { ...systemClock, now: () => Date.now() + skewMs }
  await using aging = await startTestEngine({ clock })
  const through = createAwsKinesisApi({ endpoint: aging.endpoint, region: 'us-east-1' })
  await through.createStream('aging', 1)
  const bornMs = clock.now()
  const trimmedFrom = async (atMs: number) => {
    const reader = read(
      'aging',
      { from: 'timestamp', at: new Date(atMs) },
      { clock: { ...hasty, now: clock.now } },
      through,
    )
    const { heard } = await hearing(() => drain(reader))
    return heard.filter(({ type }) => type === 'time-trimmed').length
  }
  assert.equal(await trimmedFrom(bornMs - 48 * 3_600_000), 0)
  skewMs = 30 * 3_600_000
  assert.equal(await trimmedFrom(bornMs), 1)
  assert.equal(await trimmedFrom(bornMs + 10 * 3_600_000), 0)
  through.close()
})

test('an engine that goes down and comes back on its directory is waited for', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'triton-outage-'))
  t.after(() => rm(dataDir, { recursive: true }))
  await using before = await startTestEngine({ dataDir })
  const { port } = before
  const through = createAwsKinesisApi({ endpoint: before.endpoint, region: 'us-east-1' })
  t.after(() => through.close())
  await through.createStream('outage', 2)
  const load = new NumberedLoad(through, 'outage')
  await load.putRounds(5)
  await using iterator = read('outage', { from: 'oldest' }, { untilCaughtUp: false }, through)
  const lines: string[] = []
  const reading = (async () => {
    for await (const { data } of iterator) {
      lines.push(data as string)
      if (lines.length === 200) iterator.stop()
    }
  })()
  const isRefused = new Promise<void>((resolve) => {
    const unobserve = observe((news) => {
      if (news.type !== 'get-retry') return
      unobserve()
      resolve()
    })
  })
  await iterator.ready()
  await before.close()
  await isRefused
  await using _ = await startTestEngine({ dataDir, port })
  await load.putRounds(5)
  await reading
  assert.deepEqual(load.faultsIn(lines), [])
})

test('a stream that is out of reach from the start is given up after the deadline, in words that help', async () => {
  const stream = await newStream(1)
  engine.setFaults([{ action: 'internal-failure', operation: 'ListShards' }])
  const iterator = read(stream, { from: 'oldest' }, { startDeadlineMs: 2_000 })
  await assert.rejects(iterator.next(), (error: Error) => {
    assert.ok(error instanceof UnavailableError)
    assert.match(error.message, /stream "faults-\d+" could not be listed for 2 s: .*Check the endpoint/)
    return true
  })
  assert.deepEqual(await iterator.next(), { value: undefined, done: true })
})

test('nobody listens at the endpoint: an error, not a wait without end', async () => {
  const through = createAwsKinesisApi({ endpoint: 'http://127.0.0.1:1', region: 'us-east-1' })
  const iterator = read('any', { from: 'oldest' }, { startDeadlineMs: 1_000 }, through)
  await assert.rejects(iterator.next(), /ECONNREFUSED/)
  through.close()
})

test('a stream that is deleted while it is read ends the reader with an error that names it', async () => {
  const stream = await newStream(2)
  const load = new NumberedLoad(api, stream)
  await load.putRound()
  const iterator = read(stream, { from: 'oldest' }, { untilCaughtUp: false })
  const { value } = await iterator.next()
  assert.ok(value !== undefined)
  await api.deleteStream(stream)
  await assert.rejects(drain(iterator), (error: Error) => {
    assert.ok(error instanceof NotFoundError)
    assert.match(error.message, new RegExp(`stream "${stream}" does not exist`))
    return true
  })
})

test('a shard that expires while its reader is held up hands over to its children, and says what is lost', async () => {
  let skewMs = 0
  const clock: Clock = { ...systemClock, now: () => Date.now() + skewMs }
  await using aging = await startTestEngine({ clock })
  const through = createAwsKinesisApi({ endpoint: aging.endpoint, region: 'us-east-1' })
  await through.createStream('aging', 1)
  const load = new NumberedLoad(through, 'aging')
  await load.putRounds(3)
  await resizeStream(through, 'aging', 2)
  const { answer: lines, heard } = await hearing(async () => {
    const lines: string[] = []
    const iterator = read('aging', { from: 'oldest' }, { prefetchBytes: 1, limit: 20 }, through)
    for await (const { data } of iterator) {
      if (lines.push(data as string) !== 1) continue
      skewMs = 25 * 3_600_000
      await load.putRound((key) => `${key} after`)
    }
    return lines
  })
  through.close()
  assert.equal(lines.filter((line) => line.endsWith(' after')).length, load.keyCount)
  assert.ok(heard.some(({ type }) => type === 'position-trimmed'))
})
