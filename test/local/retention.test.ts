import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LocalEngineOptions } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, call, dataIn, jsonWire, wires } from './wire-client.ts'

/** Sections 3.2 and 8 of the specification: a retention that changes, and what it hides for good. */
const S = { StreamName: 's' }
const streams = [{ name: 's', shardCount: 1 }]
const hourMs = 3_600_000

async function startEngine(options: LocalEngineOptions = {}) {
  const clock = new ManualClock()
  return engineAt(clock, await startTestEngine({ clock, streams, ...options }))
}

function engineAt(clock: ManualClock, engine: Awaited<ReturnType<typeof startTestEngine>>) {
  const { endpoint } = engine
  const change = async (direction: 'Increase' | 'Decrease', RetentionPeriodHours: unknown, wire = jsonWire) => {
    const input = { ...S, RetentionPeriodHours }
    const { status, body } = await call(endpoint, `${direction}StreamRetentionPeriod`, input, wire)
    return status === 200 ? 'fine' : `${body.__type}: ${body.message}`
  }
  const put = (text: string) =>
    ask(endpoint, 'PutRecord', { ...S, PartitionKey: 'k', Data: Buffer.from(text), ExplicitHashKey: '0' })
  const readAll = async (ShardId = '0') => {
    const { ShardIterator } = await ask(endpoint, 'GetShardIterator', {
      ...S,
      ShardId,
      ShardIteratorType: 'TRIM_HORIZON',
    })
    const { Records } = await ask(endpoint, 'GetRecords', { ShardIterator })
    return Records.map(({ Data }) => dataIn(Data).toString()).join(' ')
  }
  const hours = async () => (await ask(endpoint, 'DescribeStream', S)).StreamDescription.RetentionPeriodHours
  return { clock, endpoint, change, put, readAll, hours, [Symbol.asyncDispose]: () => engine.close() }
}

overEachWire('3.2 IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod', (test) => {
  test('take hours from a day to a year, each in its direction, and what is there already in both', async () => {
    for (const wire of wires) {
      await using engine = await startEngine()
      const requested = (hours: number) => `Requested retention period (${hours} hours)`
      for (const [direction, hours, error] of [
        [
          'Increase',
          23,
          `InvalidArgumentException: Minimum allowed retention period is 24 hours. ${requested(23)} is too short.`,
        ],
        [
          'Decrease',
          1,
          `InvalidArgumentException: Minimum allowed retention period is 24 hours. ${requested(1)} is too short.`,
        ],
        [
          'Increase',
          8761,
          `InvalidArgumentException: Maximum allowed retention period is 8760 hours. ${requested(8761)} is too long.`,
        ],
        [
          'Decrease',
          9000,
          `InvalidArgumentException: Maximum allowed retention period is 8760 hours. ${requested(9000)} is too long.`,
        ],
        [
          'Decrease',
          25,
          `InvalidArgumentException: ${requested(25)} for stream s can not be longer than existing retention period (24 hours). Use IncreaseRetentionPeriod API.`,
        ],
        ['Increase', 24, 'fine'],
        ['Decrease', 24, 'fine'],
        ['Increase', 8760, 'fine'],
        [
          'Increase',
          48,
          `InvalidArgumentException: ${requested(48)} for stream s can not be shorter than existing retention period (8760 hours). Use DecreaseRetentionPeriod API.`,
        ],
        ['Decrease', 48, 'fine'],
        [
          'Decrease',
          0,
          "ValidationException: 1 validation error detected: Value '0' at 'retentionPeriodHours' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ],
        [
          'Decrease',
          undefined,
          "ValidationException: 1 validation error detected: Value null at 'retentionPeriodHours' failed to satisfy constraint: Member must not be null",
        ],
      ] as const)
        assert.equal(await engine.change(direction, hours, wire), error, `${direction} to ${hours} over ${wire.name}`)
      assert.equal(await engine.hours(), 48)
    }
  })

  test('ask for the stream first', async () => {
    await using engine = await startEngine()
    const input = { StreamName: 'nobody', RetentionPeriodHours: 2 }
    const { body } = await call(engine.endpoint, 'IncreaseStreamRetentionPeriod', input)
    assert.equal(body.message, 'Stream nobody under account 000000000000 not found.')
  })

  test('work in every state of the stream, and leave it alone', async () => {
    await using engine = await startEngine({ streams: [], createStreamMs: 10, updateStreamMs: 10, deleteStreamMs: 10 })
    const status = async () => (await ask(engine.endpoint, 'DescribeStream', S)).StreamDescription.StreamStatus
    const inState = async (expected: string, hours: number) => {
      assert.equal(await engine.change('Increase', hours), 'fine')
      assert.deepEqual([await status(), await engine.hours()], [expected, hours])
    }
    await ask(engine.endpoint, 'CreateStream', { ...S, ShardCount: 1 })
    await inState('CREATING', 30)
    await engine.clock.advance(10)
    await inState('ACTIVE', 40)
    await ask(engine.endpoint, 'SplitShard', { ...S, ShardToSplit: '0', NewStartingHashKey: '1000' })
    await inState('UPDATING', 50)
    await engine.clock.advance(10)
    assert.deepEqual([await status(), await engine.hours()], ['ACTIVE', 50])
    await ask(engine.endpoint, 'DeleteStream', S)
    await inState('DELETING', 60)
  })
})

overEachWire('8 retention', (test) => {
  test('that grows keeps what is there, and brings nothing back', async () => {
    await using engine = await startEngine()
    const { clock, put, readAll, change } = engine
    await put('a')
    await clock.advance(2 * hourMs)
    await put('b')
    await clock.advance(23 * hourMs)
    assert.equal(await readAll(), 'b')
    await change('Increase', 48)
    assert.equal(await readAll(), 'b')
    await clock.advance(25 * hourMs)
    assert.equal(await readAll(), 'b')
    await clock.advance(1)
    assert.equal(await readAll(), '')
  })

  test('that shrinks trims at once, and what it trimmed stays away', async () => {
    await using engine = await startEngine()
    const { clock, put, readAll, change } = engine
    await change('Increase', 72)
    await put('a')
    await clock.advance(30 * hourMs)
    await put('b')
    assert.equal(await readAll(), 'a b')
    await change('Decrease', 24)
    assert.equal(await readAll(), 'b')
    await change('Increase', 72)
    assert.equal(await readAll(), 'b')
  })

  test('lets a closed shard expire by it, once for all', async () => {
    await using engine = await startEngine()
    const { clock, endpoint, change } = engine
    const ids = async () =>
      (await ask(endpoint, 'ListShards', S)).Shards.map(({ ShardId }) => Number(ShardId.slice(-2)))
    await change('Increase', 48)
    await ask(endpoint, 'SplitShard', { ...S, ShardToSplit: '0', NewStartingHashKey: '1000' })
    await clock.advance(25 * hourMs)
    assert.deepEqual(await ids(), [0, 1, 2])
    await change('Decrease', 24)
    assert.deepEqual(await ids(), [1, 2])
    await change('Increase', 48)
    assert.deepEqual(await ids(), [1, 2])
  })

  test('remembers over a restart what it has trimmed', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'triton-retention-'))
    try {
      const first = await startEngine({ dataDir })
      const { clock } = first
      await first.put('a')
      await clock.advance(25 * hourMs)
      await first.put('b')
      await first.change('Increase', 100)
      await first[Symbol.asyncDispose]()
      await using second = engineAt(clock, await startTestEngine({ clock, dataDir }))
      assert.deepEqual([await second.readAll(), await second.hours()], ['b', 100])
    } finally {
      rmSync(dataDir, { recursive: true, force: true })
    }
  })

  test('hides no record that is put after the clock was set back behind what was trimmed', async () => {
    await using engine = await startEngine()
    const { clock, endpoint, put, readAll, change } = engine
    const monthMs = 30 * 24 * hourMs
    await clock.advance(monthMs)
    await change('Increase', 25)
    await clock.advance(-monthMs)
    await put('now')
    assert.equal(await readAll(), 'now')
    await ask(endpoint, 'SplitShard', { ...S, ShardToSplit: '0', NewStartingHashKey: '1000' })
    assert.equal(await readAll(), 'now')
    await put('in a child')
    assert.equal(await readAll('1'), 'in a child')
  })
})
