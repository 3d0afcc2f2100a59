import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { observe } from '../../src/diagnostics.ts'
import type { FaultRule } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { ask, call, dataIn, jsonWire, type Wire, wires } from './wire-client.ts'

/** The fault hook: the engine fails on request, so that its clients can be tested. */
const S = { StreamName: 's' }
const streams = [
  { name: 's', shardCount: 2 },
  { name: 't', shardCount: 1 },
]
const top = String(2n ** 128n - 1n)

async function startEngine(faults: FaultRule[] = [], faultSeed = 1) {
  const clock = new ManualClock()
  const engine = await startTestEngine({ clock, streams, faults, faultSeed })
  const put = (text: string, wire: Wire = jsonWire, ExplicitHashKey = '0', StreamName = 's') =>
    call(
      engine.endpoint,
      'PutRecord',
      { StreamName, PartitionKey: 'k', Data: Buffer.from(text), ExplicitHashKey },
      wire,
    )
  const texts = async () => {
    engine.setFaults([])
    const start = { ...S, ShardId: '0', ShardIteratorType: 'TRIM_HORIZON' }
    const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', start)
    const { Records } = await ask(engine.endpoint, 'GetRecords', { ShardIterator })
    return Records.map(({ Data }) => dataIn(Data).toString())
  }
  return { clock, engine, put, texts, [Symbol.asyncDispose]: () => engine.close() }
}

for (const wire of wires)
  describe(`over ${wire.name}, a fault`, () => {
    test('of throttle or internal-failure refuses the request, and nothing happens', async () => {
      await using started = await startEngine()
      const { engine, put, texts } = started
      engine.setFaults([{ action: 'throttle' }])
      assert.deepEqual((await put('a', wire)).body, {
        __type: 'ProvisionedThroughputExceededException',
        message: 'Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.',
      })
      const split = { ...S, ShardToSplit: '0', NewStartingHashKey: '1000' }
      assert.deepEqual((await call(engine.endpoint, 'SplitShard', split, wire)).body, {
        __type: 'LimitExceededException',
        message: 'Rate exceeded for stream s under account 000000000000.',
      })
      engine.setFaults([{ action: 'internal-failure' }])
      const { status, body } = await put('b', wire)
      assert.deepEqual([status, body], [500, { __type: 'InternalFailure' }])
      assert.deepEqual(await texts(), [])
    })

    test('of cut-before ends the connection before anything happens, of cut-after behind it', async () => {
      await using started = await startEngine()
      const { engine, put, texts } = started
      engine.setFaults([{ action: 'cut-before' }])
      await assert.rejects(put('before', wire))
      engine.setFaults([{ action: 'cut-after' }])
      await assert.rejects(put('after', wire))
      assert.deepEqual(await texts(), ['after'])
    })

    test('of answer-lost carries the request out and says nothing, until the engine ends', async () => {
      await using started = await startEngine([{ action: 'answer-lost' }])
      const { put, texts, engine } = started
      const met = new Promise<void>((resolve) => {
        const unobserve = observe((news) => {
          if (news.type !== 'engine-fault') return
          unobserve()
          resolve()
        })
      })
      const lost = put('lost', wire)
      await met
      const outcome = lost.then(
        () => 'answered',
        () => 'cut',
      )
      assert.deepEqual(await texts(), ['lost'])
      const startedMs = performance.now()
      await engine.close()
      assert.equal(await outcome, 'cut')
      assert.ok(performance.now() - startedMs < 4_500, 'nobody waits until the patience with requests is over')
    })

    test('of garbage-body or half-body spoils the answer', async () => {
      await using started = await startEngine()
      const { engine, put, texts } = started
      engine.setFaults([{ action: 'garbage-body' }])
      await assert.rejects(put('garbage', wire))
      engine.setFaults([{ action: 'half-body' }])
      await assert.rejects(put('half', wire))
      assert.deepEqual(await texts(), ['garbage', 'half'])
    })

    test('of delay lets the request wait', async () => {
      await using started = await startEngine()
      const { clock, engine, put } = started
      engine.setFaults([{ action: 'delay', delayMs: 5_000 }])
      const waiting = clock.waiting
      const delayed = put('late', wire)
      while (clock.waiting === waiting) await new Promise((next) => setImmediate(next))
      await clock.advance(5_000)
      assert.equal((await delayed).status, 200)
    })
  })

describe('a fault rule', () => {
  test('fits by operation, stream and shard', async () => {
    await using started = await startEngine()
    const { engine, put } = started
    const fails = async (rule: Partial<FaultRule>) => {
      engine.setFaults([{ action: 'internal-failure', ...rule }])
      const puts = [await put('a'), await put('b', jsonWire, top), await put('c', jsonWire, '0', 't')]
      return puts.map(({ status }) => status === 500)
    }
    assert.deepEqual(await fails({}), [true, true, true])
    assert.deepEqual(await fails({ operation: 'PutRecords' }), [false, false, false])
    assert.deepEqual(await fails({ operation: 'PutRecord' }), [true, true, true])
    assert.deepEqual(await fails({ stream: 't' }), [false, false, true])
    assert.deepEqual(await fails({ stream: 's', shard: 'shardId-000000000001' }), [false, true, false])
    const start = { ...S, ShardId: '1', ShardIteratorType: 'LATEST' }
    assert.equal((await call(engine.endpoint, 'GetShardIterator', start)).status, 500)
    engine.setFaults([])
    const { ShardIterator } = await ask(engine.endpoint, 'GetShardIterator', start)
    engine.setFaults([{ action: 'throttle', operation: 'GetRecords', shard: '1' }])
    assert.equal(
      (await call(engine.endpoint, 'GetRecords', { ShardIterator })).body.__type,
      'ProvisionedThroughputExceededException',
    )
  })

  test('is spent after its count, and holds only in its window', async () => {
    await using started = await startEngine([{ action: 'internal-failure', count: 2 }])
    const { clock, engine, put } = started
    const statuses = async (count: number) => {
      const seen: number[] = []
      for (let time = 0; time < count; time++) seen.push((await put('x')).status)
      return seen
    }
    assert.deepEqual(await statuses(4), [500, 500, 200, 200])
    engine.setFaults([{ action: 'internal-failure', window: { fromMs: 1_000, untilMs: 2_000 } }])
    assert.deepEqual(await statuses(1), [200])
    await clock.advance(1_000)
    assert.deepEqual(await statuses(1), [500])
    await clock.advance(1_000)
    assert.deepEqual(await statuses(1), [200])
  })

  test('with a probability does the same again with the same seed', async () => {
    const outcomes = async (seed: number) => {
      await using started = await startEngine([{ action: 'internal-failure', probability: 0.5 }], seed)
      const { put } = started
      const seen: number[] = []
      for (let time = 0; time < 40; time++) seen.push((await put('x')).status)
      return seen.join(' ')
    }
    const first = await outcomes(7)
    assert.equal(await outcomes(7), first)
    assert.notEqual(await outcomes(8), first)
    const failed = first.split(' ').filter((status) => status === '500').length
    assert.ok(failed > 8 && failed < 32, `${failed} of 40`)
  })

  test('of partial-failure lets some records of a PutRecords fail', async () => {
    await using started = await startEngine()
    const { engine } = started
    const Records = Array.from({ length: 100 }, (_, at) => ({
      PartitionKey: 'k',
      Data: Buffer.from(String(at)),
      ExplicitHashKey: at % 2 === 0 ? '0' : top,
    }))
    const putAll = () => ask(engine.endpoint, 'PutRecords', { ...S, Records })
    engine.setFaults([{ action: 'partial-failure', share: 0.3 }])
    const some = await putAll()
    const failed = some.Records.filter(({ ErrorCode }) => ErrorCode !== undefined)
    assert.equal(some.FailedRecordCount, failed.length)
    assert.ok(failed.length > 10 && failed.length < 50, `${failed.length} of 100`)
    for (const record of some.Records) {
      if (record.ErrorCode === undefined) assert.ok(record.SequenceNumber && record.ShardId)
      else assert.deepEqual(Object.keys(record).sort(), ['ErrorCode', 'ErrorMessage'])
    }
    assert.match(
      failed[0]?.ErrorMessage ?? '',
      /^Rate exceeded for shard shardId-00000000000[01] in stream s under account/,
    )
    engine.setFaults([{ action: 'partial-failure', share: 1, shard: '1', recordsAre: 'internal-failure', count: 1 }])
    const ofShard = await putAll()
    for (const [at, record] of ofShard.Records.entries())
      if (at % 2 === 1)
        assert.deepEqual(record, { ErrorCode: 'InternalFailure', ErrorMessage: 'Internal Service Failure.' })
      else assert.equal(record.ShardId, 'shardId-000000000000')
    assert.equal((await putAll()).FailedRecordCount, 0)
    engine.setFaults([{ action: 'partial-failure', share: 1 }])
    assert.equal((await putAll()).FailedRecordCount, 100)
  })

  test('of partial-failure is spent by the requests that have records for it, and leaves other shards to other rules', async () => {
    await using started = await startEngine([
      { action: 'partial-failure', share: 1, shard: '0', count: 1 },
      { action: 'partial-failure', share: 1, shard: '1', recordsAre: 'internal-failure' },
    ])
    const { engine } = started
    const putTo = async (...hashKeys: string[]) => {
      const Records = hashKeys.map((ExplicitHashKey) => ({ PartitionKey: 'k', Data: '', ExplicitHashKey }))
      const answer = await ask(engine.endpoint, 'PutRecords', { ...S, Records })
      return answer.Records.map(({ ErrorCode }) => ErrorCode)
    }
    const [throttled, failed] = ['ProvisionedThroughputExceededException', 'InternalFailure']
    assert.deepEqual(await putTo(top), [failed])
    assert.deepEqual(await putTo('0', top, '0'), [throttled, failed, throttled])
    assert.deepEqual(await putTo('0', top, '0'), [undefined, failed, undefined])
  })

  test('that means nothing is refused, and the rules before it stay', async () => {
    const wrong: [rules: string, message: RegExp][] = [
      ['{}', /^fault rules are a list of rules, not \{\}\.$/],
      ['[1]', /^fault rule 1 is no object: 1\.$/],
      ['[{}]', /^fault rule 1 has no action\. Known are throttle, /],
      ['[{"action":"explode"}]', /^fault rule 1 has the action 'explode': known are throttle, internal-failure, /],
      ['[{"action":"delay"},{"action":"delay","shard":"x"}]', /^fault rule 2 has the shard 'x': it must be a shard id/],
      ['[{"action":"delay","operation":"PutRecordz"}]', /'PutRecordz': it must be an operation of Kinesis/],
      ['[{"action":"delay","stream":1}]', /^fault rule 1 has the stream 1: it must be the name of a stream\.$/],
      ['[{"action":"delay","probability":1.1}]', /it must be a number from 0 to 1\.$/],
      ['[{"action":"delay","probability":"0.5"}]', /has the probability '0.5': it must be a number/],
      ['[{"action":"delay","count":-1}]', /it must be a whole number, 0 or more\.$/],
      ['[{"action":"delay","count":1.5}]', /it must be a whole number, 0 or more\.$/],
      ['[{"action":"delay","window":5}]', /it must be an object of fromMs and untilMs\.$/],
      ['[{"action":"delay","window":{"from":5}}]', /it knows fromMs and untilMs, not 'from'\.$/],
      ['[{"action":"delay","window":{"untilMs":-5}}]', /its untilMs must be milliseconds, 0 or more\.$/],
      ['[{"action":"delay","delayMs":-1}]', /it must be a number, 0 or more\.$/],
      ['[{"action":"partial-failure","share":2}]', /it must be a number from 0 to 1\.$/],
      ['[{"action":"partial-failure","recordsAre":"lost"}]', /it must be 'throttled' or 'internal-failure'\.$/],
      ['[{"action":"partial-failure","operation":"PutRecord"}]', /only a PutRecords can fail in part\.$/],
      ['[{"action":"delay","delay":1}]', /^fault rule 1 has a member 'delay'\. Known are action, operation, /],
    ]
    await using started = await startEngine([{ action: 'internal-failure' }])
    const { engine, put } = started
    for (const [rules, message] of wrong) {
      assert.throws(() => engine.setFaults(JSON.parse(rules)), { code: 'TRITON_CONFIG', message }, rules)
      await assert.rejects(startTestEngine({ faults: JSON.parse(rules) }), { code: 'TRITON_CONFIG', message })
    }
    assert.equal((await put('x')).status, 500)
  })
})
