import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ask, call, wires } from './wire-client.ts'

/** Section 2.2 of the specification, its right-hand column: the Kinesis that kinesalite's suite was written for. */
const S = { StreamName: 's' }
const streams = [{ name: 's', shardCount: 1 }]
let engine: LocalEngine
before(async () => {
  engine = await startTestEngine({ legacyLimits: true, streams, shardLimit: 50 })
})
after(() => engine.close())

const numbered = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`key-${at}`, 'v']))
const notNull = 'Member must not be null'
const length = (most: number) => `Member must have length less than or equal to ${most}`
const value = (most: number) => `Member must have value less than or equal to ${most}`

for (const wire of wires)
  describe(`2.2 legacyLimits over ${wire.name}`, () => {
    for (const [operation, input, path, constraint] of [
      ['CreateStream', { StreamName: 'd', StreamModeDetails: { StreamMode: 'ON_DEMAND' } }, 'shardCount', notNull],
      ['PutRecord', { ...S, PartitionKey: 'k', Data: Buffer.alloc(1_048_577) }, 'data', length(1_048_576)],
      ['PutRecord', { ...S, Data: Buffer.of(1) }, 'partitionKey', notNull],
      ['PutRecords', { ...S, Records: [{ Data: Buffer.of(1) }] }, 'records.1.member.partitionKey', notNull],
      ['ListTagsForStream', { ...S, Limit: 11 }, 'limit', value(10)],
      ['AddTagsToStream', { ...S, Tags: numbered(11) }, 'tags', length(10)],
      ['CreateStream', { StreamName: 'd', ShardCount: 1, Tags: numbered(11) }, 'tags', length(10)],
      ['RemoveTagsFromStream', { ...S, TagKeys: Object.keys(numbered(11)) }, 'tagKeys', length(10)],
      ['IncreaseStreamRetentionPeriod', { ...S, RetentionPeriodHours: 169 }, 'retentionPeriodHours', value(168)],
      ['DecreaseStreamRetentionPeriod', { ...S, RetentionPeriodHours: 169 }, 'retentionPeriodHours', value(168)],
    ] as const)
      test(`bound ${path} of ${operation}`, async () => {
        const { body } = await call(engine.endpoint, operation, input, wire)
        assert.equal(body.__type, 'ValidationException')
        assert.match(body.message, /^1 validation error detected: Value /)
        assert.ok(body.message.endsWith(`at '${path}' failed to satisfy constraint: ${constraint}`), body.message)
      })

    test('let in what is within them', async () => {
      const { endpoint } = engine
      await ask(endpoint, 'AddTagsToStream', { ...S, Tags: numbered(10) }, wire)
      assert.equal((await ask(endpoint, 'ListTagsForStream', { ...S, Limit: 10 }, wire)).Tags.length, 10)
      await ask(endpoint, 'RemoveTagsFromStream', { ...S, TagKeys: Object.keys(numbered(10)) }, wire)
      await ask(endpoint, 'IncreaseStreamRetentionPeriod', { ...S, RetentionPeriodHours: 168 }, wire)
      await ask(endpoint, 'DecreaseStreamRetentionPeriod', { ...S, RetentionPeriodHours: 24 }, wire)
      await ask(endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: Buffer.alloc(1_048_575) }, wire)
    })

    test('take the newer members out of answers', async () => {
      const { endpoint } = engine
      assert.deepEqual(await ask(endpoint, 'ListStreams', {}, wire), { StreamNames: ['s'], HasMoreStreams: false })
      assert.deepEqual(await ask(endpoint, 'DescribeLimits', {}, wire), { ShardLimit: 50, OpenShardCount: 1 })
      const basics = [
        'EncryptionType',
        'EnhancedMonitoring',
        'RetentionPeriodHours',
        'StreamARN',
        'StreamCreationTimestamp',
        'StreamName',
        'StreamStatus',
      ]
      const { StreamDescription } = await ask(endpoint, 'DescribeStream', S, wire)
      assert.deepEqual(Object.keys(StreamDescription).sort(), [...basics, 'HasMoreShards', 'Shards'].sort())
      const { StreamDescriptionSummary } = await ask(endpoint, 'DescribeStreamSummary', S, wire)
      assert.deepEqual(
        Object.keys(StreamDescriptionSummary).sort(),
        [...basics, 'ConsumerCount', 'OpenShardCount'].sort(),
      )
    })
  })
