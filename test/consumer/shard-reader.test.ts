import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { PrefetchBudget } from '../../src/consumer/prefetch-budget.ts'
import { type ShardPage, ShardReader, type ShardReaderOptions } from '../../src/consumer/shard-reader.ts'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { NotFoundError, RefusedError } from '../../src/errors.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { seededRandom } from '../../src/random.ts'
import { ManualClock, settle } from '../support/manual-clock.ts'
import { failure, type ModelCall, ReshardModel } from '../support/reshard-model.ts'

let unobserve: (() => void) | undefined
afterEach(() => unobserve?.())

function newsOf<T extends Diagnostic['type']>(type: T): Extract<Diagnostic, { type: T }>[] {
  const heard: Extract<Diagnostic, { type: T }>[] = []
  unobserve?.()
  unobserve = observe((diagnostic) => {
    if (diagnostic.type === type) heard.push(diagnostic as Extract<Diagnostic, { type: T }>)
  })
  return heard
}

function readerOf(model: ReshardModel, options: Partial<ShardReaderOptions> = {}) {
  const clock = new ManualClock()
  const reader = new ShardReader({
    ...{ api: model, stream: 'model', shardId: shardIdOf(0), position: { type: 'TRIM_HORIZON' } },
    ...{ clock, random: seededRandom(1) },
    ...options,
  })
  return { reader, clock }
}

const texts = (page: ShardPage | undefined) =>
  page && [...page.records].map(({ bytes }) => Buffer.from(bytes).toString())

/** The answer of a call that may have to wait for the clock. */
async function within<T>(clock: ManualClock, ms: number, call: Promise<T>): Promise<T> {
  let isDone = false
  const done = () => {
    isDone = true
  }
  call.then(done, done)
  await settle()
  for (let passed = 0; !isDone && passed < ms; passed += 10) await clock.advance(10)
  assert.ok(isDone, `answered within ${ms} ms`)
  return call
}

function failOnce(model: ReshardModel, operation: ModelCall['operation'], error: Error, times = 1): void {
  let left = times
  model.onCall = (call) => {
    if (call.operation === operation && left-- > 0) throw error
  }
}

test('a closed shard is read to its end, which names its children', async () => {
  const model = new ReshardModel(1)
  for (const text of ['a', 'b', 'c']) model.putInto(0, text)
  model.split(0)
  const { reader } = readerOf(model, { limit: 2 })
  assert.deepEqual(texts(await reader.next()), ['a', 'b'])
  assert.deepEqual(texts(await reader.next()), ['c'])
})

test('the end comes with the children, and after it nothing', async () => {
  const model = new ReshardModel(1)
  model.split(0)
  const { reader } = readerOf(model)
  const end = await reader.next()
  assert.equal(end?.isEnd, true)
  assert.deepEqual(
    end?.childShards.map(({ shardId }) => shardId),
    [shardIdOf(1), shardIdOf(2)],
  )
  assert.equal(await reader.next(), undefined)
})

test('no second sees more than five calls, and full pages follow one another at once', async () => {
  const model = new ReshardModel(1)
  for (let count = 0; count < 40; count++) model.putInto(0, 'x')
  const { reader, clock } = readerOf(model, { limit: 1 })
  const atMs: number[] = []
  model.onCall = ({ operation }) => {
    if (operation === 'GetRecords') atMs.push(clock.monotonic())
  }
  for (let count = 0; count < 20; count++) await within(clock, 2_000, reader.next())
  assert.deepEqual(atMs.slice(0, 5), [0, 0, 0, 0, 0])
  assert.equal(atMs[5], 1_000)
  for (const from of atMs) assert.ok(atMs.filter((at) => at >= from && at < from + 1_000).length <= 5)
})

test('at the tip the shard is asked again after the pause, not before', async () => {
  const model = new ReshardModel(1)
  const { reader, clock } = readerOf(model, { idlePollMs: 400 })
  await reader.next()
  const second = reader.next()
  await clock.advance(399)
  assert.equal(model.pages.length, 1)
  await clock.advance(1)
  await second
  assert.equal(model.pages.length, 2)
})

test('throttling and outages are waited out with growing pauses, however long they last', async () => {
  const model = new ReshardModel(1)
  model.putInto(0, 'a')
  failOnce(model, 'GetRecords', failure('throttled', 'ProvisionedThroughputExceededException'), 30)
  const retries = newsOf('get-retry')
  const { reader, clock } = readerOf(model)
  assert.deepEqual(texts(await within(clock, 300_000, reader.next())), ['a'])
  assert.equal(retries.length, 30)
  assert.deepEqual(
    retries.map(({ attempt }) => attempt),
    Array.from({ length: 30 }, (_, index) => index + 1),
  )
  assert.ok((retries[0]?.delayMs ?? 0) <= 100 && (retries[9]?.delayMs ?? 0) >= 2_500)
  assert.ok(retries.every(({ delayMs }) => delayMs <= 5_000))
})

test('an iterator that could not be had is asked for again', async () => {
  const model = new ReshardModel(1)
  model.putInto(0, 'a')
  failOnce(model, 'GetShardIterator', failure('transient', 'ECONNREFUSED'), 2)
  const { reader, clock } = readerOf(model)
  assert.deepEqual(texts(await within(clock, 10_000, reader.next())), ['a'])
})

test('an expired iterator is replaced behind the last record that was read', async () => {
  const model = new ReshardModel(1)
  for (const text of ['a', 'b', 'c']) model.putInto(0, text)
  const expired = newsOf('iterator-expired')
  const { reader, clock } = readerOf(model, { limit: 2 })
  assert.deepEqual(texts(await reader.next()), ['a', 'b'])
  model.expireIterators()
  assert.deepEqual(texts(await within(clock, 5_000, reader.next())), ['c'])
  assert.equal(expired.length, 1)
})

test('an iterator that expires before the first record is replaced at the start that was asked for', async () => {
  const model = new ReshardModel(1)
  model.putInto(0, 'old')
  const { reader, clock } = readerOf(model, { position: { type: 'LATEST' } })
  await clock.advance(10)
  model.nowMs = clock.now()
  await reader.open()
  model.expireIterators()
  model.putInto(0, 'new')
  assert.deepEqual(texts(await within(clock, 5_000, reader.next())), ['new'])
})

test('latest means the moment at which the place was taken, not the first read', async () => {
  const model = new ReshardModel(1)
  model.putInto(0, 'old')
  const { reader } = readerOf(model, { position: { type: 'LATEST' } })
  await reader.open()
  model.putInto(0, 'new')
  assert.deepEqual(texts(await reader.next()), ['new'])
})

test('reading continues behind a number without handing it out again, and nothing is called trimmed', async () => {
  const model = new ReshardModel(1)
  const { sequenceNumber } = model.putInto(0, 'a')
  model.putInto(0, 'b')
  const trimmed = newsOf('position-trimmed')
  const { reader } = readerOf(model, { position: { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber } })
  assert.deepEqual(texts(await reader.next()), ['b'])
  assert.deepEqual(trimmed, [])
})

test('a record of which a part was read comes again, for who cuts it open', async () => {
  const model = new ReshardModel(1)
  const { sequenceNumber } = model.putInto(0, 'aggregate')
  const position = { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber, subSequenceNumber: 3 } as const
  const { reader } = readerOf(model, { position })
  assert.deepEqual(texts(await reader.next()), ['aggregate'])
})

test('a trimmed position starts at the oldest record and says so', async () => {
  const model = new ReshardModel(1)
  const [first] = ['a', 'b', 'c'].map((text) => model.putInto(0, text).sequenceNumber)
  model.trim(0, 2)
  const trimmed = newsOf('position-trimmed')
  const position = { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: first as string } as const
  const { reader } = readerOf(model, { position })
  const page = await reader.next()
  assert.deepEqual(texts(page), ['c'])
  assert.deepEqual(trimmed, [
    {
      type: 'position-trimmed',
      stream: 'model',
      shardId: shardIdOf(0),
      sequenceNumber: first,
      oldestSequenceNumber: page?.records.at(0)?.sequenceNumber,
    },
  ])
})

test('a position in a shard that has nothing left is told at the tip', async () => {
  const model = new ReshardModel(1)
  const { sequenceNumber } = model.putInto(0, 'a')
  model.trim(0)
  const trimmed = newsOf('position-trimmed')
  const { reader } = readerOf(model, { position: { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber } })
  await reader.next()
  assert.equal(trimmed.length, 1)
  assert.equal(trimmed[0]?.oldestSequenceNumber, undefined)
})

test("a number that no record has, a shard's first one above all, is not called trimmed", async () => {
  const model = new ReshardModel(1)
  const { sequenceNumber } = model.putInto(0, 'a')
  model.putInto(0, 'b')
  const [shard] = await model.listShards('model')
  const trimmed = newsOf('position-trimmed')
  for (const number of [shard?.startingSequenceNumber ?? '', String(BigInt(sequenceNumber) + 1n)]) {
    const { reader } = readerOf(model, { position: { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: number } })
    await reader.next()
  }
  assert.deepEqual(trimmed, [])
})

test('a time that Kinesis calls future, seconds ahead of its clock, starts at latest', async () => {
  const model = new ReshardModel(1)
  model.putInto(0, 'old')
  model.onCall = ({ position }) => {
    if (position?.type === 'AT_TIMESTAMP') throw failure('refused', 'InvalidArgumentException')
  }
  const clock = new ManualClock()
  const position = { type: 'AT_TIMESTAMP', timestampMs: clock.now() + 2_000 } as const
  const { reader } = readerOf(model, { position, clock })
  await reader.open()
  model.putInto(0, 'new')
  assert.deepEqual(texts(await reader.next()), ['new'])
})

test('what can never succeed is told in words that help', async () => {
  const model = new ReshardModel(1)
  const refuse = (error: Error) => {
    model.onCall = () => {
      throw error
    }
  }
  refuse(failure('denied', 'AccessDeniedException', 'User bob may not'))
  await assert.rejects(readerOf(model).reader.next(), (error: Error) => {
    assert.ok(error instanceof RefusedError)
    assert.match(error.message, /shardId-000000000000 of stream "model" was denied: User bob may not.*GetRecords/)
    return true
  })
  refuse(failure('not-found', 'ResourceNotFoundException', 'no such thing'))
  await assert.rejects(readerOf(model).reader.next(), NotFoundError)
  refuse(failure('refused', 'InvalidArgumentException', 'bad number'))
  await assert.rejects(readerOf(model).reader.next(), /refused: bad number/)
})

test('a fired signal ends the wait of any kind with no page and no timer left', async () => {
  const model = new ReshardModel(1)
  const life = new AbortController()
  const { reader, clock } = readerOf(model, { signal: life.signal })
  await reader.next()
  const waiting = reader.next()
  life.abort()
  assert.equal(await waiting, undefined)
  assert.equal(clock.waiting, 0)
  assert.equal(await reader.next(), undefined)
})

test('readers that share a budget wait until somebody gives room back, first come first served', async () => {
  const model = new ReshardModel(2)
  for (let count = 0; count < 4; count++) for (const shard of [0, 1]) model.putInto(shard, 'x'.repeat(600))
  const budget = new PrefetchBudget(1_000)
  const of = (index: number) => readerOf(model, { shardId: shardIdOf(index), budget, limit: 1 }).reader
  const zero = await of(0).next()
  assert.ok(zero !== undefined && zero.heldBytes > 600 && budget.heldBytes === zero.heldBytes)
  const waiting = of(1).next()
  await settle()
  assert.equal(model.pages.length, 1)
  budget.release(zero.heldBytes)
  assert.equal((await waiting)?.shardId, shardIdOf(1))
})
