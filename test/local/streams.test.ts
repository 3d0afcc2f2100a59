import assert from 'node:assert/strict'
import { type LocalEngine, type LocalEngineOptions, startLocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, call, cborWire, jsonWire, timeIn } from './wire-client.ts'

/** Section 3 of the specification: the states of a stream, and what describes streams. */
const delays = { createStreamMs: 1_000, updateStreamMs: 2_000, deleteStreamMs: 3_000 }

async function startSlowEngine(options: LocalEngineOptions = {}) {
  const clock = new ManualClock()
  return { clock, engine: await startLocalEngine({ ...delays, clock, ...options }) }
}

async function describeStream(engine: LocalEngine, StreamName: string) {
  return (await ask(engine.endpoint, 'DescribeStream', { StreamName })).StreamDescription
}

async function errorOf(engine: LocalEngine, operation: string, input: object): Promise<string> {
  const { status, body } = await call(engine.endpoint, operation, input)
  return status === 200 ? 'fine' : `${body.__type}: ${body.message}`
}

const S = { StreamName: 's' }
const record = { ...S, PartitionKey: 'k', Data: 'aGk=' }
const iterator = { ...S, ShardId: 'shardId-000000000000', ShardIteratorType: 'TRIM_HORIZON' }
const split = { ...S, ShardToSplit: '0', NewStartingHashKey: '1000' }
const merge = { ...S, ShardToMerge: '0', AdjacentShardToMerge: '1' }
const resize = { ...S, TargetShardCount: 3, ScalingType: 'UNIFORM_SCALING' }
const notFound = 'ResourceNotFoundException: Stream s under account 000000000000 not found.'
const noShard =
  'ResourceNotFoundException: Shard shardId-000000000000 in stream s under account 000000000000 does not exist'
const notActive = (state: string) =>
  `ResourceInUseException: Stream s under account 000000000000 not ACTIVE, instead in state ${state}`
const exists = 'ResourceInUseException: Stream s under account 000000000000 already exists.'

overEachWire('3.1 a stream', (test) => {
  test('is CREATING without shards, and then ACTIVE with them', async () => {
    const { clock, engine } = await startSlowEngine()
    await using _ = engine
    await ask(engine.endpoint, 'CreateStream', { ...S, ShardCount: 2 })
    const creating = await describeStream(engine, 's')
    assert.deepEqual([creating.StreamStatus, creating.Shards], ['CREATING', []])
    for (const [operation, input, error] of [
      ['PutRecord', record, notFound],
      ['PutRecords', { ...S, Records: [{ PartitionKey: 'k', Data: '' }] }, notFound],
      ['GetShardIterator', iterator, noShard],
      ['SplitShard', split, notActive('CREATING')],
      ['MergeShards', merge, notActive('CREATING')],
      ['UpdateShardCount', resize, notActive('CREATING')],
      ['CreateStream', { ...S, ShardCount: 1 }, exists],
      ['DescribeStreamSummary', S, 'fine'],
      ['ListShards', S, 'fine'],
    ] as const)
      assert.equal(await errorOf(engine, operation, input), error, operation)
    await clock.advance(999)
    assert.equal((await describeStream(engine, 's')).StreamStatus, 'CREATING')
    await clock.advance(1)
    const active = await describeStream(engine, 's')
    assert.deepEqual([active.StreamStatus, active.Shards.length], ['ACTIVE', 2])
  })

  test('is UPDATING with its old shards, which still take records, and then ACTIVE with the new ones', async () => {
    const { clock, engine } = await startSlowEngine({ streams: [{ name: 's', shardCount: 2 }] })
    await using _ = engine
    await ask(engine.endpoint, 'SplitShard', split)
    const updating = await describeStream(engine, 's')
    assert.deepEqual([updating.StreamStatus, updating.Shards.length], ['UPDATING', 2])
    assert.equal(updating.Shards[0]?.SequenceNumberRange.EndingSequenceNumber, undefined)
    for (const [operation, input, error] of [
      ['PutRecord', record, 'fine'],
      ['GetShardIterator', iterator, 'fine'],
      ['SplitShard', split, notActive('UPDATING')],
      ['MergeShards', merge, notActive('UPDATING')],
      ['UpdateShardCount', resize, notActive('UPDATING')],
      ['CreateStream', { ...S, ShardCount: 1 }, exists],
    ] as const)
      assert.equal(await errorOf(engine, operation, input), error, operation)
    await clock.advance(2_000)
    const active = await describeStream(engine, 's')
    assert.deepEqual([active.StreamStatus, active.Shards.length], ['ACTIVE', 4])
    assert.notEqual(active.Shards[0]?.SequenceNumberRange.EndingSequenceNumber, undefined)
  })

  test('is DELETING without records, from any state, and then gone', async () => {
    for (const state of ['CREATING', 'ACTIVE', 'UPDATING']) {
      const { clock, engine } = await startSlowEngine()
      await using _ = engine
      await ask(engine.endpoint, 'CreateStream', { ...S, ShardCount: 2 })
      if (state !== 'CREATING') await clock.advance(1_000)
      if (state === 'UPDATING') await ask(engine.endpoint, 'SplitShard', split)
      assert.equal((await describeStream(engine, 's')).StreamStatus, state)
      await ask(engine.endpoint, 'DeleteStream', S)
      await ask(engine.endpoint, 'DeleteStream', S)
      for (const [operation, input, error] of [
        ['PutRecord', record, notFound],
        ['GetShardIterator', iterator, noShard],
        ['SplitShard', split, notActive('DELETING')],
        ['CreateStream', { ...S, ShardCount: 1 }, exists],
        ['DescribeStream', S, 'fine'],
        ['ListShards', S, 'fine'],
      ] as const)
        assert.equal(await errorOf(engine, operation, input), error, `${operation} after ${state}`)
      assert.equal((await describeStream(engine, 's')).StreamStatus, 'DELETING')
      await clock.advance(3_000)
      assert.equal(await errorOf(engine, 'DescribeStream', S), notFound)
      assert.equal(clock.waiting, 1, 'only the timer of the trim is left')
    }
  })

  test('changes at once when the delays are 0', async () => {
    await using engine = await startTestEngine()
    await ask(engine.endpoint, 'CreateStream', { ...S, ShardCount: 2 })
    assert.equal((await describeStream(engine, 's')).StreamStatus, 'ACTIVE')
    await ask(engine.endpoint, 'MergeShards', merge)
    assert.equal((await describeStream(engine, 's')).Shards.length, 3)
    await ask(engine.endpoint, 'DeleteStream', S)
    assert.equal(await errorOf(engine, 'DescribeStream', S), notFound)
    await ask(engine.endpoint, 'CreateStream', { ...S, ShardCount: 1 })
  })
})

overEachWire('3.2 CreateStream', (test) => {
  test('divides the hash keys evenly and dates the stream a little back', async () => {
    const { clock, engine } = await startSlowEngine({ createStreamMs: 0 })
    await using _ = engine
    for (const wire of [jsonWire, cborWire]) {
      const StreamName = wire.format
      await ask(engine.endpoint, 'CreateStream', { StreamName, ShardCount: 3 })
      const { StreamDescription } = await ask(engine.endpoint, 'DescribeStream', { StreamName }, wire)
      assert.deepEqual(
        StreamDescription.Shards.map(({ ShardId, HashKeyRange }) => [ShardId, ...Object.values(HashKeyRange)]),
        [
          ['shardId-000000000000', '0', '113427455640312821154458202477256070484'],
          [
            'shardId-000000000001',
            '113427455640312821154458202477256070485',
            '226854911280625642308916404954512140969',
          ],
          [
            'shardId-000000000002',
            '226854911280625642308916404954512140970',
            '340282366920938463463374607431768211455',
          ],
        ],
      )
      const createdMs = timeIn(StreamDescription.StreamCreationTimestamp, wire)
      assert.equal(createdMs, Math.floor((clock.now() - 2_000) / 1000) * 1000)
      // The create time stands in the sequence numbers.
      const [shard] = StreamDescription.Shards
      const digits = BigInt(shard?.SequenceNumberRange.StartingSequenceNumber ?? 0).toString(16)
      assert.equal(Number.parseInt(digits.slice(1, 10), 16) * 1000, createdMs)
      const { Shards, ...rest } = StreamDescription
      assert.deepEqual(rest, {
        StreamName,
        StreamARN: `arn:aws:kinesis:us-east-1:000000000000:stream/${StreamName}`,
        StreamStatus: 'ACTIVE',
        StreamModeDetails: { StreamMode: 'PROVISIONED' },
        HasMoreShards: false,
        RetentionPeriodHours: 24,
        StreamCreationTimestamp: StreamDescription.StreamCreationTimestamp,
        EnhancedMonitoring: [{ ShardLevelMetrics: [] }],
        EncryptionType: 'NONE',
      })
    }
  })

  test('is refused beyond the shard limit of the account, and so is SplitShard', async () => {
    await using engine = await startTestEngine({ shardLimit: 3, streams: [{ name: 's', shardCount: 2 }] })
    const limit = (additional: number, current: number) =>
      `LimitExceededException: This request would exceed the shard limit for the account 000000000000 in us-east-1. Current shard count for the account: ${current}. Limit: 3. Number of additional shards that would have resulted from this request: ${additional}. Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits.`
    assert.equal(await errorOf(engine, 'CreateStream', { StreamName: 't', ShardCount: 2 }), limit(2, 2))
    assert.equal(await errorOf(engine, 'SplitShard', split), 'fine')
    assert.equal(await errorOf(engine, 'SplitShard', { ...split, ShardToSplit: '3' }), limit(1, 3))
    assert.equal(
      await errorOf(engine, 'UpdateShardCount', { ...resize, TargetShardCount: 5 }),
      'LimitExceededException: Target shard count or number of open shards cannot be greater than 3. Current open shard count: 3, Target shard count: 5',
    )
  })

  test('is refused while five streams are CREATING', async () => {
    const { clock, engine } = await startSlowEngine()
    await using _ = engine
    for (let index = 0; index < 5; index++)
      await ask(engine.endpoint, 'CreateStream', { StreamName: `s${index}`, ShardCount: 1 })
    assert.match(
      await errorOf(engine, 'CreateStream', { StreamName: 's5', ShardCount: 1 }),
      /^LimitExceededException: /,
    )
    await clock.advance(1_000)
    assert.equal(await errorOf(engine, 'CreateStream', { StreamName: 's5', ShardCount: 1 }), 'fine')
  })

  test('gives an on-demand stream four shards, which nobody may change', async () => {
    await using engine = await startTestEngine()
    await ask(engine.endpoint, 'CreateStream', { ...S, StreamModeDetails: { StreamMode: 'ON_DEMAND' }, ShardCount: 9 })
    const stream = await describeStream(engine, 's')
    assert.deepEqual([stream.Shards.length, stream.StreamModeDetails], [4, { StreamMode: 'ON_DEMAND' }])
    for (const [operation, input] of [
      ['SplitShard', split],
      ['MergeShards', merge],
      ['UpdateShardCount', resize],
    ] as const)
      assert.equal(
        await errorOf(engine, operation, input),
        'ValidationException: Request is invalid. Stream s under account 000000000000 is in On-Demand mode.',
      )
  })

  test('under the name of a deleted stream makes a new one, whatever the clock says', async () => {
    const { clock, engine } = await startSlowEngine({ createStreamMs: 0, deleteStreamMs: 0 })
    await using _ = engine
    await ask(engine.endpoint, 'CreateStream', { ...S, ShardCount: 1 })
    const first = await describeStream(engine, 's')
    const { SequenceNumber } = await ask(engine.endpoint, 'PutRecord', record)
    const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', iterator)
    await ask(engine.endpoint, 'DeleteStream', S)
    assert.equal(await errorOf(engine, 'GetRecords', { ShardIterator }), noShard)
    await ask(engine.endpoint, 'CreateStream', { ...S, ShardCount: 1 })
    const second = await describeStream(engine, 's')
    assert.equal(timeIn(second.StreamCreationTimestamp), timeIn(first.StreamCreationTimestamp) + 1_000)
    assert.equal(await errorOf(engine, 'GetRecords', { ShardIterator }), noShard)
    const resume = { ...iterator, ShardIteratorType: 'AT_SEQUENCE_NUMBER', StartingSequenceNumber: SequenceNumber }
    assert.match(await errorOf(engine, 'GetShardIterator', resume), /because it did not come from this stream\.$/)
    const fresh = await ask(engine.endpoint, 'GetShardIterator', iterator)
    assert.deepEqual((await ask(engine.endpoint, 'GetRecords', { ShardIterator: fresh.ShardIterator })).Records, [])
    await clock.advance(1)
  })
})

overEachWire('3.2 DescribeStream and DescribeStreamSummary', (test) => {
  test('list shards in pages of at most 100', async () => {
    await using engine = await startTestEngine({ streams: [{ name: 's', shardCount: 120 }] })
    const page = async (input: object) =>
      (await ask(engine.endpoint, 'DescribeStream', { ...S, ...input })).StreamDescription
    const first = await page({})
    assert.deepEqual([first.Shards.length, first.HasMoreShards], [100, true])
    assert.equal((await page({ Limit: 10_000 })).Shards.length, 100)
    const small = await page({ Limit: 7 })
    assert.deepEqual([small.Shards.length, small.HasMoreShards], [7, true])
    const last = await page({ ExclusiveStartShardId: first.Shards.at(-1)?.ShardId })
    assert.deepEqual([last.Shards.length, last.HasMoreShards], [20, false])
    assert.deepEqual(
      (await page({ ExclusiveStartShardId: 'shard-118' })).Shards.map(({ ShardId }) => ShardId),
      ['shardId-000000000119'],
    )
  })

  test('count the open shards', async () => {
    await using engine = await startTestEngine({ streams: [{ name: 's', shardCount: 2 }] })
    await ask(engine.endpoint, 'SplitShard', split)
    const { StreamDescriptionSummary } = await ask(engine.endpoint, 'DescribeStreamSummary', S)
    assert.deepEqual(StreamDescriptionSummary, {
      StreamName: 's',
      StreamARN: 'arn:aws:kinesis:us-east-1:000000000000:stream/s',
      StreamStatus: 'ACTIVE',
      StreamModeDetails: { StreamMode: 'PROVISIONED' },
      RetentionPeriodHours: 24,
      StreamCreationTimestamp: StreamDescriptionSummary.StreamCreationTimestamp,
      EnhancedMonitoring: [{ ShardLevelMetrics: [] }],
      EncryptionType: 'NONE',
      OpenShardCount: 3,
      ConsumerCount: 0,
      MaxRecordSizeInKiB: 1024,
      RecordDistributionStrategy: 'USER_PARTITION_KEY',
    })
  })
})

overEachWire('3.2 ListStreams', (test) => {
  test('lists by code unit, in pages, by name or token', async () => {
    const names = ['B', 'a', 'b', 'a.1', 'a-1', 'Z_']
    await using engine = await startTestEngine({ streams: names.map((name) => ({ name, shardCount: 1 })) })
    const list = (input: object) => ask(engine.endpoint, 'ListStreams', input)
    const all = await list({})
    const sorted = ['B', 'Z_', 'a', 'a-1', 'a.1', 'b']
    assert.deepEqual([all.StreamNames, all.HasMoreStreams, all.NextToken], [sorted, false, undefined])
    assert.deepEqual(
      all.StreamSummaries.map(({ StreamName }) => StreamName),
      sorted,
    )
    assert.equal(all.StreamSummaries[0]?.StreamARN, 'arn:aws:kinesis:us-east-1:000000000000:stream/B')
    assert.equal(all.StreamSummaries[0]?.StreamStatus, 'ACTIVE')
    const first = await list({ Limit: 4 })
    assert.deepEqual([first.StreamNames, first.HasMoreStreams], [sorted.slice(0, 4), true])
    assert.deepEqual((await list({ NextToken: first.NextToken })).StreamNames, sorted.slice(4))
    assert.deepEqual((await list({ ExclusiveStartStreamName: 'a', Limit: 1 })).StreamNames, ['a-1'])
    assert.match(await errorOf(engine, 'ListStreams', { NextToken: 'nonsense' }), /^InvalidArgumentException/)
  })

  test('lists 100 streams when no limit is given', async () => {
    const streams = Array.from({ length: 101 }, (_, index) => ({ name: `s${index}`, shardCount: 1 }))
    await using engine = await startTestEngine({ streams })
    const { StreamNames, HasMoreStreams } = await ask(engine.endpoint, 'ListStreams', {})
    assert.deepEqual([StreamNames.length, HasMoreStreams], [100, true])
  })
})
