import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { MemoryCheckpointStore } from '../src/checkpoint/memory-checkpoint-store.ts'
import { parseConfig } from '../src/config.ts'
import {
  ClosedError,
  ConfigError,
  NotFoundError,
  RecordError,
  TritonCheckpointError,
  UnavailableError,
} from '../src/errors.ts'
import {
  createAwsKinesisApi,
  getStream,
  initCheckpointTable,
  type StreamIterator,
  type StreamOptions,
} from '../src/index.ts'
import type { LocalEngine } from '../src/local/index.ts'
import { startTestEngine } from './support/engine.ts'

interface Order {
  id: string
  cents: number
}

describe('a stream', () => {
  let engine: LocalEngine
  let streamCount = 0
  let directory: string
  const environment = { ...process.env }
  before(async () => {
    engine = await startTestEngine()
    directory = mkdtempSync(join(tmpdir(), 'triton-stream-'))
  })
  beforeEach(() => {
    for (const name of ['TRITON_DB', 'TRITON_CLIENT_NAME', 'TRITON_CLIENT']) delete process.env[name]
  })
  after(async () => {
    process.env = environment
    rmSync(directory, { recursive: true })
    await engine.close()
  })

  /** A new stream of two shards, opened by its name in a configuration. */
  async function openStream<T = Order>(options: StreamOptions = {}, more = '') {
    const name = `orders_${streamCount++}`
    const api = createAwsKinesisApi({ endpoint: engine.endpoint })
    await api.createStream(name, 2)
    api.close()
    return getStream<T>('orders', configOf(name, more), options)
  }

  function configOf(name: string, more = '') {
    const text = `orders:\n  name: ${name}\n  partition_key: id\n  endpoint: ${engine.endpoint}\n${more}`
    return parseConfig(text, 'triton.yaml')
  }

  const orders = (count: number, from = 0): Order[] =>
    Array.from({ length: count }, (_, index) => ({ id: `customer-${(from + index) % 7}`, cents: from + index }))

  async function readAll<T>(records: StreamIterator<T>): Promise<T[]> {
    const all: T[] = []
    for await (const record of records) {
      if (record.error) throw record.error
      all.push(record.data)
    }
    return all
  }

  test('gives back what was put: where each record is, and the record', async () => {
    await using stream = await openStream()
    const { shardId, sequenceNumber } = await stream.put({ id: 'ann', cents: 100 })
    for await (const record of stream.iterate({ from: 'oldest' }, { untilCaughtUp: true })) {
      assert.deepEqual(record.data, { id: 'ann', cents: 100 })
      assert.deepEqual([record.shardId, record.sequenceNumber, record.partitionKey], [shardId, sequenceNumber, 'ann'])
      assert.ok(Math.abs(record.arrivedAt.getTime() - Date.now()) < 60_000)
    }
  })

  test('answers putMany with an outcome for each record, in their order', async () => {
    await using stream = await openStream()
    const records = orders(1_200)
    const outcomes = await stream.putMany(records)
    assert.deepEqual(
      outcomes.map(({ ok, index }) => [ok, index]),
      records.map((_, index) => [true, index]),
    )
    const read = await readAll(stream.iterate({ from: 'oldest' }, { untilCaughtUp: true }))
    assert.deepEqual(
      read.map(({ cents }) => cents).sort((a, b) => a - b),
      records.map(({ cents }) => cents),
    )
  })

  test('hands a record that failed back as it was given', async () => {
    await using stream = await openStream({ producer: { deadlineMs: 50, retryDelayMs: 10 } })
    engine.setFaults([{ action: 'throttle', operation: 'PutRecords', stream: stream.definition.name }])
    const records = orders(3)
    const outcomes = await stream.putMany(records)
    engine.setFaults([])
    for (const [index, outcome] of outcomes.entries()) {
      assert.ok(!outcome.ok)
      assert.equal(outcome.record, records[index])
      // A machine so slow that the one answer comes after the deadline can't tell.
      assert.equal(outcome.mayHaveBeenWritten, outcome.code === 'ETIMEDOUT')
    }
  })

  test('sends nothing of a putMany that holds what cannot be written, and names the record and the field', async () => {
    await using stream = await openStream<unknown>()
    const good = { id: 'a' }
    await assert.rejects(stream.putMany([good, { id: 'b', x: { f: () => 1 } }]), (error) => {
      assert.ok(error instanceof TypeError)
      assert.match(error.message, /record 1: .*x\.f/)
      return true
    })
    const cyclic: { id: string; self?: unknown } = { id: 'c' }
    cyclic.self = cyclic
    await assert.rejects(stream.put(cyclic), TypeError)
    await assert.rejects(stream.putMany([good, { no: 'id' }]), (error) => {
      assert.ok(error instanceof RecordError)
      assert.match(error.message, /record 1: .*'id'/)
      return true
    })
    await assert.rejects(stream.put({ id: '' }), RecordError)
    await assert.rejects(stream.put({ id: 'k'.repeat(257) }), RecordError)
    await assert.rejects(stream.put(good, { partitionKey: '' }), RecordError)
    await assert.rejects(stream.put(good, { explicitHashKey: '-1' }), RecordError)
    await assert.rejects(stream.put({ id: 'big', body: 'x'.repeat(1.1 * 1024 * 1024) }), RecordError)
    assert.deepEqual(await readAll(stream.iterate({ from: 'oldest' }, { untilCaughtUp: true })), [])
  })

  test('takes keys with a call: for all records, or asked for each', async () => {
    await using stream = await openStream()
    const top = String(2n ** 128n - 1n)
    assert.equal((await stream.put({ id: 'a', cents: 1 }, { explicitHashKey: '0' })).shardId, 'shardId-000000000000')
    assert.equal((await stream.put({ id: 'a', cents: 2 }, { explicitHashKey: top })).shardId, 'shardId-000000000001')
    await stream.putMany(orders(2, 3), {
      partitionKey: 'all',
      keysOf: (_, index) => (index === 1 ? { partitionKey: 'second' } : {}),
    })
    const keys: string[] = []
    for await (const { partitionKey } of stream.iterate({ from: 'oldest' }, { untilCaughtUp: true }))
      keys.push(partitionKey)
    assert.deepEqual(keys.sort(), ['a', 'a', 'all', 'second'])
  })

  test('is of JSON, text or bytes when its definition says so', async () => {
    await using text = await openStream<string>({}, '  format: text\n')
    await text.put('hello', { partitionKey: 'k' })
    await assert.rejects(text.put('no key'), RecordError)
    assert.deepEqual(await readAll(text.iterate({ from: 'oldest' }, { untilCaughtUp: true })), ['hello'])
    await using json = await openStream<Order>({}, '  format: json\n')
    await json.put({ id: 'a', cents: 1 })
    for await (const { bytes, data } of json.iterate({ from: 'oldest' }, { untilCaughtUp: true })) {
      assert.equal(Buffer.from(bytes).toString(), '{"id":"a","cents":1}')
      assert.deepEqual(data, { id: 'a', cents: 1 })
    }
  })

  test('has an iterator for each start', async () => {
    await using stream = await openStream({ consumer: { untilCaughtUp: true } })
    const first = await stream.put({ id: 'a', cents: 1 })
    const latest = stream.buildIteratorFromLatest()
    await latest.ready()
    const second = await stream.put({ id: 'a', cents: 2 })
    const shard = Number(second.shardId.slice(-1))

    assert.deepEqual((await readAll(stream.buildIteratorForAll())).length, 2)
    assert.deepEqual(await readAll(stream.buildIteratorForAll([1 - shard])), [])
    assert.deepEqual(await readAll(stream.buildIteratorFromSeqnum(shard, first.sequenceNumber)), [
      { id: 'a', cents: 2 },
    ])
    assert.equal((await readAll(stream.buildIteratorFromTimestamp(new Date(Date.now() - 60_000)))).length, 2)
    assert.deepEqual(await readAll(latest), [{ id: 'a', cents: 2 }])
  })

  test('refuses a shard that does not exist, and a sequence number of another shard', async () => {
    await using stream = await openStream()
    const { shardId, sequenceNumber } = await stream.put({ id: 'a', cents: 1 })
    await assert.rejects(readAll(stream.buildIteratorForAll([9])), NotFoundError)
    const other = 1 - Number(shardId.slice(-1))
    await assert.rejects(readAll(stream.buildIteratorFromSeqnum(other, sequenceNumber)), NotFoundError)
    await assert.rejects(readAll(stream.buildIteratorFromSeqnum(other, 'nonsense')), ConfigError)
  })

  test('carries on behind the checkpoint that the environment keeps', async () => {
    process.env['TRITON_DB'] = `sqlite://${join(directory, 'triton.db')}`
    process.env['TRITON_CLIENT'] = 'billing'
    await initCheckpointTable()
    await initCheckpointTable()
    await using stream = await openStream({ consumer: { untilCaughtUp: true } })
    await stream.putMany(orders(5))
    const first = stream.buildIteratorFromCheckpoint()
    assert.equal((await readAll(first)).length, 5)
    await first.checkpoint()
    await stream.putMany(orders(2, 5))
    const rest = await readAll(stream.buildIteratorFromCheckpoint())
    assert.deepEqual(rest.map(({ cents }) => cents).sort(), [5, 6])
  })

  test('keeps checkpoints where its options say, and leaves a given store open', async () => {
    const store = new MemoryCheckpointStore()
    const stream = await openStream({ client: 'audit', checkpointStore: store, consumer: { untilCaughtUp: true } })
    await stream.put({ id: 'a', cents: 1 })
    const records = stream.buildIteratorForAll()
    await readAll(records)
    await records.checkpoint()
    await stream.close()
    assert.equal((await store.load('audit', stream.definition.name)).size, 1)
    await store.close()
  })

  test('tells which of database and client name is missing when a checkpoint is asked for', async () => {
    await using stream = await openStream()
    await assert.rejects(readAll(stream.buildIteratorFromCheckpoint()), TritonCheckpointError)
    await assert.rejects(initCheckpointTable(), /set TRITON_DB/)
    process.env['TRITON_DB'] = 'memory:'
    await assert.rejects(readAll(stream.buildIteratorFromCheckpoint()), /TRITON_CLIENT_NAME/)
  })

  test('lists its shards', async () => {
    await using stream = await openStream()
    const shards = await stream.listShards()
    assert.deepEqual(
      shards.map(({ shardId }) => shardId),
      ['shardId-000000000000', 'shardId-000000000001'],
    )
  })

  test('that is not there, or whose Kinesis is not, says so', async () => {
    await using absent = getStream('orders', configOf('never_made'))
    await assert.rejects(absent.listShards(), NotFoundError)
    await assert.rejects(readAll(absent.buildIteratorForAll()), NotFoundError)
    await using gone = await startTestEngine()
    await gone.close()
    const config = parseConfig(`orders: {name: o, partition_key: id, endpoint: "${gone.endpoint}"}`, 'triton.yaml')
    await using stream = getStream('orders', config, { consumer: { startDeadlineMs: 100 } })
    await assert.rejects(readAll(stream.buildIteratorForAll()), UnavailableError)
  })

  test('waits in close until what was put is there, ends its iterators, and refuses what comes later', async () => {
    const stream = await openStream()
    const reading = readAll(stream.buildIteratorFromLatest())
    const puts = [stream.put({ id: 'a', cents: 1 }), stream.put({ id: 'b', cents: 2 })]
    await Promise.all([stream.close(), stream.close()])
    assert.equal((await Promise.all(puts)).length, 2)
    await reading
    await assert.rejects(stream.put({ id: 'a', cents: 3 }), ClosedError)
    assert.throws(() => stream.buildIteratorForAll(), ClosedError)
    await assert.rejects(stream.listShards(), ClosedError)
  })

  test('is closed by its signal', async () => {
    const stopping = new AbortController()
    const stream = await openStream({ signal: stopping.signal })
    const reading = readAll(stream.buildIteratorFromLatest())
    stopping.abort()
    await reading
    await assert.rejects(stream.put({ id: 'a', cents: 3 }), ClosedError)
    await stream.close()
  })

  test('leaves a Kinesis that it was given open', async () => {
    const api = createAwsKinesisApi({ endpoint: engine.endpoint })
    const stream = await openStream({ api })
    await stream.put({ id: 'a', cents: 1 })
    await stream.close()
    assert.equal((await api.listShards(stream.definition.name)).length, 2)
    api.close()
  })
})
