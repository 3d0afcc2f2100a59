import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { ClosedError, ConfigError, RecordError } from '../../src/errors.ts'
import type { PutEntry } from '../../src/kinesis/kinesis-api.ts'
import {
  Producer,
  type ProducerOptions,
  PutError,
  type PutFailed,
  type PutOutcome,
} from '../../src/producer/producer.ts'
import { seededRandom } from '../../src/random.ts'
import { ManualClock, settle } from '../support/manual-clock.ts'
import { type Fate, ShardModel, throttle } from './shard-model.ts'

test('puts of one turn of the event loop travel in one request, across awaits of things that are ready', async () => {
  const { producer, kinesis } = open()
  const puts = [producer.put(entry('a', 1))]
  await Promise.resolve()
  puts.push(producer.put(entry('b', 2)))
  const results = await Promise.all(puts)
  assert.equal(kinesis.requests.length, 1)
  assert.deepEqual(
    results.map(({ sequenceNumber }) => sequenceNumber),
    ['1001', '1002'],
  )
  assert.equal(results[0]?.reordered, false)
  await producer.close()
})

test('a thousand puts of one turn are two full requests, side by side', async () => {
  const { producer, kinesis } = open(() => ({ delayMs: 10 }))
  const puts = Promise.all(Array.from({ length: 1000 }, (_, index) => producer.put(entry(`key-${index}`, index))))
  await settle()
  assert.deepEqual(
    kinesis.requests.map((request) => request.length),
    [500, 500],
  )
  assert.equal(kinesis.mostInFlight, 2)
  await passes(kinesis.clock, 10)
  assert.equal((await puts).length, 1000)
  await producer.close()
})

test('a request holds no more bytes than allowed, and a record above that travels alone', async () => {
  const { producer, kinesis } = open(() => ({}), { batchBytes: 1000 })
  const sizes = [400, 400, 400, 1500, 10]
  await producer.putMany(sizes.map((size, index) => ({ data: Buffer.alloc(size), partitionKey: `${index}` })))
  assert.deepEqual(
    kinesis.requests.map((request) => request.map(({ data }) => data.length)),
    [[400, 400], [400], [1500], [10]],
  )
  await producer.close()
})

test('outcomes of putMany stand in the order of the records, with what failed handed back as it was', async () => {
  const { producer } = open((_entries, request) =>
    request === 0 ? { refuse: (given) => (given.partitionKey === 'c' ? 'AccessDeniedException' : undefined) } : {},
  )
  const records = [entry('a', 1), entry('', 2), entry('c', 3), entry('d', 4)]
  const outcomes = await producer.putMany(records)
  assert.deepEqual(
    outcomes.map(({ ok, index }) => [ok, index]),
    [
      [true, 0],
      [false, 1],
      [false, 2],
      [true, 3],
    ],
  )
  const [, unsendable, refused] = outcomes as PutFailed[]
  assert.equal(unsendable?.record, records[1])
  assert.equal(unsendable?.code, 'TRITON_RECORD')
  assert.ok(unsendable?.error instanceof RecordError)
  assert.equal(unsendable?.mayHaveBeenWritten, false)
  assert.equal(refused?.record, records[2])
  assert.equal(refused?.code, 'AccessDeniedException')
  assert.ok(refused?.error instanceof PutError)
  assert.equal(refused.error.retryable, false)
  await producer.close()
})

test('a record without a key, with a key too long, too much data or a wrong hash key is refused before anything is sent', async () => {
  const { producer, kinesis } = open()
  const cases: [PutEntry, RegExp][] = [
    [{ data: Buffer.from('x'), partitionKey: '' }, /partition key of 1 to 256 characters; this has none/],
    [{ data: Buffer.from('x'), partitionKey: 'k'.repeat(257) }, /has 257/],
    [{ data: Buffer.alloc(1024 * 1024), partitionKey: 'k' }, /1048577 bytes .* larger than the 1048576 bytes/],
    [{ data: Buffer.from('x'), partitionKey: 'k', explicitHashKey: String(1n << 128n) }, /0 to 2\^128-1/],
    [{ data: Buffer.from('x'), partitionKey: 'k', explicitHashKey: '-1' }, /0 to 2\^128-1/],
    [{ data: 'text' as unknown as Uint8Array, partitionKey: 'k' }, /needs data/],
  ]
  for (const [given, message] of cases) {
    const error = await producer.put(given).then(
      () => assert.fail('it was put'),
      (reason) => reason,
    )
    assert.ok(error instanceof RecordError)
    assert.match(error.message, message)
  }
  assert.equal(kinesis.requests.length, 0)
  await producer.put({
    data: Buffer.from('x'),
    partitionKey: '😀'.repeat(256),
    explicitHashKey: String((1n << 128n) - 1n),
  })
  await producer.close()
})

test('only what failed is sent again, after a pause with jitter, until Kinesis has it', async () => {
  const { producer, kinesis } = open((_entries, request) =>
    request < 2 ? { refuse: (_entry, place) => (place % 2 === 1 || request === 1 ? throttle : undefined) } : {},
  )
  const put = producer.putMany([entry('a', 0), entry('b', 1), entry('c', 2), entry('d', 3)])
  await settle()
  assert.equal(kinesis.requests.length, 1)
  await passes(kinesis.clock, 100)
  assert.deepEqual(keysOf(kinesis.requests[1]), ['b', 'd'])
  await passes(kinesis.clock, 200)
  assert.deepEqual(keysOf(kinesis.requests[2]), ['b', 'd'])
  assert.ok((await put).every((outcome) => outcome.ok))
  await producer.close()
})

test('what still fails at the deadline is handed back, and says whether it may have been written', async () => {
  for (const [error, mayHaveBeenWritten] of [
    [{ retryClass: 'throttled', errorCode: throttle, isWritten: false }, false],
    [{ retryClass: 'transient', errorCode: 'ECONNRESET', isWritten: true }, true],
  ] as const) {
    const { producer, kinesis } = open(() => ({ error }), { deadlineMs: 1000 })
    const put = producer.put(entry('a', 0)).catch((reason) => reason)
    await passes(kinesis.clock, 1000)
    const reason = await put
    assert.ok(reason instanceof PutError)
    assert.equal(reason.awsCode, error.errorCode)
    assert.equal(reason.retryable, true)
    assert.equal(reason.mayHaveBeenWritten, mayHaveBeenWritten)
    assert.ok(reason.attemptCount > 1)
    assert.match(reason.message, /stream orders was given up after \d+ attempts/)
    await producer.close()
    assert.equal(kinesis.clock.waiting, 0)
  }
})

test('an attempt with a clear no does not wash away the doubt of an earlier one', async () => {
  const { producer, kinesis } = open(
    (_entries, request) => ({
      error:
        request === 0
          ? { retryClass: 'transient', errorCode: 'ECONNRESET', isWritten: true }
          : { retryClass: 'throttled', errorCode: throttle, isWritten: false },
    }),
    { deadlineMs: 1000 },
  )
  const put = producer.put(entry('a', 0)).catch((reason) => reason)
  await passes(kinesis.clock, 1000)
  const reason = await put
  assert.equal(reason.awsCode, throttle)
  assert.equal(reason.mayHaveBeenWritten, true)
  await producer.close()
})

test('a request that never gets an answer is called off at the deadline', async () => {
  const { producer, kinesis } = open(() => ({ delayMs: 1e9 }), { deadlineMs: 1000 })
  const put = producer.putMany([entry('a', 0)])
  await passes(kinesis.clock, 999)
  assert.equal(producer.unacknowledgedCount, 1)
  await passes(kinesis.clock, 1)
  const [outcome] = await put
  assert.deepEqual(codesOf([outcome as PutOutcome]), ['ETIMEDOUT'])
  assert.equal((outcome as PutFailed).mayHaveBeenWritten, true)
  assert.equal(kinesis.inFlight, 0)
  await producer.close()
})

test('records that never had their turn are given up when nothing was accepted for a whole deadline', async () => {
  const { producer, kinesis } = open(() => ({ delayMs: 1e9 }), {
    deadlineMs: 1000,
    requestsInFlight: 1,
    batchRecords: 1,
  })
  const put = producer.putMany([entry('a', 0), entry('b', 1)])
  await passes(kinesis.clock, 1000)
  await settle()
  await passes(kinesis.clock, 1000)
  assert.deepEqual(codesOf(await put), ['ETIMEDOUT', 'ETIMEDOUT'])
  await producer.close()
  assert.equal(kinesis.clock.waiting, 0)
})

test('a slow stream is no failure: records wait for their turn as long as others are accepted', async () => {
  const { producer, kinesis } = open(() => ({ delayMs: 400 }), {
    deadlineMs: 1000,
    requestsInFlight: 1,
    batchRecords: 1,
  })
  const put = producer.putMany(Array.from({ length: 20 }, (_, index) => entry(`${index}`, index)))
  await passes(kinesis.clock, 20 * 400)
  assert.deepEqual(codesOf(await put), [])
  await producer.close()
})

test('a stream that takes a thousand records a second gets twenty thousand, and loses none to the deadline', async () => {
  const clock = new ManualClock()
  let allowance = 1000
  let lastMs = 0
  const kinesis = new ShardModel(clock, () => {
    allowance = Math.min(1000, allowance + (clock.monotonic() - lastMs))
    lastMs = clock.monotonic()
    return { delayMs: 5, refuse: () => (allowance >= 1 && allowance-- ? undefined : throttle) }
  })
  const producer = new Producer(kinesis, 'orders', { clock, random: seededRandom(1) })
  const put = producer.putMany(Array.from({ length: 20_000 }, (_, index) => entry(`key-${index}`, index)))
  let isDone = false
  put.then(() => {
    isDone = true
  })
  while (!isDone && clock.monotonic() < 120_000) await passes(clock, 50)
  assert.deepEqual(codesOf(await put), [])
  assert.ok(clock.monotonic() < 30_000, `it took ${clock.monotonic()} ms`)
  await producer.close()
})

test('while Kinesis refuses, no more than some records are tried at a time', async () => {
  const { producer, kinesis } = open(() => ({ refuse: () => throttle }), { deadlineMs: 20_000, requestsInFlight: 2 })
  const put = producer.putMany(Array.from({ length: 20_000 }, (_, index) => entry(`key-${index}`, index)))
  await passes(kinesis.clock, 10_000)
  const tried = new Set(kinesis.requests.flat())
  assert.ok(tried.size >= 2000 && tried.size <= 3000, `${tried.size} records were tried`)
  await passes(kinesis.clock, 10_000)
  assert.ok(kinesis.clock.waiting > 0)
  await passes(kinesis.clock, 20_000)
  assert.equal(codesOf(await put).length, 20_000)
  await producer.close()
})

test('in strict order, records that waited behind one that was given up have had their time, too', async () => {
  const { producer, kinesis } = open(
    (entries) => ({ refuse: (_entry, place) => (entries[place]?.partitionKey === 'stuck' ? throttle : undefined) }),
    { order: 'strict', deadlineMs: 1000 },
  )
  const put = producer.putMany(Array.from({ length: 50 }, (_, index) => entry('stuck', index)))
  for (let step = 0; step < 15; step++) {
    await passes(kinesis.clock, 100)
    await producer.put(entry('lively', step))
  }
  assert.equal(codesOf(await put).length, 50)
  await producer.close()
})

test('a stream that does not exist and missing rights fail at once', async () => {
  for (const [retryClass, errorCode] of [
    ['not-found', 'ResourceNotFoundException'],
    ['denied', 'CredentialsProviderError'],
  ] as const) {
    const { producer, kinesis } = open(() => ({ error: { retryClass, errorCode, isWritten: false } }))
    assert.deepEqual(codesOf(await producer.putMany([entry('a', 0), entry('b', 1)])), [errorCode, errorCode])
    assert.equal(kinesis.requests.length, 1)
    await producer.close()
  }
})

test('a record that makes Kinesis refuse the whole request fails alone', async () => {
  const { producer } = open((entries) =>
    entries.some(({ partitionKey }) => partitionKey === 'poison')
      ? { error: { retryClass: 'refused', errorCode: 'ValidationException', isWritten: false } }
      : {},
  )
  const records = Array.from({ length: 100 }, (_, index) => entry(index === 37 ? 'poison' : `key-${index}`, index))
  const outcomes = await producer.putMany(records)
  assert.deepEqual(
    outcomes.filter(({ ok }) => !ok).map(({ index }) => index),
    [37],
  )
  await producer.close()
})

test('a record above 1 MiB makes the producer ask the stream once, and waits for the answer in its place', async () => {
  const { producer, kinesis } = open()
  kinesis.maxRecordBytes = 2 * 1024 * 1024
  const big = { data: Buffer.alloc(1_500_000), partitionKey: 'a' }
  const puts = Promise.all([producer.put(big), producer.put(entry('a', 1)), producer.put(big)])
  await passes(kinesis.clock, 10)
  const numbers = (await puts).map(({ sequenceNumber }) => Number(sequenceNumber))
  assert.deepEqual(numbers, [1001, 1002, 1003])
  await assert.rejects(
    producer.put({ data: Buffer.alloc(2_100_000), partitionKey: 'a' }),
    /larger than the 2097152 bytes/,
  )
  await assert.rejects(producer.put({ data: Buffer.alloc(11_000_000), partitionKey: 'a' }), RecordError)
  assert.equal(kinesis.describeCount, 1)
  await producer.close()
})

test('a stream that can not be asked for a while is asked again, and the record waits', async () => {
  const { producer, kinesis } = open()
  kinesis.maxRecordBytes = 2 * 1024 * 1024
  kinesis.describeFailures.push('throttled', 'transient', 'throttled')
  const put = producer.put({ data: Buffer.alloc(1_500_000), partitionKey: 'a' })
  await passes(kinesis.clock, 1_000)
  assert.equal((await put).sequenceNumber, '1001')
  assert.equal(kinesis.describeCount, 4)
  await producer.close()
})

test('a stream that can not be asked within the deadline is sent the record, and says itself what it takes', async () => {
  const { producer, kinesis } = open((entries) =>
    entries.some(({ data }) => data.length > 1_400_000)
      ? { error: { retryClass: 'refused', errorCode: 'ValidationException', isWritten: false } }
      : {},
  )
  kinesis.describeFailures.push(...Array<'transient'>(1_000).fill('transient'))
  const big = { data: Buffer.alloc(1_300_000), partitionKey: 'a' }
  const outcomes = producer.putMany([big, { data: Buffer.alloc(1_500_000), partitionKey: 'b' }])
  await passes(kinesis.clock, 60_000)
  assert.deepEqual(codesOf(await outcomes), ['ValidationException'])
  await producer.close()
})

test('who may not ask puts what every stream takes, and who gave up waiting keeps nobody asking', async () => {
  const big = { data: Buffer.alloc(1_500_000), partitionKey: 'a' }
  const denied = open()
  denied.kinesis.describeFailures.push('denied')
  await assert.rejects(denied.producer.put(big), /larger than the 1048576 bytes/)
  const { producer, kinesis } = open()
  kinesis.describeFailures.push(...Array<'transient'>(1_000).fill('transient'))
  const caller = new AbortController()
  const put = producer.put(big, { signal: caller.signal })
  await settle()
  caller.abort()
  await assert.rejects(put, ClosedError)
  await passes(kinesis.clock, 60_000)
  assert.ok(kinesis.describeCount <= 2)
  assert.equal(kinesis.clock.waiting, 0)
  await producer.close()
})

test('unacknowledged bytes stay under the bound; callers wait, in their order', async () => {
  const { producer, kinesis } = open(() => ({ delayMs: 10 }), { bufferBytes: 20_000, batchRecords: 10 })
  const many = producer.putMany(Array.from({ length: 200 }, (_, index) => entry(`${index}`, index, 1000)))
  const later = producer.put(entry('later', 1))
  const order: string[] = []
  many.then(() => order.push('many'))
  later.then(() => order.push('later'))
  let mostBytes = 0
  for (let step = 0; step < 200; step++) {
    mostBytes = Math.max(mostBytes, producer.unacknowledgedBytes)
    await passes(kinesis.clock, 10)
  }
  assert.deepEqual(codesOf(await many), [])
  await later
  assert.deepEqual(order, ['many', 'later'])
  assert.ok(mostBytes > 10_000 && mostBytes <= 20_000, `${mostBytes} bytes`)
  await producer.close()
})

test('a record larger than the whole buffer is let in when it is alone', async () => {
  const { producer } = open(() => ({}), { bufferBytes: 100 })
  const outcomes = await producer.putMany([entry('a', 1, 5000), entry('b', 2, 5000)])
  assert.deepEqual(codesOf(outcomes), [])
  await producer.close()
})

test('an abort hands back what was not sent and lets finish what is under way', async () => {
  const { producer, kinesis } = open(() => ({ delayMs: 10 }), {
    requestsInFlight: 1,
    batchRecords: 2,
    bufferBytes: 600,
  })
  const caller = new AbortController()
  const records = Array.from({ length: 10 }, (_, index) => entry(`${index}`, index))
  const put = producer.putMany(records, { signal: caller.signal })
  const other = producer.put(entry('other', 1))
  const single = producer.put(entry('single', 1), { signal: caller.signal }).catch((reason) => reason)
  await settle()
  caller.abort()
  await passes(kinesis.clock, 100)
  const outcomes = await put
  assert.deepEqual(
    outcomes.map(({ ok, index }) => [ok, index]),
    records.map((_, index) => [index < 2, index]),
  )
  assert.ok(outcomes.every((outcome) => outcome.ok || outcome.error instanceof ClosedError))
  assert.ok((await single) instanceof ClosedError)
  assert.ok((await other).sequenceNumber)
  await assert.rejects(producer.put(entry('a', 1), { signal: caller.signal }), ClosedError)
  await producer.close()
})

test('after an abort of what rested before another attempt, its key goes on', async () => {
  const { producer, kinesis } = open((_entries, request) => (request === 0 ? { refuse: () => throttle } : {}))
  const caller = new AbortController()
  const put = producer.put(entry('a', 1), { signal: caller.signal }).catch((reason) => reason)
  await settle()
  caller.abort()
  assert.ok((await put) instanceof ClosedError)
  assert.equal(kinesis.clock.waiting, 0)
  assert.ok((await producer.put(entry('a', 2))).sequenceNumber)
  await producer.close()
})

test('an abort ends the retries of what is under way', async () => {
  const { producer, kinesis } = open(() => ({ delayMs: 10, refuse: () => throttle }))
  const caller = new AbortController()
  const put = producer.put(entry('a', 1), { signal: caller.signal }).catch((reason) => reason)
  await settle()
  caller.abort()
  await passes(kinesis.clock, 10)
  assert.equal((await put).awsCode, throttle)
  assert.equal(kinesis.requests.length, 1)
  await producer.close()
})

test('close sends what there is, waits for it, may be called twice, and refuses later puts', async () => {
  const { producer, kinesis } = open(() => ({ delayMs: 10 }), { lingerMs: 10_000, bufferBytes: 300 })
  const put = producer.putMany(Array.from({ length: 5 }, (_, index) => entry(`${index}`, index)))
  const closed = Promise.all([producer.close(), producer.close(), producer[Symbol.asyncDispose]()])
  await assert.rejects(producer.put(entry('late', 1)), ClosedError)
  await passes(kinesis.clock, 100)
  await closed
  assert.deepEqual(codesOf(await put), [])
  assert.equal(kinesis.clock.waiting, 0)
})

test('with lingerMs records wait for company, but not when a request is full', async () => {
  const { producer, kinesis } = open(() => ({}), { lingerMs: 100, batchRecords: 3 })
  const first = producer.put(entry('a', 1))
  await passes(kinesis.clock, 60)
  const second = producer.put(entry('b', 2))
  await passes(kinesis.clock, 39)
  assert.equal(kinesis.requests.length, 0)
  await passes(kinesis.clock, 1)
  assert.equal(kinesis.requests.length, 1)
  await Promise.all([first, second])
  await Promise.all(['c', 'd', 'e'].map((key) => producer.put(entry(key, 3))))
  assert.equal(kinesis.requests.length, 2)
  await producer.close()
})

test('an iterable that throws ends its putMany with that error, after the records before it were put', async () => {
  const { producer, kinesis } = open()
  function* records() {
    yield entry('a', 1)
    throw new TypeError('cannot write $.x')
  }
  await assert.rejects(producer.putMany(records()), /cannot write/)
  assert.equal(kinesis.stored.length, 1)
  assert.deepEqual(await producer.putMany([]), [])
  await producer.close()
})

test('diagnostics tell of each request, retry, failure and overtaking', async () => {
  const { producer, kinesis } = open((_entries, request) => ({
    refuse: (_given, place) => (request === 0 && place === 0 ? throttle : undefined),
  }))
  const heard: Diagnostic[] = []
  const stop = observe((diagnostic) => heard.push(diagnostic))
  const put = producer.putMany([entry('a', 1), entry('a', 2)])
  await passes(kinesis.clock, 100)
  await put
  stop()
  assert.deepEqual(
    heard.map(({ type }) => type),
    ['batch-put', 'put-retry', 'batch-put', 'record-reordered'],
  )
  assert.deepEqual(heard[0], {
    type: 'batch-put',
    stream: 'orders',
    recordCount: 2,
    batchBytes: 4,
    failedCount: 1,
    retryCount: 0,
    durationMs: 0,
  })
  await producer.close()
})

test('an option out of its range is a ConfigError that names it', () => {
  const wrong: [ProducerOptions, RegExp][] = [
    [{ batchRecords: 501 }, /batchRecords must be a whole number from 1 to 500; it is 501/],
    [{ batchBytes: 11 * 1024 * 1024 }, /batchBytes/],
    [{ deadlineMs: 0 }, /deadlineMs must be a number of milliseconds above 0; it is 0/],
    [{ lingerMs: Number.NaN }, /lingerMs/],
    [{ bufferBytes: 0 }, /bufferBytes/],
    [{ order: 'sorted' as 'lane' }, /order must be 'lane' or 'strict'/],
  ]
  for (const [options, message] of wrong) {
    assert.throws(
      () => open(() => ({}), options),
      (error) => error instanceof ConfigError && message.test(error.message),
    )
  }
})

function open(
  fateOf: (entries: readonly PutEntry[], request: number) => Fate = () => ({}),
  options: ProducerOptions = {},
) {
  const clock = new ManualClock()
  const kinesis = Object.assign(new ShardModel(clock, fateOf), { clock })
  const producer = new Producer(kinesis, 'orders', { clock, random: seededRandom(1), ...options })
  return { producer, kinesis }
}

/** What was put in this turn of the event loop leaves before time passes. */
async function passes(clock: ManualClock, ms: number): Promise<void> {
  await settle()
  await clock.advance(ms)
}

function entry(partitionKey: string, value: number, size = 1): PutEntry {
  return { data: Buffer.alloc(size, value), partitionKey }
}

function keysOf(request: readonly PutEntry[] | undefined): string[] | undefined {
  return request?.map(({ partitionKey }) => partitionKey)
}

/** The codes of those that failed. */
function codesOf(outcomes: readonly PutOutcome[]): string[] {
  return outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.code]))
}
