import assert from 'node:assert/strict'
import { once } from 'node:events'
import * as http2 from 'node:http2'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { observe } from '../../src/diagnostics.ts'
import type { LocalEngineOptions } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock, settle } from '../support/manual-clock.ts'
import { type OpenSubscription, refusalOf, subscribe } from './event-stream-client.ts'
import {
  type AnswerBody,
  ask,
  cborWire,
  dataIn,
  http2Wire,
  jsonWire,
  signed,
  timeIn,
  type Wire,
  wires,
} from './wire-client.ts'

/** Section 10 of the specification, the second half: SubscribeToShard, looked at on the wire. */
const startMs = Date.UTC(2026, 0, 1)
const S = { StreamName: 's' }
const StreamARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/s'
const shard0 = 'shardId-000000000000'
const horizon = { Type: 'TRIM_HORIZON' }

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

async function startEngine(options: LocalEngineOptions = {}, wire: Wire = jsonWire) {
  const clock = new ManualClock(startMs)
  const engine = await startTestEngine({ clock, streams: [{ name: 's', shardCount: 1 }], ...options })
  const { endpoint } = engine
  const register = async (ConsumerName: string) =>
    (await ask(endpoint, 'RegisterStreamConsumer', { StreamARN, ConsumerName })).Consumer.ConsumerARN
  const ConsumerARN = await register('app')
  const inputOf = (StartingPosition: object, other: object = {}) => ({
    ConsumerARN,
    ShardId: shard0,
    StartingPosition,
    ...other,
  })
  const put = async (text: string) => {
    const input = { ...S, PartitionKey: 'k', Data: Buffer.from(text) }
    return (await ask(endpoint, 'PutRecord', input)).SequenceNumber
  }
  /** A subscription of which the initial response has been read. */
  const open = async (position: object = horizon, other: object = {}) => {
    const subscription = await subscribe(endpoint, inputOf(position, other), wire)
    assert.equal((await subscription.next())?.headers[':event-type'], 'initial-response')
    return subscription
  }
  const refusal = (position: object = horizon, other: object = {}) =>
    refusalOf(endpoint, inputOf(position, other), wire)
  const close = () => engine.close()
  const calls = { register, put, open, refusal, inputOf }
  return { clock, engine, endpoint, ConsumerARN, ...calls, close, [Symbol.asyncDispose]: close }
}

const textsOf = ({ Records }: AnswerBody) => Records.map(({ Data }) => dataIn(Data).toString()).join(' ')

async function restOf(subscription: OpenSubscription): Promise<string[]> {
  const types: string[] = []
  for (let message = await subscription.next(); message !== undefined; message = await subscription.next())
    types.push(message.headers[':exception-type'] ?? message.headers[':event-type'] ?? '')
  return types
}

const inUse = `Another active subscription exists for this consumer: 000000000000:s:${shard0}:app`

for (const wire of [...wires, { name: 'h2c with CBOR', format: 'cbor', isHttp2: true } as const])
  describe(`10 SubscribeToShard over ${wire.name}`, () => {
    test('answers at once, gives what is there, and pushes what comes', async () => {
      await using started = await startEngine({}, wire)
      const { clock, endpoint, put, inputOf, close } = started
      const first = await put('first')
      const subscription = await subscribe(endpoint, inputOf(horizon), wire)
      assert.equal(subscription.headers['content-type'], 'application/vnd.amazon.eventstream')
      assert.equal(subscription.headers['content-length'], undefined)
      assert.ok(subscription.headers['x-amzn-requestid'])
      const initial = await subscription.next()
      assert.deepEqual(
        [initial?.headers[':message-type'], initial?.headers[':event-type'], initial?.body],
        ['event', 'initial-response', {}],
      )
      const { Records, ...rest } = await subscription.event()
      assert.deepEqual(rest, { ContinuationSequenceNumber: first, MillisBehindLatest: 0 })
      const [record] = Records
      assert.equal(Records.length, 1)
      assert.deepEqual([record?.SequenceNumber, record?.PartitionKey], [first, 'k'])
      assert.equal(timeIn(record?.ApproximateArrivalTimestamp ?? 0, wire), startMs)
      assert.equal(dataIn(record?.Data ?? '').toString(), 'first')
      await clock.advance(70)
      const second = await put('second')
      const pushed = await subscription.event()
      assert.deepEqual([textsOf(pushed), pushed.ContinuationSequenceNumber], ['second', second])
      await put('third')
      await put('fourth')
      await clock.advance(70)
      assert.equal(textsOf(await subscription.event()), 'third fourth', 'records that come together travel together')
      await close()
      assert.deepEqual(await restOf(subscription), [], 'a clean end with the engine')
    })

    test('ends a closed shard with its children, without a number, and cleanly', async () => {
      await using started = await startEngine({}, wire)
      const { clock, endpoint, put, open } = started
      const subscription = await open()
      await subscription.event()
      await put('last')
      await ask(endpoint, 'SplitShard', { ...S, ShardToSplit: shard0, NewStartingHashKey: '1000' })
      assert.equal(textsOf(await subscription.event()), 'last')
      await clock.advance(70)
      const { ChildShards, ...rest } = await subscription.event()
      assert.deepEqual(rest, { Records: [], MillisBehindLatest: 0 })
      assert.deepEqual(
        ChildShards?.map(({ ShardId, ParentShards }) => [ShardId, ParentShards]),
        [1, 2].map((index) => [`shardId-00000000000${index}`, [shard0]]),
      )
      assert.deepEqual(ChildShards?.[0]?.HashKeyRange, { StartingHashKey: '0', EndingHashKey: '999' })
      assert.deepEqual(await restOf(subscription), [])
      await ask(endpoint, 'MergeShards', { ...S, ShardToMerge: '1', AdjacentShardToMerge: '2' })
      const later = await open({ Type: 'LATEST' }, { ShardId: 'shardId-000000000002' })
      const end = await later.event()
      assert.deepEqual(end.ChildShards?.[0]?.ParentShards, ['shardId-000000000001', 'shardId-000000000002'])
      assert.equal('ContinuationSequenceNumber' in end, false)
      assert.deepEqual(await restOf(later), [])
    })

    test('gives way to a second call after 5 s and tells the first one so', async () => {
      await using started = await startEngine({}, wire)
      const { clock, put, open, refusal } = started
      const first = await open()
      await first.event()
      await clock.advance(4_999)
      assert.deepEqual(await refusal(), [400, 'ResourceInUseException', inUse])
      await clock.advance(1)
      const second = await open()
      const idle = await first.event()
      assert.deepEqual(idle.Records, [], 'what it had before')
      const told = await first.next()
      assert.deepEqual(
        [told?.headers[':message-type'], told?.headers[':exception-type'], told?.body],
        ['exception', 'ResourceInUseException', { message: inUse }],
      )
      assert.deepEqual(await restOf(first), [])
      await second.event()
      await put('for the second')
      assert.equal(textsOf(await second.event()), 'for the second')
    })
  })

test('a subscription that was called off before it began leaves nothing behind, and its connection goes on', async (t) => {
  const faults = [{ action: 'delay', operation: 'SubscribeToShard', delayMs: 100 }] as const
  await using started = await startEngine({ faults, metrics: true })
  const { clock, endpoint, inputOf } = started
  const isMet = new Promise<void>((resolve) => {
    t.after(observe(({ type }) => type === 'engine-fault' && resolve()))
  })
  const session = http2.connect(endpoint)
  t.after(() => session.destroy())
  const call = (operation: string, input: object) => {
    const target = { 'x-amz-target': `Kinesis_20131202.${operation}`, 'content-type': 'application/x-amz-json-1.1' }
    const stream = session.request({ ':method': 'POST', ...signed, ...target })
    stream.end(JSON.stringify(input))
    return stream
  }
  const subscription = call('SubscribeToShard', inputOf(horizon))
  subscription.on('error', () => undefined)
  await isMet
  subscription.close(http2.constants.NGHTTP2_CANCEL)
  // Answered when the engine has read what came before.
  await once(call('ListStreams', {}), 'response')
  await clock.advance(100)
  const metrics = await (await fetch(`${endpoint}/_triton/metrics`)).text()
  assert.match(metrics, /^triton_engine_subscriptions 0$/m)
  const [headers] = await once(call('ListStreams', {}), 'response')
  assert.equal(headers[':status'], 200)
})

describe('10 time in a subscription', () => {
  test('5 s after the last event one without records comes, and no sooner', async () => {
    await using started = await startEngine()
    const { clock, put, open } = started
    const subscription = await open()
    const first = await subscription.event()
    assert.deepEqual([first.Records, first.MillisBehindLatest], [[], 0])
    await clock.advance(4_999)
    const number = await put('in time')
    assert.equal(textsOf(await subscription.event()), 'in time')
    for (let round = 0; round < 3; round++) {
      await clock.advance(5_000)
      const { Records, ContinuationSequenceNumber, MillisBehindLatest } = await subscription.event()
      assert.deepEqual([Records, ContinuationSequenceNumber, MillisBehindLatest], [[], number, 0])
    }
  })

  test('it lives for 300 s, ends cleanly, and the next one goes on behind it', async () => {
    await using started = await startEngine({ idleEventMs: 100_000 })
    const { clock, put, open } = started
    const subscription = await open()
    await put('before')
    let last = await subscription.event()
    while (last.Records.length === 0) last = await subscription.event()
    await clock.advance(299_999)
    await put('at the last moment')
    await settle()
    await clock.advance(1)
    await put('after')
    const texts: string[] = []
    for (let message = await subscription.next(); message !== undefined; message = await subscription.next()) {
      assert.equal(message.headers[':event-type'], 'SubscribeToShardEvent')
      if (message.body.Records.length > 0) texts.push(textsOf(message.body))
      last = message.body
    }
    assert.deepEqual(texts, ['at the last moment'])
    const SequenceNumber = last.ContinuationSequenceNumber
    const next = await open({ Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber })
    assert.equal(textsOf(await next.event()), 'after')
  })

  test('the 5 s are of one consumer and one shard, and hold for a place that was left', async () => {
    await using started = await startEngine({ streams: [{ name: 's', shardCount: 2 }] })
    const { clock, register, open, refusal } = started
    const first = await open()
    await open(horizon, { ShardId: 'shardId-000000000001' })
    await open(horizon, { ConsumerARN: await register('other') })
    first.vanish()
    await settle()
    assert.deepEqual(await refusal(), [400, 'ResourceInUseException', inUse])
    await clock.advance(5_000)
    await open()
  })

  test('nothing of it is left when its client vanishes', async () => {
    for (const wire of [jsonWire, http2Wire]) {
      await using started = await startEngine({}, wire)
      const { clock, open, close } = started
      const timers = clock.waiting
      const subscription = await open()
      await subscription.event()
      assert.ok(clock.waiting > timers)
      subscription.vanish()
      while (clock.waiting > timers) await settle()
      await close()
      assert.equal(clock.waiting, 0)
    }
  })
})

describe('10 ContinuationSequenceNumber', () => {
  test('gives exactly what is still to come, before the first record of every position as well', async () => {
    await using started = await startEngine({ resubscribeAfterMs: 0 })
    const { clock, endpoint, put, inputOf } = started
    const numbers = [await put('a'), await put('b')]
    await clock.advance(1_000)
    const positions = [
      [horizon, 'a b c'],
      [{ Type: 'LATEST' }, 'c'],
      [{ Type: 'AT_TIMESTAMP', Timestamp: (startMs + 500) / 1000 }, 'c'],
      [{ Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: numbers[0] }, 'b c'],
      [{ Type: 'AT_SEQUENCE_NUMBER', SequenceNumber: numbers[1] }, 'b c'],
      [{ Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: numbers[1] }, 'c'],
    ] as const
    const open = async (position: object) => {
      const subscription = await subscribe(endpoint, inputOf(position), jsonWire)
      await subscription.next()
      return subscription
    }
    const firsts: (AnswerBody & { ContinuationSequenceNumber?: string })[] = []
    for (const [position] of positions) {
      const subscription = await open(position)
      firsts.push(await subscription.event())
      subscription.vanish()
    }
    await put('c')
    for (const [at, [position, expected]] of positions.entries()) {
      const first = firsts[at]
      const SequenceNumber = first?.ContinuationSequenceNumber
      const subscription = await open({ Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber })
      const next = await subscription.event()
      const read = `${first ? textsOf(first) : ''} ${textsOf(next)}`.trim()
      assert.equal(read, expected, JSON.stringify(position))
      subscription.vanish()
    }
  })

  test('is behind the start of a shard that never had a record', async () => {
    await using started = await startEngine()
    const { clock, put, open } = started
    const subscription = await open()
    const { ContinuationSequenceNumber } = await subscription.event()
    await put('first')
    await clock.advance(5_000)
    const next = await open({ Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: ContinuationSequenceNumber })
    assert.equal(textsOf(await next.event()), 'first')
  })
})

describe('10 events', () => {
  test('carry a backlog in parts of at most 2 MB and 10,000 records, one behind the other', async () => {
    for (const wire of [jsonWire, http2Wire]) {
      await using started = await startEngine({}, wire)
      const { endpoint, open } = started
      const large = Array.from({ length: 5 }, (_, at) => ({ PartitionKey: 'k', Data: Buffer.alloc(900_000, at) }))
      await ask(endpoint, 'PutRecords', { ...S, Records: large })
      const small = Array.from({ length: 500 }, () => ({ PartitionKey: 'k', Data: Buffer.of(9) }))
      for (let request = 0; request < 21; request++) await ask(endpoint, 'PutRecords', { ...S, Records: small })
      const subscription = await open()
      const counts: number[] = []
      let previous = ''
      for (let recordCount = 0; recordCount < 5 + 21 * 500; ) {
        const { Records, ContinuationSequenceNumber: last = '', MillisBehindLatest } = await subscription.event()
        recordCount += Records.length
        counts.push(Records.length)
        for (const { SequenceNumber } of Records) {
          assert.ok(SequenceNumber > previous, 'numbers of one length rise as texts do')
          previous = SequenceNumber
        }
        assert.equal(last, previous)
        assert.ok(Records.reduce((bytes, { Data }) => bytes + dataIn(Data).length, 0) <= 2 * 1024 * 1024)
        assert.equal(MillisBehindLatest === 0, recordCount === 5 + 21 * 500)
      }
      assert.deepEqual(counts, [2, 2, 10_000, 501])
    }
  })

  test('carry one record that is larger than an event', async () => {
    await using started = await startEngine()
    const { endpoint, open } = started
    await ask(endpoint, 'UpdateMaxRecordSize', { StreamARN, MaxRecordSizeInKiB: 10_240 })
    const Data = Buffer.alloc(9_000_000, 7)
    await ask(endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data })
    const subscription = await open()
    assert.ok(dataIn((await subscription.event()).Records[0]?.Data ?? '').equals(Data))
  })

  test('wait where they are stored while the client does not read', async () => {
    for (const wire of [jsonWire, http2Wire]) {
      await using started = await startEngine({ subscriptionLifeMs: 3_600_000 }, wire)
      const { clock, endpoint, open, register } = started
      const Records = Array.from({ length: 10 }, () => ({ PartitionKey: 'k', Data: Buffer.alloc(1_000_000, 1) }))
      for (let request = 0; request < 4; request++) await ask(endpoint, 'PutRecords', { ...S, Records })
      collectGarbage()
      const before = process.memoryUsage().arrayBuffers
      const lazy: OpenSubscription[] = []
      for (let reader = 0; reader < 4; reader++)
        lazy.push(await open(horizon, { ConsumerARN: await register(`lazy-${reader}`) }))
      await settle()
      await clock.advance(1_000)
      collectGarbage()
      const heldBytes = process.memoryUsage().arrayBuffers - before
      assert.ok(heldBytes < 4 * 10_000_000, `${heldBytes} bytes of 160,000,000 are on their way`)
      for (const subscription of lazy.slice(0, 2))
        for (let recordCount = 0; recordCount < 40; ) recordCount += (await subscription.event()).Records.length
    }
  })
})

describe('11 SubscribeToShard with limits', () => {
  test('pushes 2 MiB a second to each consumer, and takes one call a second', async () => {
    await using started = await startEngine({ limits: 'aws', resubscribeAfterMs: 0 })
    const { clock, endpoint, open, refusal } = started
    for (let second = 0; second < 12; second++) {
      const Records = Array.from({ length: 2 }, () => ({ PartitionKey: 'k', Data: Buffer.alloc(500_000) }))
      await ask(endpoint, 'PutRecords', { ...S, Records })
      await clock.advance(1_000)
    }
    const subscription = await open()
    assert.deepEqual(await refusal(), [
      400,
      'LimitExceededException',
      'Rate exceeded for stream s under account 000000000000.',
    ])
    const startedMs = clock.now()
    let recordCount = 0
    const reading = (async () => {
      while (recordCount < 24) recordCount += (await subscription.event()).Records.length
    })()
    for (let step = 0; recordCount < 24; step++) {
      assert.ok(step < 100, 'all of it has come within ten seconds')
      await clock.advance(100)
      await settle()
    }
    await reading
    const tookMs = clock.now() - startedMs
    assert.ok(tookMs >= 3_500, `12 MB in ${tookMs} ms`)
  })
})

describe('10 SubscribeToShard meets faults', () => {
  for (const wire of [jsonWire, cborWire, http2Wire])
    test(`before it streams and while it does, over ${wire.name}`, async () => {
      await using started = await startEngine({ resubscribeAfterMs: 0 }, wire)
      const { endpoint, engine, inputOf, put, refusal, open } = started
      await put('a')
      const operation = 'SubscribeToShard'
      engine.setFaults([{ action: 'throttle', operation }])
      const limited = 'Rate exceeded for stream s under account 000000000000.'
      assert.deepEqual(await refusal(), [400, 'LimitExceededException', limited])
      engine.setFaults([{ action: 'internal-failure', operation, shard: shard0 }])
      assert.deepEqual((await refusal()).slice(0, 2), [500, 'InternalFailure'])
      engine.setFaults([{ action: 'cut-before', operation, stream: 's' }])
      await assert.rejects(subscribe(endpoint, inputOf(horizon), wire))
      engine.setFaults([{ action: 'half-body', operation }])
      const half = await open()
      await assert.rejects(restOf(half), 'it breaks off in the middle of its first event')
      engine.setFaults([])
      assert.equal(textsOf(await (await open()).event()), 'a')
    })
})

describe('10 SubscribeToShard refuses', () => {
  for (const wire of [jsonWire, cborWire, http2Wire])
    test(`before anything streams, over ${wire.name}`, async () => {
      await using started = await startEngine({ updateStreamMs: 500, deleteStreamMs: 500 }, wire)
      const { clock, endpoint, ConsumerARN, register, refusal, inputOf } = started
      const created = startMs / 1000
      const notActive = `Consumer app with creation timestamp ${created} under stream s and account 000000000000 is not in ACTIVE status.`
      assert.deepEqual(await refusal(), [400, 'ResourceInUseException', notActive])
      await clock.advance(500)
      const unknown = ConsumerARN.replace(/\d+$/, '5')
      assert.deepEqual(await refusal(horizon, { ConsumerARN: unknown }), [
        400,
        'ResourceNotFoundException',
        'Consumer app, account 000000000000 not found.',
      ])
      assert.deepEqual(await refusal(horizon, { ShardId: 'shardId-000000000007' }), [
        400,
        'ResourceNotFoundException',
        'Shard shardId-000000000007 in stream s under account 000000000000 does not exist',
      ])
      assert.deepEqual(await refusal(horizon, { ShardId: 'x' }), [
        400,
        'ResourceNotFoundException',
        'Could not find shard x in stream s under account 000000000000.',
      ])
      assert.match((await refusal({ Type: 'AT_SEQUENCE_NUMBER' }))[2], /AT_SEQUENCE_NUMBER and no StartingSequenceN/)
      assert.match((await refusal({ Type: 'AT_TIMESTAMP' }))[2], /^Must specify timestampInMillis parameter/)
      assert.match((await refusal({ Type: 'LATEST', SequenceNumber: '1' }))[2], /LATEST and also a StartingSequence/)
      const future = new Date(startMs + 10_000)
      assert.match(
        (await refusal({ Type: 'AT_TIMESTAMP', Timestamp: future }))[2],
        /cannot be greater than the current/,
      )
      assert.match((await refusal({ Type: 'x' }))[2], /at 'startingPosition.type' failed to satisfy .* enum value set/)
      assert.match((await refusalOf(endpoint, {}, wire))[2], /^3 validation errors detected: /)
      assert.deepEqual((await refusal(horizon, { DryRun: true }))[1], 'DryRunOperationException')
      const subscription = await subscribe(endpoint, inputOf(horizon), wire)
      assert.equal(subscription.status, 200, 'a dry run takes no place')
      const other = await register('other')
      await ask(endpoint, 'DeregisterStreamConsumer', { ConsumerARN: other })
      assert.match((await refusal(horizon, { ConsumerARN: other }))[2], /^Consumer other .* is not in ACTIVE status\.$/)
    })
})

describe('10 a subscription ends', () => {
  test('silently when its consumer is deregistered', async () => {
    await using started = await startEngine({ deleteStreamMs: 500 })
    const { endpoint, ConsumerARN, open } = started
    const subscription = await open()
    await subscription.event()
    await ask(endpoint, 'DeregisterStreamConsumer', { ConsumerARN })
    assert.deepEqual(await restOf(subscription), [])
  })

  for (const deleteStreamMs of [0, 500])
    test(`with ResourceNotFoundException when its stream is deleted in ${deleteStreamMs} ms`, async () => {
      await using started = await startEngine({ deleteStreamMs })
      const { endpoint, open } = started
      const subscription = await open()
      await subscription.event()
      await ask(endpoint, 'DeleteStream', { ...S, EnforceConsumerDeletion: true })
      assert.deepEqual(await restOf(subscription), ['ResourceNotFoundException'])
    })
})
