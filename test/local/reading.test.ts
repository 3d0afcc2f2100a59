import assert from 'node:assert/strict'
import { formatSequenceNumber, parseSequenceNumber } from '../../src/kinesis/sequence-number.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, call, cborWire, dataIn, jsonWire, timeIn, type Wire } from './wire-client.ts'

/** Sections 7 and 8 of the specification: iterators, GetRecords, the end of a closed shard, retention. */
const startMs = Date.UTC(2026, 0, 1)
const S = { StreamName: 's' }
const shard0 = 'shardId-000000000000'

async function startEngine(shardCount = 1) {
  const clock = new ManualClock(startMs)
  const engine = await startTestEngine({ clock, streams: [{ name: 's', shardCount }] })
  const put = async (text: string, hashKey?: string) => {
    const input = { ...S, PartitionKey: 'k', Data: Buffer.from(text), ExplicitHashKey: hashKey }
    return (await ask(engine.endpoint, 'PutRecord', input)).SequenceNumber
  }
  const iterator = (ShardIteratorType: string, input: object = {}) =>
    call(engine.endpoint, 'GetShardIterator', { ...S, ShardId: shard0, ShardIteratorType, ...input })
  const readFrom = async (type: string, input: object = {}) =>
    texts(engine, (await iterator(type, input)).body.ShardIterator)
  return { clock, engine, put, iterator, readFrom, [Symbol.asyncDispose]: () => engine.close() }
}

async function texts(engine: LocalEngine, ShardIterator: string, wire: Wire = jsonWire): Promise<string> {
  const { Records } = await ask(engine.endpoint, 'GetRecords', { ShardIterator }, wire)
  return Records.map(({ Data }) => dataIn(Data).toString()).join(' ')
}

const under = 'in stream s under account 000000000000'

overEachWire('7.1 GetShardIterator', (test) => {
  test('finds every place in a shard', async () => {
    await using started = await startEngine()
    const { clock, put, readFrom } = started
    const numbers = [await put('a')]
    for (const text of ['b', 'c']) {
      await clock.advance(10_000)
      numbers.push(await put(text))
    }
    const at = (ms: number) => ({ Timestamp: new Date(startMs + ms) })
    for (const [type, input, expected] of [
      ['TRIM_HORIZON', {}, 'a b c'],
      ['LATEST', {}, ''],
      ['AT_SEQUENCE_NUMBER', { StartingSequenceNumber: numbers[1] }, 'b c'],
      ['AFTER_SEQUENCE_NUMBER', { StartingSequenceNumber: numbers[1] }, 'c'],
      ['AFTER_SEQUENCE_NUMBER', { StartingSequenceNumber: numbers[2] }, ''],
      ['AT_TIMESTAMP', at(-10_000_000), 'a b c'],
      ['AT_TIMESTAMP', at(0), 'a b c'],
      ['AT_TIMESTAMP', at(1), 'b c'],
      ['AT_TIMESTAMP', at(10_000), 'b c'],
      ['AT_TIMESTAMP', at(20_000), 'c'],
    ] as const)
      assert.equal(await readFrom(type, input), expected, `${type} ${JSON.stringify(input)}`)
    await clock.advance(1_000)
    assert.equal(await readFrom('AT_TIMESTAMP', at(20_001)), '')
  })

  test('takes numbers between those of records', async () => {
    await using started = await startEngine()
    const { clock, put, readFrom } = started
    await put('a')
    await clock.advance(10_000)
    const second = await put('b')
    const parts = parseSequenceNumber(second)
    assert.ok(parts)
    const number = (change: object) => formatSequenceNumber({ ...parts, ...change })
    const starts = (StartingSequenceNumber: string) =>
      Promise.all([
        readFrom('AT_SEQUENCE_NUMBER', { StartingSequenceNumber }),
        readFrom('AFTER_SEQUENCE_NUMBER', { StartingSequenceNumber }),
      ])
    assert.deepEqual(await starts(number({ seqTimeSeconds: parts.seqTimeSeconds - 1 })), ['b', 'b'])
    assert.deepEqual(await starts(number({ seqTimeSeconds: parts.seqTimeSeconds + 1 })), ['', ''])
    assert.deepEqual(await starts(number({ seqIx: 0n, seqTimeSeconds: parts.createTimeSeconds })), ['a b', 'a b'])
    assert.deepEqual(await starts(number({ seqIx: 0x7fff_ffff_ffff_ffffn })), ['', ''])
  })

  test('begins in an empty shard with what comes', async () => {
    await using started = await startEngine()
    const { engine, clock, put, iterator } = started
    await clock.advance(5_000)
    const start = parseSequenceNumber(await put('first'))
    assert.ok(start)
    const types = [
      ['TRIM_HORIZON', {}, 'first next'],
      ['LATEST', {}, 'next'],
      ['AT_TIMESTAMP', { Timestamp: new Date(startMs + 5_000) }, 'first next'],
    ] as const
    const iterators: string[] = []
    for (const [type, input] of types) iterators.push((await iterator(type, input)).body.ShardIterator)
    await put('next')
    for (const [at, [type, , expected]] of types.entries())
      assert.equal(await texts(engine, iterators[at] as string), expected, type)
  })

  test('is refused with the reason, in the order of the checks', async () => {
    await using started = await startEngine(2)
    const { put, iterator } = started
    const number = await put('a', '0')
    const foreign = await put('b', String(2n ** 128n - 1n))
    const either =
      'Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber.'
    const invalid = (text: string) =>
      `InvalidArgumentException: StartingSequenceNumber ${text} used in GetShardIterator on shard ${shard0} ${under} is invalid`
    const parts = parseSequenceNumber(number)
    assert.ok(parts)
    const otherTime = formatSequenceNumber({ ...parts, createTimeSeconds: parts.createTimeSeconds - 1 })
    const negative = formatSequenceNumber({ ...parts, shardIndex: -0x8000_0000 })
    const version0 = (BigInt(`0x1${'0'.repeat(31)}`) + 0n).toString()
    const cases: [object, string][] = [
      [
        { ShardId: 'x', StreamName: 'none' },
        'ResourceNotFoundException: Could not find shard x in stream none under account 000000000000.',
      ],
      [
        { ShardId: 'x-1-2', StreamName: 'none' },
        'ResourceNotFoundException: Shard shardId-000000000001 in stream none under account 000000000000 does not exist',
      ],
      [
        { ShardId: '5', ShardIteratorType: 'AT_TIMESTAMP' },
        `ResourceNotFoundException: Shard shardId-000000000005 ${under} does not exist`,
      ],
      [
        { ShardIteratorType: 'AT_SEQUENCE_NUMBER' },
        `InvalidArgumentException: ${either} Request specified AT_SEQUENCE_NUMBER and no StartingSequenceNumber.`,
      ],
      [
        { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER' },
        `InvalidArgumentException: ${either} Request specified AFTER_SEQUENCE_NUMBER and no StartingSequenceNumber.`,
      ],
      [
        { ShardIteratorType: 'TRIM_HORIZON', StartingSequenceNumber: '1' },
        `InvalidArgumentException: ${either} Request specified TRIM_HORIZON and also a StartingSequenceNumber.`,
      ],
      [
        { ShardIteratorType: 'LATEST', StartingSequenceNumber: '1' },
        `InvalidArgumentException: ${either} Request specified LATEST and also a StartingSequenceNumber.`,
      ],
      [{ StartingSequenceNumber: '9'.repeat(60) }, `${invalid('9'.repeat(60))}.`],
      [
        { StartingSequenceNumber: foreign },
        `InvalidArgumentException: Invalid StartingSequenceNumber. It encodes shardId-000000000001, while it was used in a call to a shard with ${shard0}`,
      ],
      [
        { StartingSequenceNumber: negative },
        `InvalidArgumentException: Invalid StartingSequenceNumber. It encodes shardId--02147483648, while it was used in a call to a shard with ${shard0}`,
      ],
      [{ StartingSequenceNumber: otherTime }, `${invalid(otherTime)} because it did not come from this stream.`],
      [{ StartingSequenceNumber: version0 }, 'InternalFailure: undefined'],
      [
        { ShardIteratorType: 'AT_TIMESTAMP' },
        'InvalidArgumentException: Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.',
      ],
      [
        { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(startMs + 1_500) },
        `InvalidArgumentException: The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: ${startMs + 1_500}, currentTimestampInMillis: ${startMs}`,
      ],
    ]
    for (const [input, expected] of cases) {
      const { status, body } = await iterator('AT_SEQUENCE_NUMBER', input)
      assert.equal(`${body.__type}: ${body.message}`, expected)
      assert.equal(status, body.__type === 'InternalFailure' ? 500 : 400)
    }
  })
})

overEachWire('7.2 an iterator', (test) => {
  test('looks like one of Kinesis, and every answer holds another', async () => {
    for (const name of ['s', 'n'.repeat(51), 'n'.repeat(128)]) {
      await using engine = await startTestEngine({ streams: [{ name, shardCount: 1 }] })
      const seen = new Set<string>()
      const start = { StreamName: name, ShardId: '0', ShardIteratorType: 'LATEST' }
      let { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', start)
      for (let page = 0; page < 5; page++) {
        const bytes = Buffer.from(ShardIterator, 'base64')
        assert.equal(bytes.toString('base64'), ShardIterator)
        assert.equal(bytes.toString('hex', 0, 8), '0000000000000001')
        assert.ok(
          bytes.length >= 152 && bytes.length <= 280 && (bytes.length - 152) % 16 === 0,
          `${bytes.length} bytes`,
        )
        assert.ok(ShardIterator.length <= 512)
        seen.add(ShardIterator)
        ShardIterator = (await ask(engine.endpoint, 'GetRecords', { ShardIterator })).NextShardIterator ?? ''
      }
      assert.equal(seen.size, 5)
    }
  })

  test('may be used again and again for five minutes', async () => {
    await using started = await startEngine()
    const { clock, engine, put, iterator } = started
    const { ShardIterator } = (await iterator('TRIM_HORIZON')).body
    await put('a')
    for (let time = 0; time < 3; time++) assert.equal(await texts(engine, ShardIterator), 'a')
    await clock.advance(300_000)
    assert.equal(await texts(engine, ShardIterator), 'a')
    await clock.advance(1_000)
    const { body } = await call(engine.endpoint, 'GetRecords', { ShardIterator })
    assert.deepEqual(body, {
      __type: 'ExpiredIteratorException',
      message:
        'Iterator expired. The iterator was created at time Thu Jan 01 00:00:00 UTC 2026 while right now it is Thu Jan 01 00:05:01 UTC 2026 which is further in the future than the tolerated delay of 300000 milliseconds.',
    })
  })

  test('that was cut, flipped, forged or made up is refused', async () => {
    await using started = await startEngine()
    const { engine, iterator } = started
    const { ShardIterator } = (await iterator('TRIM_HORIZON')).body
    const bytes = Buffer.from(ShardIterator, 'base64')
    const wrong = ['x', '====', ShardIterator.slice(0, -4), `${ShardIterator}AAAA`, `${ShardIterator}\n`]
    for (let at = 0; at < bytes.length; at += 3) {
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] as number) ^ 1
      wrong.push(flipped.toString('base64'))
    }
    wrong.push(Buffer.alloc(152, 1).toString('base64'))
    for (const text of wrong) {
      const { body } = await call(engine.endpoint, 'GetRecords', { ShardIterator: text })
      assert.deepEqual(body, { __type: 'InvalidArgumentException', message: 'Invalid ShardIterator.' }, text)
    }
  })
})

overEachWire('7.3 GetRecords', (test) => {
  test('gives records as they were put, in JSON and CBOR', async () => {
    await using started = await startEngine()
    const { clock, engine, iterator } = started
    await clock.advance(123)
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const records = [
      { PartitionKey: 'plain', Data: Buffer.from('text') },
      { PartitionKey: 'q"\\\n\u0000\u007f', Data: all },
      { PartitionKey: 'clé ☃ 😀', Data: Buffer.alloc(0) },
      { PartitionKey: 'k'.repeat(256), Data: Buffer.alloc(300, 7) },
      { PartitionKey: 'large', Data: Buffer.alloc(70_000, 9) },
    ]
    await ask(engine.endpoint, 'PutRecords', { ...S, Records: records })
    const { ShardIterator } = (await iterator('TRIM_HORIZON')).body
    for (const wire of [jsonWire, cborWire]) {
      const page = await ask(engine.endpoint, 'GetRecords', { ShardIterator }, wire)
      assert.deepEqual(
        page.Records.map(({ PartitionKey, Data }) => ({ PartitionKey, Data: dataIn(Data) })),
        records,
      )
      for (const record of page.Records) {
        assert.equal(Math.round(timeIn(record.ApproximateArrivalTimestamp, wire)), startMs + 123)
        assert.deepEqual(Object.keys(record).sort(), [
          'ApproximateArrivalTimestamp',
          'Data',
          'PartitionKey',
          'SequenceNumber',
        ])
      }
      assert.deepEqual([page.MillisBehindLatest, page.ChildShards], [0, undefined])
    }
  })

  test('gives at most Limit records and 10 MiB, at least one, and says how far behind it is', async () => {
    await using started = await startEngine()
    const { clock, engine, put, iterator } = started
    for (const text of ['a', 'b', 'c']) {
      await put(text)
      await clock.advance(1_000)
    }
    const first = await ask(engine.endpoint, 'GetRecords', {
      ShardIterator: (await iterator('TRIM_HORIZON')).body.ShardIterator,
      Limit: 2,
    })
    assert.deepEqual([first.Records.length, first.MillisBehindLatest], [2, 2_000])
    const rest = await ask(engine.endpoint, 'GetRecords', { ShardIterator: first.NextShardIterator, Limit: 2 })
    assert.deepEqual([rest.Records.length, rest.MillisBehindLatest], [1, 0])
    const big = Array(8).fill({ PartitionKey: 'k', Data: Buffer.alloc(1024 * 1024 - 1) })
    for (let time = 0; time < 2; time++) await ask(engine.endpoint, 'PutRecords', { ...S, Records: big }, cborWire)
    const full = await ask(engine.endpoint, 'GetRecords', { ShardIterator: rest.NextShardIterator }, cborWire)
    assert.deepEqual([full.Records.length, full.MillisBehindLatest], [10, 1])
    const tip = await ask(engine.endpoint, 'GetRecords', { ShardIterator: full.NextShardIterator }, cborWire)
    assert.deepEqual([tip.Records.length, tip.MillisBehindLatest], [6, 0])
  })

  test('gives 10,000 small records at a time', async () => {
    await using started = await startEngine()
    const { engine, iterator } = started
    const Records = Array(500).fill({ PartitionKey: 'k', Data: Buffer.from('x') })
    for (let time = 0; time < 21; time++) await ask(engine.endpoint, 'PutRecords', { ...S, Records }, cborWire)
    const { ShardIterator } = (await iterator('TRIM_HORIZON')).body
    const page = await ask(engine.endpoint, 'GetRecords', { ShardIterator }, cborWire)
    const rest = await ask(engine.endpoint, 'GetRecords', { ShardIterator: page.NextShardIterator }, cborWire)
    assert.deepEqual([page.Records.length, rest.Records.length], [10_000, 500])
    const numbers = [...page.Records, ...rest.Records].map(({ SequenceNumber }) => SequenceNumber)
    assert.deepEqual([...new Set(numbers)].sort(), numbers)
  })
})

overEachWire('7.3 the end of a closed shard', (test) => {
  test('comes with its children, on an empty page without an iterator', async () => {
    await using started = await startEngine()
    const { engine, put, iterator } = started
    await put('a')
    await put('b')
    const latest = (await iterator('LATEST')).body.ShardIterator
    await ask(engine.endpoint, 'SplitShard', { ...S, ShardToSplit: '0', NewStartingHashKey: '1000' })
    const { ShardIterator } = (await iterator('TRIM_HORIZON')).body
    for (const wire of [jsonWire, cborWire]) {
      const page = await ask(engine.endpoint, 'GetRecords', { ShardIterator }, wire)
      assert.equal(page.Records.length, 2)
      assert.deepEqual([page.ChildShards, typeof page.NextShardIterator], [undefined, 'string'])
      const end = await ask(engine.endpoint, 'GetRecords', { ShardIterator: page.NextShardIterator }, wire)
      assert.deepEqual(end, {
        Records: [],
        MillisBehindLatest: 0,
        ChildShards: [
          {
            ShardId: 'shardId-000000000001',
            ParentShards: [shard0],
            HashKeyRange: { StartingHashKey: '0', EndingHashKey: '999' },
          },
          {
            ShardId: 'shardId-000000000002',
            ParentShards: [shard0],
            HashKeyRange: { StartingHashKey: '1000', EndingHashKey: String(2n ** 128n - 1n) },
          },
        ],
      })
    }
    // The KCL asks a closed shard for LATEST and wants the children in the very first answer.
    for (const start of [latest, (await iterator('LATEST')).body.ShardIterator]) {
      const end = await ask(engine.endpoint, 'GetRecords', { ShardIterator: start })
      assert.deepEqual([end.NextShardIterator, end.ChildShards?.length], [undefined, 2])
    }
  })

  test('is reached from its EndingSequenceNumber, and its StartingSequenceNumber reads it all', async () => {
    await using started = await startEngine()
    const { engine, put, readFrom, iterator } = started
    await put('a')
    await ask(engine.endpoint, 'SplitShard', { ...S, ShardToSplit: '0', NewStartingHashKey: '1000' })
    const [shard] = (await ask(engine.endpoint, 'ListShards', S)).Shards
    const { StartingSequenceNumber, EndingSequenceNumber } = shard?.SequenceNumberRange ?? {}
    assert.equal(await readFrom('AT_SEQUENCE_NUMBER', { StartingSequenceNumber }), 'a')
    const end = (await iterator('AT_SEQUENCE_NUMBER', { StartingSequenceNumber: EndingSequenceNumber })).body
    const page = await ask(engine.endpoint, 'GetRecords', { ShardIterator: end.ShardIterator })
    assert.deepEqual([page.Records, page.NextShardIterator, page.ChildShards?.length], [[], undefined, 2])
  })

  test('names both parents after a merge', async () => {
    await using started = await startEngine(2)
    const { engine, iterator } = started
    await ask(engine.endpoint, 'MergeShards', { ...S, ShardToMerge: '0', AdjacentShardToMerge: '1' })
    for (const ShardId of ['0', '1']) {
      const { ShardIterator } = (await iterator('TRIM_HORIZON', { ShardId })).body
      const { ChildShards } = await ask(engine.endpoint, 'GetRecords', { ShardIterator })
      assert.deepEqual(
        ChildShards?.map(({ ShardId, ParentShards }) => [ShardId, ParentShards]),
        [['shardId-000000000002', ['shardId-000000000000', 'shardId-000000000001']]],
      )
    }
  })
})

overEachWire('8 retention', (test) => {
  const hourMs = 3_600_000

  test('hides what is older than a day, whatever asks for it', async () => {
    await using started = await startEngine()
    const { clock, engine, put, iterator, readFrom } = started
    const number = await put('old')
    await clock.advance(hourMs)
    await put('new')
    await clock.advance(23 * hourMs)
    assert.equal(await readFrom('TRIM_HORIZON'), 'old new')
    const early = (await iterator('TRIM_HORIZON')).body.ShardIterator
    await clock.advance(1)
    assert.equal(await texts(engine, early), 'new')
    for (const [type, input] of [
      ['TRIM_HORIZON', {}],
      ['AT_TIMESTAMP', { Timestamp: new Date(0) }],
      ['AT_SEQUENCE_NUMBER', { StartingSequenceNumber: number }],
      ['AFTER_SEQUENCE_NUMBER', { StartingSequenceNumber: number }],
    ] as const)
      assert.equal(await readFrom(type, input), 'new', type)
    await clock.advance(hourMs)
    assert.equal(await readFrom('TRIM_HORIZON'), '')
    await put('newest')
    assert.equal(await readFrom('TRIM_HORIZON'), 'newest')
  })

  test('lets a closed shard go a day after it closed, and its id is not used again', async () => {
    await using started = await startEngine()
    const { clock, engine, put, iterator } = started
    await put('a')
    await ask(engine.endpoint, 'SplitShard', { ...S, ShardToSplit: '0', NewStartingHashKey: '1000' })
    const { ShardIterator } = (await iterator('TRIM_HORIZON')).body
    await clock.advance(24 * hourMs)
    const ids = async () =>
      (await ask(engine.endpoint, 'ListShards', S)).Shards.map(({ ShardId }) => Number(ShardId.slice(-4)))
    assert.deepEqual(await ids(), [0, 1, 2])
    const { ShardIterator: late } = (await iterator('LATEST')).body
    await clock.advance(1)
    assert.deepEqual(await ids(), [1, 2])
    const gone = { __type: 'ResourceNotFoundException', message: `Shard ${shard0} ${under} does not exist` }
    assert.deepEqual((await iterator('TRIM_HORIZON')).body, gone)
    assert.deepEqual((await call(engine.endpoint, 'GetRecords', { ShardIterator: late })).body, gone)
    assert.equal((await call(engine.endpoint, 'GetRecords', { ShardIterator })).body.__type, 'ExpiredIteratorException')
    // The shard is forgotten for good within a minute; its children still name it.
    await clock.advance(60_000)
    await ask(engine.endpoint, 'SplitShard', { ...S, ShardToSplit: '2', NewStartingHashKey: '5000' })
    const { Shards } = await ask(engine.endpoint, 'ListShards', S)
    assert.deepEqual(
      Shards.map(({ ShardId, ParentShardId }) => `${ShardId.slice(-2)}<${ParentShardId?.slice(-2)}`),
      ['01<00', '02<00', '03<02', '04<02'],
    )
  })
})
