import assert from 'node:assert/strict'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, call } from './wire-client.ts'

/** Of several things that are wrong, the one is told that the specification checks first. */
const S = { StreamName: 's' }
const gone = { StreamName: 'gone' }
const missing = 'ResourceNotFoundException: Stream gone under account 000000000000 not found.'
const under = 'in stream s under account 000000000000'
const tooLarge = Buffer.alloc(1024 * 1024 + 1)
const far = String(2n ** 128n)
const noNumber = String(2n ** 187n)

async function told(engine: LocalEngine, operation: string, input: object): Promise<string> {
  const { status, body } = await call(engine.endpoint, operation, input)
  return status === 200 ? 'fine' : `${body.__type}: ${body.message}`
}

function isTold(expected: string | RegExp, actual: string, what: object): void {
  if (typeof expected === 'string') assert.equal(actual, expected, JSON.stringify(what))
  else assert.match(actual, expected, JSON.stringify(what))
}

overEachWire('5.2 PutRecord looks at', (test) => {
  test('the stream, the hash key, the number for ordering, and the size, in this order', async () => {
    await using engine = await startTestEngine({ streams: [{ name: 's', shardCount: 1 }] })
    const all = { PartitionKey: 'k', ExplicitHashKey: far, SequenceNumberForOrdering: noNumber, Data: tooLarge }
    for (const [input, expected] of [
      [{ ...gone, ...all }, missing],
      [{ ...S, ...all }, /^InvalidArgumentException: Invalid ExplicitHashKey\./],
      [{ ...S, ...all, ExplicitHashKey: '0' }, /^InvalidArgumentException: ExclusiveMinimumSequenceNumber \d+ used/],
      [
        { ...S, ...all, ExplicitHashKey: '0', SequenceNumberForOrdering: undefined },
        "ValidationException: 1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=1048577 cap=1048577]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 1048576",
      ],
    ] as const)
      isTold(expected, await told(engine, 'PutRecord', input), { ...input, Data: undefined })
  })
})

overEachWire('6 SplitShard looks at', (test) => {
  test('the shard id, the stream, its state, the shard, the limit, the end of the shard, and the hash key', async () => {
    const clock = new ManualClock()
    await using engine = await startTestEngine({
      clock,
      updateStreamMs: 1_000,
      shardLimit: 3,
      streams: [{ name: 's', shardCount: 2 }],
    })
    const splitting = (input: object) => told(engine, 'SplitShard', { ...S, NewStartingHashKey: far, ...input })
    const notFound = (shard: string, stream: string) =>
      `ResourceNotFoundException: Could not find shard ${shard} in stream ${stream} under account 000000000000.`
    assert.equal(await splitting({ ...gone, ShardToSplit: 'x' }), notFound('x', 'gone'))
    assert.equal(await splitting({ ...gone, ShardToSplit: '9' }), missing)
    assert.equal(await splitting({ ShardToSplit: '0', NewStartingHashKey: '1000' }), 'fine')
    const updating = 'ResourceInUseException: Stream s under account 000000000000 not ACTIVE, instead in state UPDATING'
    assert.equal(await splitting({ ShardToSplit: '9' }), updating)
    await clock.advance(1_000)
    assert.equal(await splitting({ ShardToSplit: '9' }), notFound('shardId-000000000009', 's'))
    // Three are open, which is the limit; shard 0 is closed.
    assert.match(await splitting({ ShardToSplit: '0' }), /^LimitExceededException: This request would exceed the shard/)
    assert.equal(await told(engine, 'MergeShards', { ...S, ShardToMerge: '2', AdjacentShardToMerge: '3' }), 'fine')
    await clock.advance(1_000)
    assert.match(
      await splitting({ ShardToSplit: '0' }),
      /^InvalidArgumentException: Shard .* has already been merged or/,
    )
    assert.match(await splitting({ ShardToSplit: '1' }), /^InvalidArgumentException: NewStartingHashKey /)
  })
})

overEachWire('6 MergeShards looks at', (test) => {
  test('the shard ids, the stream, its state, the shards, their ends, and whether they are a pair', async () => {
    const clock = new ManualClock()
    await using engine = await startTestEngine({
      clock,
      updateStreamMs: 1_000,
      streams: [{ name: 's', shardCount: 3 }],
    })
    const merging = (ShardToMerge: string, AdjacentShardToMerge: string, stream = S) =>
      told(engine, 'MergeShards', { ...stream, ShardToMerge, AdjacentShardToMerge })
    assert.match(await merging('x', '0', gone), /^ResourceNotFoundException: Could not find shard x in stream gone/)
    assert.match(await merging('0', 'y', gone), /^ResourceNotFoundException: Could not find shard y in stream gone/)
    assert.equal(await merging('0', '9', gone), missing)
    assert.equal(await merging('0', '1'), 'fine')
    assert.match(await merging('0', '9'), /^ResourceInUseException: /)
    await clock.advance(1_000)
    assert.match(await merging('0', '9'), /^ResourceNotFoundException: Could not find shard shardId-000000000009/)
    assert.match(
      await merging('2', '0'),
      /^InvalidArgumentException: Shard shardId-000000000000 .* already been merged/,
    )
    assert.match(await merging('3', '3'), /^InvalidArgumentException: Shards .* are not an adjacent pair/)
  })
})

overEachWire('7.1 GetShardIterator looks at', (test) => {
  test('the shard id, the stream and shard, and the arguments, in this order', async () => {
    await using engine = await startTestEngine({ streams: [{ name: 's', shardCount: 1 }] })
    const bad = { ShardIteratorType: 'AT_SEQUENCE_NUMBER' }
    for (const [input, expected] of [
      [
        { ...gone, ...bad, ShardId: 'x' },
        'ResourceNotFoundException: Could not find shard x in stream gone under account 000000000000.',
      ],
      [
        { ...gone, ...bad, ShardId: '0' },
        'ResourceNotFoundException: Shard shardId-000000000000 in stream gone under account 000000000000 does not exist',
      ],
      [{ ...S, ...bad, ShardId: '1' }, `ResourceNotFoundException: Shard shardId-000000000001 ${under} does not exist`],
      [{ ...S, ...bad, ShardId: '0' }, /^InvalidArgumentException: Must either specify \(1\) AT_SEQUENCE_NUMBER/],
    ] as const)
      isTold(expected, await told(engine, 'GetShardIterator', input), input)
  })
})

overEachWire('2.3 a shard', (test) => {
  test('is named by what stands between the first and the second hyphen', async () => {
    await using engine = await startTestEngine({ streams: [{ name: 's', shardCount: 12 }] })
    const end = async (ShardId: string) => {
      const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', {
        ...S,
        ShardId,
        ShardIteratorType: 'TRIM_HORIZON',
      })
      return (await ask(engine.endpoint, 'GetRecords', { ShardIterator })).Records.length
    }
    await ask(engine.endpoint, 'PutRecord', {
      ...S,
      PartitionKey: 'k',
      Data: '',
      ExplicitHashKey: far.replace(/6$/, '5'),
    })
    for (const ShardId of ['shardId-000000000011', 'shard-11', 'x-0011', '11', '-11', 'a-11-12-b', '.-11'])
      assert.equal(await end(ShardId), 1, ShardId)
    for (const ShardId of [
      'shardId-',
      '-',
      'a',
      'a-b',
      'shardId--11',
      '1_1',
      'a-1.',
      'shardId-2147483648',
      '9'.repeat(100),
    ])
      assert.equal(
        await told(engine, 'GetShardIterator', { ...S, ShardId, ShardIteratorType: 'LATEST' }),
        `ResourceNotFoundException: Could not find shard ${ShardId} ${under}.`,
      )
    assert.equal(
      await told(engine, 'GetShardIterator', { ...S, ShardId: 'x-2147483647', ShardIteratorType: 'LATEST' }),
      `ResourceNotFoundException: Shard shardId-002147483647 ${under} does not exist`,
    )
  })
})
