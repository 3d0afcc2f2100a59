import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { parseSequenceNumber } from '../../src/kinesis/sequence-number.ts'
import { SequenceText } from '../../src/local/records/sequence-text.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { runs, seed } from '../support/soak.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, call, cborWire, dataIn, jsonWire, timeIn } from './wire-client.ts'

/** Sections 4 and 5 of the specification: sequence numbers, routing, PutRecord and PutRecords. */
const startMs = Date.UTC(2026, 0, 1)
const S = { StreamName: 's' }

async function startEngine(shardCount: number) {
  const clock = new ManualClock(startMs)
  return { clock, engine: await startTestEngine({ clock, streams: [{ name: 's', shardCount }] }) }
}

/** Keys whose hash begins with 0 go to the first of up to 16 shards, and so on. */
function keyFor(firstDigit: string, number = 0): string {
  for (let at = number * 1000; ; at++)
    if (createHash('md5').update(`k${at}`).digest('hex').startsWith(firstDigit)) return `k${at}`
}

overEachWire('4 sequence numbers', (test) => {
  test('of a shard begin behind its StartingSequenceNumber and rise by one', async () => {
    const { engine, clock } = await startEngine(1)
    await using _ = engine
    const put = async () =>
      parseSequenceNumber(
        (await ask(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: '' })).SequenceNumber,
      )
    assert.deepEqual(await put(), {
      version: 2,
      createTimeSeconds: startMs / 1000 - 2,
      shardIndex: 0,
      seqIx: 1n,
      seqTimeSeconds: startMs / 1000,
    })
    await clock.advance(5_500)
    assert.deepEqual([(await put())?.seqIx, clock.now()], [2n, startMs + 5_500])
    assert.equal((await put())?.seqTimeSeconds, startMs / 1000 + 5)
  })

  test('count together in each group of five shards, and shard by shard within a request', async () => {
    const { engine } = await startEngine(16)
    await using _ = engine
    const digits = ['0', '1', '0', '5', '4', '1', '0', '6']
    const Records = digits.map((digit, at) => ({ PartitionKey: keyFor(digit, at), Data: '' }))
    const answer = await ask(engine.endpoint, 'PutRecords', { ...S, Records })
    const numbers = answer.Records.map(({ SequenceNumber }) => parseSequenceNumber(SequenceNumber))
    assert.deepEqual(
      numbers.map((number) => [number?.shardIndex, Number(number?.seqIx)]),
      [
        [0, 1],
        [1, 4],
        [0, 2],
        [5, 1],
        [4, 6],
        [1, 5],
        [0, 3],
        [6, 2],
      ],
    )
  })

  test('never go back when the clock does, and neither do arrival times', async () => {
    const { engine, clock } = await startEngine(1)
    await using _ = engine
    const numbers: string[] = []
    for (const stepMs of [0, 60_000, -120_000, 1_000]) {
      // The clock of the machine was set.
      Object.assign(clock, { now: () => startMs + stepMs })
      const { SequenceNumber } = await ask(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: '' })
      numbers.push(SequenceNumber)
    }
    assert.deepEqual([...numbers].sort(), numbers)
    assert.deepEqual(
      numbers.map((number) => (parseSequenceNumber(number)?.seqTimeSeconds ?? 0) - startMs / 1000),
      [0, 60, 60, 60],
    )
    const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', {
      ...S,
      ShardId: '0',
      ShardIteratorType: 'TRIM_HORIZON',
    })
    const { Records } = await ask(engine.endpoint, 'GetRecords', { ShardIterator })
    const arrivals = Records.map((record) => Math.round(timeIn(record.ApproximateArrivalTimestamp)) - startMs)
    assert.deepEqual(arrivals, [0, 60_000, 60_000, 60_000])
  })

  test('are counted up in text as they are in numbers', () => {
    const parts = fc.record({
      created: fc.integer({ min: 1_400_000_000, max: 4_000_000_000 }),
      shardIndex: fc.integer({ min: 0, max: 0x7fffffff }),
      seqIx: fc.oneof(fc.integer({ min: 1, max: 2 ** 40 }), fc.constantFrom(999_999_999, 2 ** 32 - 2, 2 ** 52)),
      seqTime: fc.integer({ min: 1_400_000_000, max: 4_000_000_000 }),
    })
    fc.assert(
      fc.property(parts, ({ created, shardIndex, seqIx, seqTime }) => {
        const text = new SequenceText(created, shardIndex, seqIx, seqTime)
        for (let step = 0; step < 20; step++) {
          const number = parseSequenceNumber(text.toString())
          assert.deepEqual(
            [number?.seqIx, number?.seqTimeSeconds, number?.shardIndex],
            [BigInt(seqIx + step), seqTime, shardIndex],
          )
          text.advance()
        }
      }),
      { numRuns: runs(10_000), seed: seed() },
    )
  })
})

overEachWire('5.1 a record goes to the shard', (test) => {
  test('whose range holds the MD5 of its key', async () => {
    const { engine } = await startEngine(7)
    await using _ = engine
    const { Shards } = await ask(engine.endpoint, 'ListShards', S)
    const keys = ['a', 'clé', '😀', '☃'.repeat(50), ...Array.from({ length: 100 }, (_, at) => `key-${at}`)]
    const { Records } = await ask(engine.endpoint, 'PutRecords', {
      ...S,
      Records: keys.map((PartitionKey) => ({ PartitionKey, Data: '' })),
    })
    for (const [at, key] of keys.entries()) {
      const hash = BigInt(`0x${createHash('md5').update(key, 'utf8').digest('hex')}`)
      const expected = Shards.find(
        ({ HashKeyRange: { StartingHashKey, EndingHashKey } }) =>
          hash >= BigInt(StartingHashKey) && hash <= BigInt(EndingHashKey),
      )
      assert.equal(Records[at]?.ShardId, expected?.ShardId, key)
    }
  })

  test('whose range holds its explicit hash key, at the very borders too', async () => {
    const { engine } = await startEngine(3)
    await using _ = engine
    const { Shards } = await ask(engine.endpoint, 'ListShards', S)
    for (const { ShardId, HashKeyRange } of Shards)
      for (const ExplicitHashKey of Object.values(HashKeyRange)) {
        const put = { ...S, PartitionKey: 'k', Data: '', ExplicitHashKey }
        assert.equal((await ask(engine.endpoint, 'PutRecord', put)).ShardId, ShardId)
        const { Records } = await ask(engine.endpoint, 'PutRecords', { ...S, Records: [put] })
        assert.equal(Records[0]?.ShardId, ShardId)
      }
  })

  test('also when ranges are one key wide', async () => {
    const { engine } = await startEngine(1)
    await using _ = engine
    // Ranges that begin on the same leading digits: [0, 2], [3, 5], [6, ...].
    await ask(engine.endpoint, 'SplitShard', { ...S, ShardToSplit: '0', NewStartingHashKey: '3' })
    await ask(engine.endpoint, 'SplitShard', { ...S, ShardToSplit: '2', NewStartingHashKey: '6' })
    for (const [ExplicitHashKey, shard] of [
      ['0', 1],
      ['2', 1],
      ['3', 3],
      ['5', 3],
      ['6', 4],
      ['7', 4],
    ] as const) {
      const answer = await ask(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: '', ExplicitHashKey })
      assert.equal(answer.ShardId, `shardId-00000000000${shard}`, ExplicitHashKey)
    }
  })
})

overEachWire('5.2 PutRecord', (test) => {
  test('refuses an explicit hash key of 2^128', async () => {
    const { engine } = await startEngine(1)
    await using _ = engine
    const ExplicitHashKey = (2n ** 128n).toString()
    const record = { PartitionKey: 'k', Data: '', ExplicitHashKey }
    const message = `Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was ${ExplicitHashKey}`
    for (const [operation, input] of [
      ['PutRecord', record],
      ['PutRecords', { Records: [{ ...record, ExplicitHashKey: '0' }, record] }],
    ] as const) {
      const { body } = await call(engine.endpoint, operation, { ...S, ...input })
      assert.deepEqual(body, { __type: 'InvalidArgumentException', message })
    }
  })

  test('refuses a number for ordering that is none, or that lies in the future', async () => {
    const { engine } = await startEngine(1)
    await using _ = engine
    const put = (SequenceNumberForOrdering: string) =>
      call(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: '', SequenceNumberForOrdering })
    const { SequenceNumber } = (await put('0')).body
    assert.equal((await put(SequenceNumber)).status, 200)
    const future = BigInt(SequenceNumber) + (1n << 36n)
    for (const text of [(1n << 185n).toString(), '9'.repeat(129), future.toString()])
      assert.deepEqual((await put(text)).body, {
        __type: 'InvalidArgumentException',
        message: `ExclusiveMinimumSequenceNumber ${text} used in PutRecord on stream s under account 000000000000 is invalid.`,
      })
  })

  test('takes a record of 1 MiB, key included, and no larger one', async () => {
    const { engine } = await startEngine(1)
    await using _ = engine
    const put = (size: number) =>
      call(engine.endpoint, 'PutRecord', { ...S, PartitionKey: 'key', Data: Buffer.alloc(size) }, cborWire)
    assert.equal((await put(1024 * 1024 - 3)).status, 200)
    const { body } = await put(1024 * 1024 - 2)
    assert.equal(
      body.message,
      `1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=1048574 cap=1048574]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 1048576`,
    )
  })
})

overEachWire('5.3 PutRecords', (test) => {
  test('answers each record in its place, and keeps the order of each shard', async () => {
    for (const wire of [jsonWire, cborWire]) {
      const { engine } = await startEngine(4)
      await using _ = engine
      const Records = Array.from({ length: 500 }, (_, at) => ({
        PartitionKey: `key-${at % 37}`,
        Data: Buffer.from(`${at}`),
      }))
      const answer = await ask(engine.endpoint, 'PutRecords', { ...S, Records }, wire)
      assert.deepEqual([answer.FailedRecordCount, answer.Records.length], [0, 500])
      for (let shard = 0; shard < 4; shard++) {
        const ShardId = `shardId-00000000000${shard}`
        const mine = answer.Records.map((record, at) => ({ ...record, at })).filter(
          (record) => record.ShardId === ShardId,
        )
        const start = { ...S, ShardId, ShardIteratorType: 'TRIM_HORIZON' }
        const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', start, wire)
        const page = await ask(engine.endpoint, 'GetRecords', { ShardIterator }, wire)
        assert.deepEqual(
          page.Records.map(({ SequenceNumber, Data, PartitionKey }) => [
            SequenceNumber,
            String(dataIn(Data)),
            PartitionKey,
          ]),
          mine.map(({ SequenceNumber, at }) => [SequenceNumber, String(at), `key-${at % 37}`]),
        )
      }
    }
  })

  test('takes 10 MiB of data and keys, and no more', async () => {
    const { engine } = await startEngine(1)
    await using _ = engine
    const put = (last: number) => {
      const sizes = [...Array(10).fill(1024 * 1024 - 1), last]
      const Records = sizes.map((size) => ({ PartitionKey: 'k', Data: Buffer.alloc(size) }))
      return call(engine.endpoint, 'PutRecords', { ...S, Records }, cborWire)
    }
    const tooMuch = await put(0)
    assert.deepEqual(tooMuch.body, {
      __type: 'InvalidArgumentException',
      message: 'Records size exceeds 10 MB limit',
    })
    const Records = Array(10).fill({ PartitionKey: 'k', Data: Buffer.alloc(1024 * 1024 - 1) })
    assert.equal((await call(engine.endpoint, 'PutRecords', { ...S, Records }, cborWire)).status, 200)
  })

  test('refuses all records when one is too large', async () => {
    const { engine } = await startEngine(1)
    await using _ = engine
    const Records = [
      { PartitionKey: 'k', Data: '' },
      { PartitionKey: 'k', Data: Buffer.alloc(1024 * 1024) },
    ]
    const { body } = await call(engine.endpoint, 'PutRecords', { ...S, Records })
    assert.match(body.message, /at 'records\.2\.member\.data' failed to satisfy constraint: .* 1048576$/)
  })
})
