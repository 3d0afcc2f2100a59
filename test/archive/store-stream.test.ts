import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { dayOf, sideKeyOf } from '../../src/archive/archive-key.ts'
import { readArchives } from '../../src/archive/read-archives.ts'
import { MemoryCheckpointStore } from '../../src/checkpoint/memory-checkpoint-store.ts'
import { systemClock } from '../../src/clock.ts'
import { ConfigError, LeaseLostError, StorageError } from '../../src/errors.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import { decodeMsgpack } from '../../src/record/msgpack-decode.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { ArchivePlace } from '../support/archive-place.ts'
import { openShards, splitShard, untilActive } from '../support/reshard-load.ts'

interface Numbered {
  n: number
}

async function streamOf(place: ArchivePlace, name: string, shardCount = 2): Promise<string> {
  await place.api.createStream(name, shardCount)
  await untilActive(place.api, name)
  return name
}

async function putNumbers(place: ArchivePlace, stream: string, from: number, to: number): Promise<void> {
  for (let begin = from; begin < to; begin += 500) {
    const entries = []
    for (let n = begin; n < Math.min(to, begin + 500); n++)
      entries.push({ data: encodeMsgpack({ n }), partitionKey: `key-${n % 20}` })
    const answers = await place.api.putRecords(stream, entries)
    assert.ok(answers.every((answer) => answer.errorCode === undefined))
  }
}

const numbers = (records: readonly { data: Numbered }[]) => records.map(({ data }) => data.n).sort((a, b) => a - b)
const range = (count: number) => Array.from({ length: count }, (_, n) => n)

test('every record is stored once, with where it came from, over several runs', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders')
  await putNumbers(place, stream, 0, 3_000)
  assert.deepEqual(await place.storeAll(stream), { objectCount: 1, recordCount: 3_000, undecodableCount: 0 })
  assert.deepEqual(await place.storeAll(stream), { objectCount: 0, recordCount: 0, undecodableCount: 0 })
  await putNumbers(place, stream, 3_000, 5_000)
  assert.equal((await place.storeAll(stream)).recordCount, 2_000)

  const records = await place.records<Numbered>(stream)
  assert.deepEqual(numbers(records), range(5_000))
  const shards = await place.api.listShards(stream)
  const read = new Map<string, string>()
  for (const { data, place: from, bytes } of records) {
    assert.equal(from?.partitionKey, `key-${data.n % 20}`)
    assert.ok(Math.abs(from.arrivedAtMs - Date.now()) < 600_000)
    assert.deepEqual(decodeMsgpack(bytes), data)
    const before = read.get(from.shardId) ?? '0'
    assert.ok(BigInt(from.sequenceNumber) > BigInt(before), 'in the order of the shard')
    read.set(from.shardId, from.sequenceNumber)
  }
  assert.deepEqual(
    [...read.keys()].sort(),
    shards.map(({ shardId }) => shardId),
  )
})

test('each footer goes on where the one before ended, and the checkpoint follows', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders')
  for (let run = 0; run < 3; run++) {
    await putNumbers(place, stream, run * 100, run * 100 + 100)
    await place.storeAll(stream)
  }
  const footers = await place.footers(stream)
  assert.equal(footers.length, 3)
  for (const [index, { key, shards, recordCount }] of footers.entries()) {
    assert.equal(recordCount, 100)
    const before = footers[index - 1]
    if (before) assert.ok(key.seconds > before.key.seconds, 'also within one second')
    for (const { shardId, after } of shards)
      assert.equal(after, before?.shards.find((span) => span.shardId === shardId)?.last)
  }
  const saved = await place.checkpoints.load('store', stream)
  for (const { shardId, last } of footers[2]?.shards ?? []) assert.equal(saved.get(shardId)?.sequenceNumber, last)
})

test('a checkpoint that is lost or behind brings no record twice', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders')
  await putNumbers(place, stream, 0, 200)
  await place.storeAll(stream)
  const old = await place.checkpoints.load('store', stream)
  await putNumbers(place, stream, 200, 400)
  await place.storeAll(stream)
  await place.checkpoints.save('store', stream, old)
  await putNumbers(place, stream, 400, 500)
  assert.equal((await place.storeAll(stream)).recordCount, 100)
  await using empty = new MemoryCheckpointStore()
  await putNumbers(place, stream, 500, 600)
  assert.equal((await place.storeAll(stream, { checkpoints: empty })).recordCount, 100)
  assert.deepEqual(numbers(await place.records<Numbered>(stream)), range(600))
})

test('an object that could not be completed is stored again, once', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders')
  await putNumbers(place, stream, 0, 300)
  let asked = 0
  const lost = new LeaseLostError('taken over')
  const confirm = async () => {
    // The first is asked for the upload that was opened, the second before it is completed.
    if (++asked === 2) throw lost
  }
  await assert.rejects(place.storeAll(stream, { confirm }), lost)
  assert.deepEqual(await place.store.list(''), [])
  assert.equal((await place.checkpoints.load('store', stream)).size, 0)
  assert.equal((await place.storeAll(stream)).recordCount, 300)
  assert.deepEqual(numbers(await place.records<Numbered>(stream)), range(300))
})

test('when the checkpoint can not be saved, the object says what is stored', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders')
  await putNumbers(place, stream, 0, 300)
  await using failing = new MemoryCheckpointStore()
  failing.save = async () => {
    throw new StorageError('the database is away')
  }
  await assert.rejects(place.storeAll(stream, { checkpoints: failing }), StorageError)
  assert.equal((await place.storeAll(stream)).recordCount, 0)
  assert.deepEqual(numbers(await place.records<Numbered>(stream)), range(300))
})

test('two clients store all, each for itself', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders')
  await putNumbers(place, stream, 0, 100)
  await place.storeAll(stream)
  assert.equal((await place.storeAll(stream, { client: 'backup' })).recordCount, 100)
  await assert.rejects(place.records(stream), /several clients: backup, store/)
  for (const client of ['a-b', 'archive', '', 'a/b', 'é'])
    await assert.rejects(place.storeAll(stream, { client }), ConfigError)
})

test('what is no msgpack map lies aside as it came, and is counted', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders', 1)
  const odd = ['hello', '\x01', '', '\x81\xa1a\x01x', '\x93\x01\x02\x03', '\xc1'].map((text) =>
    Buffer.from(text, 'latin1'),
  )
  const deep = Buffer.concat([Buffer.of(0x81, 0xa1, 0x61), Buffer.alloc(2_000, 0x91), Buffer.of(0xc0)])
  for (const data of [...odd, deep]) {
    await place.api.putRecords(stream, [
      { data: data.length === 0 ? Buffer.of(0xc0) : data, partitionKey: 'odd' },
      { data: encodeMsgpack({ n: 1 }), partitionKey: 'good' },
    ])
  }
  assert.deepEqual(await place.storeAll(stream), { objectCount: 1, recordCount: 7, undecodableCount: 7 })
  const [footer] = await place.footers(stream)
  assert.equal(footer?.undecodableCount, 7)
  assert.equal(footer?.shards[0]?.count, 14)
  assert.equal((await place.records(stream)).length, 7)
  const key = footer?.key as NonNullable<typeof footer>['key']
  const found: unknown[] = []
  for await (const blocks of readArchives(place.store, [{ ...key, key: sideKeyOf(key.key) }]))
    for (const { bytes, start, ends } of blocks)
      for (const [index, end] of ends.entries())
        found.push((decodeMsgpack(bytes.subarray(ends[index - 1] ?? start, end)) as { $raw: Buffer }).$raw)
  assert.deepEqual(found, [...odd.map((data) => (data.length === 0 ? Buffer.of(0xc0) : data)), deep])
})

test('a side object that a crash left without its object is removed, and its records come again', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders', 1)
  await place.api.putRecords(stream, [{ data: Buffer.from('odd'), partitionKey: 'odd' }])
  let asked = 0
  const confirm = async () => {
    // Two uploads opened, the side object completed; then the end comes.
    if (++asked === 4) throw new LeaseLostError('taken over')
  }
  await assert.rejects(place.storeAll(stream, { confirm }), LeaseLostError)
  assert.equal((await place.store.list('undecodable/')).length, 1)
  assert.equal((await place.storeAll(stream)).undecodableCount, 1)
  assert.equal((await place.store.list('undecodable/')).length, 1)
})

test('streams that hold no msgpack come back as they were put', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'lines', 1)
  const put = ['{"a": 1}', 'text', 'größer', '\ufeffbom', ''].map((text) => Buffer.from(text))
  put.push(Buffer.of(0xff, 0xfe, 0))
  for (const data of put) await place.api.putRecords(stream, [{ data, partitionKey: 'k' }])
  assert.equal((await place.storeAll(stream, { format: 'bytes' })).recordCount, put.length)
  const records = await place.records<Buffer>(stream, 'bytes')
  assert.deepEqual(
    records.map(({ data }) => Buffer.from(data)),
    put,
  )
  assert.deepEqual(
    records.map(({ bytes }) => Buffer.from(bytes)),
    put,
  )
})

test('resharding while storing loses nothing, also when the store starts anew in between', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders', 1)
  await putNumbers(place, stream, 0, 100)
  await place.storeAll(stream)
  await splitShard(place.api, stream, (await openShards(place.api, stream))[0])
  await putNumbers(place, stream, 100, 200)
  await place.storeAll(stream)
  await place.api.mergeShards(stream, 'shardId-000000000001', 'shardId-000000000002')
  await untilActive(place.api, stream)
  await putNumbers(place, stream, 200, 300)
  await place.storeAll(stream)
  assert.deepEqual(numbers(await place.records<Numbered>(stream)), range(300))
  const last = (await place.footers(stream)).at(-1)
  assert.deepEqual(
    last?.shards.map(({ isFinished }) => isFinished),
    [true, true, true, false],
  )
})

test('objects end by size and with the clock, and a clock that jumps back over midnight disturbs nothing', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders', 1)
  let skewMs = 0
  const clock = { ...systemClock, now: () => Date.now() + skewMs }
  await putNumbers(place, stream, 0, 2_000)
  assert.ok((await place.storeAll(stream, { clock, rotateBytes: 1, callsPerSecond: 1_000 })).objectCount >= 1)
  for (const [skew, from] of [
    [86_400_000, 2_000],
    [0, 2_100],
    [-86_400_000, 2_200],
  ] as const) {
    skewMs = skew
    await putNumbers(place, stream, from, from + 100)
    await place.storeAll(stream, { clock })
  }
  const footers = await place.footers(stream)
  assert.deepEqual(
    footers.map(({ key }) => key.key),
    footers.map(({ key }) => key.key).sort(),
  )
  assert.equal(footers.at(-1)?.key.day, dayOf(Date.now() + 86_400_000), 'behind the newest object, whose day it shares')
  const read = (await place.records<Numbered>(stream)).map(({ data }) => data.n)
  assert.deepEqual(read, range(2_300), 'read in the order written')
})

test('keys of others in the same place, with seconds that no clock shows, disturb nothing', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders', 1)
  await putNumbers(place, stream, 0, 100)
  const day = dayOf(Date.now())
  const foreign = [
    'orders-store-999999999999999.tri',
    'orders-store-9999999999.tri',
    'orders-store-7.tri',
    'orders.tri',
  ]
  const keys = foreign.map((name) => `${day}/${name}`)
  for (const key of [...keys, 'notes.txt', '99999999/orders-store-1.tri', `${day}/orders-store-1/2.tri`]) {
    const upload = await place.store.begin(key)
    await upload.write([])
    await upload.complete()
  }
  assert.equal((await place.storeAll(stream)).recordCount, 100)
  await putNumbers(place, stream, 100, 200)
  assert.equal((await place.storeAll(stream)).recordCount, 100)
  const [first, second] = await place.footers(stream)
  assert.ok(Math.abs((first?.key.seconds ?? 0) - Date.now() / 1000) < 3_600)
  assert.ok((second?.key.seconds ?? 0) - (first?.key.seconds ?? 0) < 3_600)
  assert.deepEqual(numbers(await place.records<Numbered>(stream)), range(200))
})

test('a first start at latest is remembered until something is stored', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders', 1)
  await putNumbers(place, stream, 0, 10)
  for (const putAtMs = Date.now(); Date.now() <= putAtMs; ) await new Promise((resolve) => setImmediate(resolve))
  assert.equal((await place.storeAll(stream, { from: 'latest' })).recordCount, 0)
  await putNumbers(place, stream, 10, 20)
  assert.equal((await place.storeAll(stream, { from: 'latest' })).recordCount, 10)
})

test('while the store stalls reading waits, so that what is held has a bound; then all of it is stored', async () => {
  await using place = await ArchivePlace.open()
  const stream = await streamOf(place, 'orders')
  const count = 8_000
  for (let from = 0; from < count; from += 500) {
    // What does not compress: the writer counts what it will hand on.
    const entries = range(500).map((n) => ({
      data: encodeMsgpack({ n: from + n, pad: randomBytes(1_000) }),
      partitionKey: `key-${n}`,
    }))
    await place.api.putRecords(stream, entries)
  }
  let readBytes = 0
  let callsUnderWay = 0
  const getRecords: KinesisApi['getRecords'] = async (iterator, _, signal) => {
    callsUnderWay += 1
    try {
      const page = await place.api.getRecords(iterator, 100, signal)
      for (let i = 0; i < page.records.length; i++) readBytes += page.records.at(i)?.bytes.length ?? 0
      return page
    } finally {
      callsUnderWay -= 1
    }
  }
  const api = new Proxy(place.api, {
    get: (target, name: keyof KinesisApi) =>
      name === 'getRecords' ? getRecords : (target[name] as () => unknown).bind(target),
  })
  let hasStalled = false
  let goOn = () => {}
  const going = new Promise<void>((resolve) => (goOn = resolve))
  const store = new Proxy(place.store, {
    get: (target, name: keyof typeof place.store) => {
      if (name !== 'begin') return typeof target[name] === 'function' ? target[name].bind(target) : target[name]
      return async (key: string, signal?: AbortSignal) => {
        const upload = await target.begin(key, signal)
        const write = upload.write.bind(upload)
        upload.write = async (pieces) => {
          hasStalled = true
          await going
          await write(pieces)
        }
        return upload
      }
    },
  })
  const storing = place.storeAll(stream, { api, store, prefetchBytes: 1024 * 1024 })
  let isOver = false
  storing.catch(() => (isOver = true))
  for (let quiet = 0; quiet < 30 && !isOver; await setTimeout(10))
    quiet = hasStalled && callsUnderWay === 0 && readBytes > 1024 * 1024 ? quiet + 1 : 0
  const heldBytes = readBytes
  goOn()
  assert.equal((await storing).recordCount, count)
  // What lies fetched, the page in hand, and what the writer hands on in one go.
  assert.ok(heldBytes < 2 * 1024 * 1024, `${heldBytes} bytes were read of ${count * 1_000}`)
  assert.deepEqual(numbers(await place.records<Numbered>(stream)), range(count))
})
