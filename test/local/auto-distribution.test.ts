import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startTestEngine } from '../support/engine.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, call, dataIn, jsonWire, type RecordBody, wires } from './wire-client.ts'

/** Section 5.4 of the specification: on-demand streams that choose a record's shard themselves. */
const S = { StreamName: 's' }
const StreamARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/s'
const Data = Buffer.from('hi')

async function startEngine(strategy = 'AUTO', options = {}) {
  const engine = await startTestEngine(options)
  await ask(engine.endpoint, 'CreateStream', {
    ...S,
    StreamModeDetails: { StreamMode: 'ON_DEMAND' },
    RecordDistributionStrategy: strategy,
  })
  return engine
}

function countByShard(records: readonly RecordBody[]): number[] {
  const counts = new Map<string, number>()
  for (const { ShardId } of records) counts.set(ShardId, (counts.get(ShardId) ?? 0) + 1)
  return [...counts.values()]
}

for (const wire of wires)
  describe(`5.4 with AUTO, over ${wire.name},`, () => {
    test('records go to the open shards in turn, whatever their keys', async () => {
      await using engine = await startEngine()
      const put = async (record: object, count: number) =>
        (await ask(engine.endpoint, 'PutRecords', { ...S, Records: Array.from({ length: count }, () => record) }, wire))
          .Records
      assert.deepEqual(countByShard(await put({ Data }, 40)), [10, 10, 10, 10])
      assert.deepEqual(countByShard(await put({ Data, PartitionKey: 'the same' }, 40)), [10, 10, 10, 10])
      assert.deepEqual(countByShard(await put({ Data, PartitionKey: 'k', ExplicitHashKey: '0' }, 40)), [10, 10, 10, 10])
      const singly = await Promise.all(
        Array.from({ length: 8 }, () => ask(engine.endpoint, 'PutRecord', { ...S, Data, ExplicitHashKey: '9' }, wire)),
      )
      assert.deepEqual(countByShard(singly as unknown as RecordBody[]), [2, 2, 2, 2])
    })

    test('a record without a key is read without one', async () => {
      await using engine = await startEngine()
      const one = await ask(engine.endpoint, 'PutRecord', { ...S, Data }, wire)
      const Records = [{ Data }, { Data, PartitionKey: 'k' }, { Data }]
      const many = await ask(engine.endpoint, 'PutRecords', { ...S, Records }, wire)
      const keys: (string | undefined)[] = []
      for (const { ShardId } of [one, ...many.Records]) {
        const start = { ...S, ShardId, ShardIteratorType: 'TRIM_HORIZON' }
        const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', start, wire)
        const page = await ask(engine.endpoint, 'GetRecords', { ShardIterator }, wire)
        assert.equal(page.Records.length, 1)
        const [record] = page.Records
        assert.equal(dataIn(record?.Data ?? '').toString(), 'hi')
        keys.push('PartitionKey' in (record ?? {}) ? record?.PartitionKey : undefined)
      }
      assert.deepEqual(keys, [undefined, undefined, 'k', undefined])
    })
  })

overEachWire('5.4 record distribution', (test) => {
  const error = async (engine: { endpoint: string }, operation: string, input: object) => {
    const { status, body } = await call(engine.endpoint, operation, input, jsonWire)
    return status === 200 ? 'fine' : `${body.__type}: ${body.message}`
  }
  const one =
    "ValidationException: 1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null"
  const inList =
    "ValidationException: 1 validation error detected: Value null at 'records.1.member.partitionKey' failed to satisfy constraint: Member must not be null"

  test('asks for a key while it is by key, and changes at once', async () => {
    await using engine = await startEngine('USER_PARTITION_KEY')
    const set = (RecordDistributionStrategy: string) =>
      ask(engine.endpoint, 'UpdateStreamRecordDistributionStrategy', { StreamARN, RecordDistributionStrategy })
    const both = async (reference: object) => [
      await error(engine, 'PutRecord', { ...reference, Data }),
      await error(engine, 'PutRecords', { ...reference, Records: [{ Data }] }),
    ]
    assert.deepEqual(await both(S), [one, inList])
    await set('AUTO')
    assert.deepEqual(await both(S), ['fine', 'fine'])
    assert.deepEqual(await both({ StreamARN }), ['fine', 'fine'])
    assert.deepEqual(await both({ StreamName: 'other' }), [one, inList])
    const { StreamDescriptionSummary } = await ask(engine.endpoint, 'DescribeStreamSummary', S)
    assert.deepEqual(
      [StreamDescriptionSummary.RecordDistributionStrategy, StreamDescriptionSummary.StreamStatus],
      ['AUTO', 'ACTIVE'],
    )
    await set('USER_PARTITION_KEY')
    assert.deepEqual(await both(S), [one, inList])
    const same = Array.from({ length: 12 }, () => ({ Data, PartitionKey: 'the same' }))
    assert.deepEqual(countByShard((await ask(engine.endpoint, 'PutRecords', { ...S, Records: same })).Records), [12])
  })

  test('of AUTO knows no order between requests, and checks what it is given all the same', async () => {
    await using engine = await startEngine()
    const SequenceNumberForOrdering = (await ask(engine.endpoint, 'PutRecord', { ...S, Data })).SequenceNumber
    assert.match(
      await error(engine, 'PutRecord', { ...S, Data, SequenceNumberForOrdering }),
      /^InvalidArgumentException: SequenceNumberForOrdering/,
    )
    assert.match(
      await error(engine, 'PutRecord', { ...S, Data, PartitionKey: '' }),
      /length greater than or equal to 1$/,
    )
    assert.match(await error(engine, 'PutRecord', { ...S, Data, ExplicitHashKey: 'x' }), /regular expression pattern/)
    const large = String(1n << 128n)
    assert.equal(await error(engine, 'PutRecord', { ...S, Data, ExplicitHashKey: large }), 'fine')
    assert.match(
      await error(engine, 'PutRecord', { ...S, Data: Buffer.alloc(1024 * 1024 + 1) }),
      /less than or equal to 1048576$/,
    )
    assert.equal(await error(engine, 'PutRecord', { ...S, Data: Buffer.alloc(1024 * 1024) }), 'fine')
  })

  test('is by key alone under legacyLimits', async () => {
    await using engine = await startTestEngine({ legacyLimits: true })
    const create = {
      ...S,
      ShardCount: 1,
      StreamModeDetails: { StreamMode: 'ON_DEMAND' },
      RecordDistributionStrategy: 'AUTO',
    }
    await ask(engine.endpoint, 'CreateStream', create)
    assert.equal(await error(engine, 'PutRecord', { ...S, Data }), one)
  })
})
