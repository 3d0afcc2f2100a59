import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startTestEngine } from '../support/engine.ts'
import { ask, call, wires } from './wire-client.ts'

/** Section 3.2 of the specification, DryRun: requests that only ask whether they would succeed. */
const S = { StreamName: 's' }
const streams = [{ name: 's', shardCount: 1 }]
const Data = Buffer.from('hi')
const start = { ...S, ShardId: '0', ShardIteratorType: 'TRIM_HORIZON' }

for (const wire of wires)
  describe(`3.2 DryRun over ${wire.name}`, () => {
    test('answers DryRunOperationException when all checks pass, and changes nothing', async () => {
      await using engine = await startTestEngine({ streams })
      const { endpoint } = engine
      const { ShardIterator } = await ask(endpoint, 'GetShardIterator', start, wire)
      for (const [operation, input] of [
        ['PutRecord', { ...S, PartitionKey: 'k', Data }],
        ['PutRecords', { ...S, Records: [{ PartitionKey: 'k', Data }] }],
        ['GetRecords', { ShardIterator }],
        ['GetShardIterator', start],
      ] as const) {
        const { status, body } = await call(endpoint, operation, { ...input, DryRun: true }, wire)
        assert.deepEqual([status, body.__type], [400, 'DryRunOperationException'], operation)
        assert.equal((await call(endpoint, operation, { ...input, DryRun: false }, wire)).status, 200, operation)
      }
      const { Records } = await ask(endpoint, 'GetRecords', { ShardIterator }, wire)
      assert.equal(Records.length, 2, 'only the two records that were really put')
    })

    test('finds what would fail', async () => {
      await using engine = await startTestEngine({ streams })
      const { endpoint } = engine
      const DryRun = true
      const hashKey = String(1n << 128n)
      const tooMuch = Array.from({ length: 11 }, () => ({ PartitionKey: 'k', Data: Buffer.alloc(1_000_000) }))
      for (const [operation, input, type] of [
        ['PutRecord', { ...S, Data }, 'ValidationException'],
        ['PutRecord', { StreamName: 't', PartitionKey: 'k', Data }, 'ResourceNotFoundException'],
        ['PutRecord', { ...S, PartitionKey: 'k', Data, ExplicitHashKey: hashKey }, 'InvalidArgumentException'],
        [
          'PutRecord',
          { ...S, PartitionKey: 'k', Data, SequenceNumberForOrdering: '9'.repeat(100) },
          'InvalidArgumentException',
        ],
        ['PutRecords', { ...S, Records: tooMuch }, 'InvalidArgumentException'],
        ['GetRecords', { ShardIterator: 'x' }, 'InvalidArgumentException'],
        ['GetShardIterator', { ...start, ShardId: '1' }, 'ResourceNotFoundException'],
        ['GetShardIterator', { ...start, ShardIteratorType: 'AT_SEQUENCE_NUMBER' }, 'InvalidArgumentException'],
        ['PutRecord', { ...S, DryRun: 'x' }, 'SerializationException'],
      ] as const)
        assert.equal((await call(endpoint, operation, { DryRun, ...input }, wire)).body.__type, type, operation)
    })
  })
