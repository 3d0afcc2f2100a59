import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConfigError } from '../../src/errors.ts'
import type { RateLimits } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, call, jsonWire, type Wire, wires } from './wire-client.ts'

/** Section 11 of the specification: the engine throttles as AWS does, when it is told to. */
const S = { StreamName: 's' }
const StreamARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/s'
const top = String(2n ** 128n - 1n)
const mib = 1024 * 1024

async function startEngine(limits: 'aws' | RateLimits = 'aws') {
  const clock = new ManualClock()
  const streams = [
    { name: 's', shardCount: 2 },
    { name: 't', shardCount: 1 },
  ]
  const engine = await startTestEngine({ clock, streams, limits })
  const { endpoint } = engine
  const errorOf = async (operation: string, input: object, wire: Wire = jsonWire): Promise<string> => {
    const { status, body } = await call(endpoint, operation, input, wire)
    return status === 200 ? 'fine' : `${body.__type}: ${body.message}`
  }
  /** How many of the calls in a row are served, and what the first one says that is not. */
  const serve = async (count: number, operation: string, input: object, wire: Wire = jsonWire) => {
    for (let served = 0; served < count; served++) {
      const error = await errorOf(operation, input, wire)
      if (error !== 'fine') return [served, error]
    }
    return [count, 'fine']
  }
  const put = (bytes: number, ExplicitHashKey = '0', StreamName = 's') =>
    errorOf('PutRecord', { StreamName, PartitionKey: 'k', Data: Buffer.alloc(bytes - 1), ExplicitHashKey })
  /** For readers of a shard: asking for one has a rate of its own. */
  const iterator = async (ShardId: string, StreamName = 's') =>
    (await ask(endpoint, 'GetShardIterator', { StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' })).ShardIterator
  return { clock, endpoint, engine, errorOf, serve, put, iterator, [Symbol.asyncDispose]: () => engine.close() }
}

const busyShard = (shard: number, stream = 's') =>
  `ProvisionedThroughputExceededException: Rate exceeded for shard shardId-00000000000${shard} in stream ${stream} under account 000000000000.`
const busyStream = (stream = 's') =>
  `LimitExceededException: Rate exceeded for stream ${stream} under account 000000000000.`
const busyAccount = 'LimitExceededException: Rate exceeded under account 000000000000.'

for (const wire of wires)
  describe(`11 puts into a shard over ${wire.name}`, () => {
    test('are a thousand records a second; the rest of a PutRecords fails record by record', async () => {
      await using engine = await startEngine()
      const records = (hashKey: string, count: number) =>
        Array.from({ length: count }, () => ({ PartitionKey: 'k', Data: Buffer.of(1), ExplicitHashKey: hashKey }))
      const put = (Records: object[]) => ask(engine.endpoint, 'PutRecords', { ...S, Records }, wire)
      assert.equal((await put(records('0', 500))).FailedRecordCount, 0)
      assert.equal((await put(records('0', 400))).FailedRecordCount, 0)
      const mixed = await put([...records('0', 150), ...records(top, 50)])
      assert.deepEqual([mixed.FailedRecordCount, mixed.Records.length], [50, 200])
      assert.ok(mixed.Records.slice(0, 100).every(({ SequenceNumber }) => SequenceNumber !== undefined))
      for (const failed of mixed.Records.slice(100, 150))
        assert.deepEqual(failed, {
          ErrorCode: 'ProvisionedThroughputExceededException',
          ErrorMessage: 'Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.',
        })
      assert.ok(mixed.Records.slice(150).every(({ ShardId }) => ShardId === 'shardId-000000000001'))
      await engine.clock.advance(100)
      assert.equal((await put(records('0', 101))).FailedRecordCount, 1)
      await engine.clock.advance(60_000)
      assert.equal((await put(records('0', 500))).FailedRecordCount, 0)
      assert.equal((await put(records('0', 500))).FailedRecordCount, 0)
      assert.equal((await put(records('0', 1))).FailedRecordCount, 1)
    })
  })

overEachWire('11 puts into a shard', (test) => {
  test('are a MiB a second, data and key', async () => {
    await using engine = await startEngine()
    const { clock, put } = engine
    assert.equal(await put(mib / 2), 'fine')
    assert.equal(await put(mib / 2), 'fine')
    assert.equal(await put(1), busyShard(0))
    assert.equal(await put(mib, top), 'fine')
    assert.equal(await put(1, top), busyShard(1))
    assert.equal(await put(mib, '0', 't'), 'fine')
    await clock.advance(250)
    assert.equal(await put(mib / 4 + 1), busyShard(0))
    assert.equal(await put(mib / 4), 'fine')
  })

  test('of a larger record borrow from the seconds to come', async () => {
    await using engine = await startEngine()
    const { clock, endpoint, put } = engine
    await ask(endpoint, 'UpdateMaxRecordSize', { StreamARN, MaxRecordSizeInKiB: 10_240 })
    assert.equal(await put(5 * mib), 'fine')
    assert.equal(await put(1), busyShard(0))
    assert.equal(await put(1, top), 'fine')
    await clock.advance(3_999)
    assert.equal(await put(1), busyShard(0))
    await clock.advance(2)
    assert.equal(await put(1), 'fine')
    assert.equal(await put(mib), busyShard(0))
    await clock.advance(1_000)
    assert.equal(await put(10 * mib), 'fine')
  })

  test('that a fault refuses take nothing', async () => {
    await using engine = await startEngine({ putRecordsPerSecond: 2 })
    const Records = Array.from({ length: 5 }, () => ({ PartitionKey: 'k', Data: '', ExplicitHashKey: '0' }))
    engine.engine.setFaults([{ action: 'partial-failure', share: 1, recordsAre: 'internal-failure' }])
    const refused = await ask(engine.endpoint, 'PutRecords', { ...S, Records })
    assert.ok(refused.Records.every(({ ErrorCode }) => ErrorCode === 'InternalFailure'))
    engine.engine.setFaults([])
    assert.equal((await ask(engine.endpoint, 'PutRecords', { ...S, Records })).FailedRecordCount, 3)
  })
})

overEachWire('11 reads of a shard', (test) => {
  test('are five calls a second', async () => {
    await using engine = await startEngine()
    const { clock, serve, iterator } = engine
    const [first, other, elsewhere] = [await iterator('0'), await iterator('1'), await iterator('0', 't')]
    assert.deepEqual(await serve(9, 'GetRecords', { ShardIterator: first }), [5, busyShard(0)])
    assert.deepEqual(await serve(9, 'GetRecords', { ShardIterator: other }), [5, busyShard(1)])
    assert.deepEqual(await serve(9, 'GetRecords', { ShardIterator: elsewhere }), [5, busyShard(0, 't')])
    await clock.advance(400)
    assert.deepEqual(await serve(9, 'GetRecords', { ShardIterator: first }), [2, busyShard(0)])
  })

  test('are two MiB a second: ten keep the next calls waiting for five seconds', async () => {
    await using engine = await startEngine()
    const { clock, endpoint, errorOf, put, iterator } = engine
    await ask(endpoint, 'UpdateMaxRecordSize', { StreamARN, MaxRecordSizeInKiB: 10_240 })
    await put(10 * mib)
    const ShardIterator = await iterator('0')
    const get = () => errorOf('GetRecords', { ShardIterator })
    assert.equal(await get(), 'fine')
    await clock.advance(4_999)
    assert.equal(await get(), busyShard(0))
    await clock.advance(1)
    assert.equal(await get(), 'fine')
    assert.equal(await get(), busyShard(0))
  })

  test('begin with an iterator, five a second', async () => {
    await using engine = await startEngine()
    const start = { ...S, ShardId: '0', ShardIteratorType: 'LATEST' }
    assert.deepEqual(await engine.serve(9, 'GetShardIterator', start), [5, busyShard(0)])
    assert.deepEqual(await engine.serve(9, 'GetShardIterator', { ...start, ShardId: '1' }), [5, busyShard(1)])
  })
})

overEachWire('11 other calls', (test) => {
  const ResourceARN = StreamARN
  for (const [operation, input, most, error] of [
    ['DescribeStream', S, 10, busyStream()],
    ['DescribeStreamSummary', S, 20, busyStream()],
    ['DescribeLimits', {}, 1, busyAccount],
    ['ListStreams', {}, 5, busyAccount],
    ['ListStreamConsumers', { StreamARN }, 5, busyStream()],
    ['AddTagsToStream', { ...S, Tags: { a: '' } }, 5, busyStream()],
    ['RemoveTagsFromStream', { ...S, TagKeys: ['a'] }, 5, busyStream()],
    ['ListTagsForStream', S, 5, busyStream()],
    ['TagResource', { ResourceARN, Tags: { a: '' } }, 5, busyStream()],
    ['UntagResource', { ResourceARN, TagKeys: ['a'] }, 5, busyStream()],
    ['ListTagsForResource', { ResourceARN }, 5, busyStream()],
    ['IncreaseStreamRetentionPeriod', { ...S, RetentionPeriodHours: 24 }, 5, busyStream()],
    ['DecreaseStreamRetentionPeriod', { ...S, RetentionPeriodHours: 24 }, 5, busyStream()],
    ['EnableEnhancedMonitoring', { ...S, ShardLevelMetrics: ['ALL'] }, 5, busyStream()],
    ['DisableEnhancedMonitoring', { ...S, ShardLevelMetrics: ['ALL'] }, 5, busyStream()],
    ['StartStreamEncryption', { ...S, EncryptionType: 'KMS', KeyId: 'k' }, 5, busyStream()],
    ['StopStreamEncryption', { ...S, EncryptionType: 'KMS', KeyId: 'k' }, 5, busyStream()],
  ] as const)
    test(`of ${operation} are ${most} a second`, async () => {
      await using engine = await startEngine()
      assert.deepEqual(await engine.serve(30, operation, input), [most, error])
      await engine.clock.advance(1_000)
      assert.equal(await engine.errorOf(operation, input), 'fine')
    })

  test('that make and change streams are five a second, whatever the stream', async () => {
    await using engine = await startEngine()
    const { errorOf } = engine
    const create = (at: number) => errorOf('CreateStream', { StreamName: `n${at}`, ShardCount: 1 })
    for (let at = 0; at < 5; at++) assert.equal(await create(at), 'fine')
    assert.equal(await create(5), busyStream('n5'))
    for (let at = 0; at < 5; at++) assert.equal(await errorOf('DeleteStream', { StreamName: `n${at}` }), 'fine')
    assert.equal(await errorOf('DeleteStream', S), busyStream())
    const split = (key: number) => errorOf('SplitShard', { ...S, ShardToSplit: '0', NewStartingHashKey: String(key) })
    assert.equal(await split(1000), 'fine')
    for (let at = 0; at < 4; at++) assert.match(await split(1000), /already been merged or split/)
    assert.equal(await split(1000), busyStream())
    const merge = { ...S, ShardToMerge: '2', AdjacentShardToMerge: '1' }
    for (let at = 0; at < 5; at++) assert.match(await errorOf('MergeShards', merge), /not an adjacent pair/)
    assert.equal(await errorOf('MergeShards', merge), busyStream())
  })

  test('of ListShards are a thousand a second for each stream', async () => {
    await using engine = await startEngine({ callsPerSecond: { ListShards: 3 } })
    assert.deepEqual(await engine.serve(9, 'ListShards', S), [3, busyStream()])
    assert.deepEqual(await engine.serve(9, 'ListShards', { StreamName: 't' }), [3, busyStream('t')])
  })
})

overEachWire('11 within 24 hours', (test) => {
  const hourMs = 3_600_000

  test('a stream is resized ten times, and a resize that changes nothing is not counted', async () => {
    await using engine = await startEngine()
    const resize = (TargetShardCount: number, StreamName = 's') =>
      engine.errorOf('UpdateShardCount', { StreamName, TargetShardCount, ScalingType: 'UNIFORM_SCALING' })
    for (let at = 0; at < 5; at++) {
      assert.equal(await resize(3), 'fine')
      await engine.clock.advance(hourMs)
      assert.equal(await resize(2), 'fine')
      assert.equal(await resize(2), 'fine')
    }
    assert.equal(await resize(3), busyStream())
    assert.equal(await resize(2), 'fine')
    assert.equal(await resize(2, 't'), 'fine')
    await engine.clock.advance(19 * hourMs)
    assert.equal(await resize(3), 'fine')
    assert.equal(await resize(2), busyStream())
  })

  test('a stream changes its mode twice', async () => {
    await using engine = await startEngine()
    const mode = (StreamMode: string) =>
      engine.errorOf('UpdateStreamMode', { StreamARN, StreamModeDetails: { StreamMode } })
    assert.equal(await mode('PROVISIONED'), 'fine')
    assert.equal(await mode('ON_DEMAND'), 'fine')
    assert.equal(await mode('PROVISIONED'), 'fine')
    assert.equal(await mode('PROVISIONED'), 'fine')
    assert.equal(await mode('ON_DEMAND'), busyStream())
    await engine.clock.advance(24 * hourMs)
    assert.equal(await mode('ON_DEMAND'), 'fine')
  })

  test('encryption starts 25 times', async () => {
    await using engine = await startEngine({ callsPerSecond: { StartStreamEncryption: Number.POSITIVE_INFINITY } })
    const start = { ...S, EncryptionType: 'KMS', KeyId: 'k' }
    assert.deepEqual(await engine.serve(30, 'StartStreamEncryption', start), [25, busyStream()])
  })
})

overEachWire('11 rates', (test) => {
  test('are off unless asked for', async () => {
    await using engine = await startTestEngine({ streams: [{ name: 's', shardCount: 1 }] })
    for (let at = 0; at < 12; at++) await ask(engine.endpoint, 'DescribeLimits', {})
    const Records = Array.from({ length: 500 }, () => ({ PartitionKey: 'k', Data: '' }))
    for (let at = 0; at < 3; at++)
      assert.equal((await ask(engine.endpoint, 'PutRecords', { ...S, Records })).FailedRecordCount, 0)
  })

  test('can be set one by one, the others being those of AWS', async () => {
    await using engine = await startEngine({
      putRecordsPerSecond: 3,
      putBytesPerSecond: 100,
      getBytesPerSecond: 10,
      callsPerSecond: { GetRecords: 1000, DescribeLimits: 0, PutRecord: 4 },
    })
    const { errorOf, put, serve, iterator } = engine
    assert.equal(await errorOf('DescribeLimits', {}), busyAccount)
    assert.equal(await put(50), 'fine')
    assert.equal(await put(51), busyShard(0))
    assert.equal(await put(20), 'fine')
    assert.equal(await put(20), 'fine')
    assert.equal(await put(1, top), busyStream(), 'PutRecord has a rate of its own now')
    const ShardIterator = await iterator('0')
    assert.deepEqual(await serve(50, 'GetRecords', { ShardIterator }), [1, busyShard(0)])
    assert.deepEqual(await serve(50, 'DescribeStream', S), [10, busyStream()])
  })

  test('that make no sense are told', async () => {
    const cases: [limits: unknown, message: RegExp][] = [
      ['gcp', /limits are 'none', 'aws', or an object of rates, not "gcp"/],
      [[], /not \[\]/],
      [{ putRecordsPerMinute: 1 }, /no rate 'putRecordsPerMinute'\. Known are putRecordsPerSecond, /],
      [{ putRecordsPerSecond: -1 }, /putRecordsPerSecond -1: it must be a number, 0 or more/],
      [{ putRecordsPerSecond: '5' }, /putRecordsPerSecond "5"/],
      [{ callsPerSecond: 5 }, /callsPerSecond 5: it must be an object/],
      [{ callsPerSecond: { GetRecords: Number.NaN } }, /callsPerSecond\.GetRecords null/],
    ]
    for (const [limits, message] of cases)
      await assert.rejects(
        startTestEngine({ limits: limits as RateLimits }),
        (error) => error instanceof ConfigError && message.test(error.message),
        JSON.stringify(limits),
      )
  })
})
