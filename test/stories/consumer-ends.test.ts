import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { MemoryCheckpointStore } from '../../src/checkpoint/memory-checkpoint-store.ts'
import { iterate } from '../../src/consumer/iterate.ts'
import type { IterateOptions, StartPosition } from '../../src/consumer/read-settings.ts'
import type { Decode, StreamRecord } from '../../src/consumer/stream-record.ts'
import { observe } from '../../src/diagnostics.ts'
import { ConfigError, FormatError, NotFoundError } from '../../src/errors.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import { type KinesisApi, noRecords } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { settle } from '../support/manual-clock.ts'
import { NumberedLoad, openShards, splitShard } from '../support/reshard-load.ts'
import { ReshardModel } from '../support/reshard-model.ts'

let engine: LocalEngine
let api: KinesisApi
/** Requests that are on their way. */
let openCalls = 0
let streamCount = 0

before(async () => {
  engine = await startTestEngine()
  api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
})

after(async () => {
  api.close()
  await engine.close()
})

async function newStream(shardCount: number): Promise<string> {
  const stream = `ends-${streamCount++}`
  await api.createStream(stream, shardCount)
  return stream
}

const text: Decode<string> = (bytes) => ({ data: Buffer.from(bytes).toString() })

function read(stream: string, start: StartPosition, options: IterateOptions = {}, decode = text) {
  const pace = { idlePollMs: 5, callsPerSecond: 1_000 }
  return iterate({ api: counted, stream, decode }, start, { ...pace, ...options })
}

/** The API's calls as plain functions, for a variant of some of them. */
function boundTo(given: KinesisApi): KinesisApi {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(given)).filter((name) => name !== 'constructor')
  const calls = names.map((name) => [name, (given[name as keyof KinesisApi] as () => unknown).bind(given)])
  return Object.fromEntries(calls) as KinesisApi
}

/** The same calls, counted while they are on their way. */
const counted = new Proxy({} as KinesisApi, {
  get(_, name: keyof KinesisApi) {
    return (...args: unknown[]) => {
      openCalls += 1
      const call = api[name] as (...given: unknown[]) => Promise<unknown>
      return call.apply(api, args).finally(() => {
        openCalls -= 1
      })
    }
  },
})

async function loaded(shardCount: number, rounds: number): Promise<{ stream: string; load: NumberedLoad }> {
  const stream = await newStream(shardCount)
  const load = new NumberedLoad(api, stream)
  await load.putRounds(rounds)
  return { stream, load }
}

/** How many records lie fetched and not handed out, told by what was fetched. */
function countFetched(): { fetched: () => number; end: () => void } {
  let fetched = 0
  const end = observe((news) => {
    if (news.type === 'page-read') fetched += news.recordCount
  })
  return { fetched: () => fetched, end }
}

test('stop fetches no more, and what was fetched is still handed out', async () => {
  const { stream } = await loaded(1, 20)
  const counter = countFetched()
  const iterator = read(stream, { from: 'oldest' }, { limit: 40, prefetchBytes: 20_000 })
  let count = 0
  for await (const _ of iterator) {
    count += 1
    if (count === 3) iterator.stop()
  }
  counter.end()
  assert.equal(count, counter.fetched())
  assert.ok(count >= 40 && count < 400, `${count} records`)
  assert.equal(openCalls, 0)
})

test('stop before the first record ends the loop at once', async () => {
  const { stream } = await loaded(1, 1)
  const iterator = read(stream, { from: 'oldest' })
  iterator.stop()
  for await (const _ of iterator) assert.fail('nothing was fetched')
  await iterator.close()
  assert.equal(openCalls, 0)
})

test('stop ends a loop that waits for records', async () => {
  const stream = await newStream(2)
  const iterator = read(stream, { from: 'latest' })
  const next = iterator.next()
  await iterator.ready()
  iterator.stop()
  assert.deepEqual(await next, { value: undefined, done: true })
})

test('leaving the loop closes: nothing is fetched, waits, or is on its way any more', async () => {
  const { stream } = await loaded(3, 5)
  const iterator = read(stream, { from: 'oldest' })
  for await (const _ of iterator) break
  assert.equal(openCalls, 0)
  assert.deepEqual(await iterator.next(), { value: undefined, done: true })
  await iterator.close()
})

test('a fired signal ends the loop quietly and at once, and what was handed out can still be saved', async () => {
  const { stream } = await loaded(1, 5)
  const life = new AbortController()
  const store = new MemoryCheckpointStore()
  const checkpoint = { store, client: 'c' }
  const iterator = read(stream, { from: 'oldest' }, { signal: life.signal, checkpoint })
  let last: StreamRecord<string> | undefined
  for await (const record of iterator) {
    last = record
    life.abort()
  }
  await iterator.checkpoint()
  assert.equal((await store.list())[0]?.sequenceNumber, last?.sequenceNumber)
  await iterator.close()
  assert.equal(openCalls, 0)
})

test('a signal that fired before ends the iterator before it begins', async () => {
  const { stream } = await loaded(1, 1)
  const iterator = read(stream, { from: 'oldest' }, { signal: AbortSignal.abort() })
  assert.deepEqual(await iterator.next(), { value: undefined, done: true })
})

test('a signal that fires while a read waits ends the wait', async () => {
  const stream = await newStream(1)
  const life = new AbortController()
  const iterator = read(stream, { from: 'latest' }, { signal: life.signal })
  const waiting = [iterator.next(), iterator.next()]
  await iterator.ready()
  life.abort()
  for (const answer of await Promise.all(waiting)) assert.equal(answer.done, true)
})

test('await using gives everything back', async () => {
  const { stream } = await loaded(1, 1)
  {
    await using iterator = read(stream, { from: 'oldest' })
    assert.equal((await iterator.next()).done, false)
  }
  assert.equal(openCalls, 0)
})

test('closed from two places at once, it is closed for both', async () => {
  const { stream } = await loaded(1, 1)
  const iterator = read(stream, { from: 'oldest' })
  await iterator.next()
  // One of them waits for what is under way, and so does the other.
  const closed = Promise.all([iterator.close(), iterator.close()])
  const late = new AbortController()
  const hangs = setTimeout(10_000, 'hangs', { signal: late.signal })
  assert.notEqual(await Promise.race([closed, hangs]), 'hangs')
  late.abort()
  await assert.rejects(hangs)
  assert.equal(openCalls, 0)
})

test('an iterator that is never read keeps nothing busy, and its failure is heard only by who asks', async () => {
  const iterator = read('no-such-stream', { from: 'oldest' })
  await settle()
  await assert.rejects(iterator.ready(), NotFoundError)
  await assert.rejects(iterator.next(), /stream "no-such-stream" does not exist.*triton stream list/)
  assert.equal((await iterator.next()).done, true)
})

test('a slow handler slows the fetch: what lies fetched stays within its bound', async () => {
  const { stream } = await loaded(4, 100)
  const iterator = read(stream, { from: 'oldest' }, { limit: 10, prefetchBytes: 30_000, untilCaughtUp: true })
  const counter = countFetched()
  let handed = 0
  let most = 0
  for await (const _ of iterator) {
    handed += 1
    if (handed % 10 === 0) await settle()
    most = Math.max(most, counter.fetched() - handed)
  }
  counter.end()
  assert.equal(handed, 2_000)
  // A record counts for its bytes and 256 more; beyond the bound comes at most the page that each shard was fetching.
  assert.ok(most <= 30_000 / 256 + 4 * 10, `${most} records lay fetched`)
})

test('several reads at once are answered in their order', async () => {
  const { stream, load } = await loaded(1, 2)
  const iterator = read(stream, { from: 'oldest' }, { untilCaughtUp: true })
  const answers = await Promise.all(Array.from({ length: load.recordCount + 2 }, () => iterator.next()))
  const lines = answers.flatMap(({ value }) => (value === undefined ? [] : [value.data as string]))
  assert.deepEqual(load.faultsIn(lines), [])
  assert.deepEqual(
    answers.slice(-2).map(({ done }) => done),
    [true, true],
  )
})

test('a read that is asked for while an earlier one is being answered comes after it, whenever that is', async () => {
  for (let hops = 0; hops < 20; hops++) {
    const model = new ReshardModel(1)
    await using iterator = iterate({ api: model, stream: 'model', decode: text }, { from: 'oldest' }, { idlePollMs: 1 })
    model.putInto(0, 'first')
    model.putInto(0, 'second')
    let second: Promise<IteratorResult<StreamRecord<string>>> | undefined
    let isAsked = false
    const unobserve = observe(({ type }) => {
      // On a busy machine the next page may come before all hops are made: it is asked for once.
      if (type !== 'page-read' || isAsked) return
      isAsked = true
      let left = hops
      const hop = () => {
        if (left-- > 0) queueMicrotask(hop)
        else second = iterator.next()
      }
      hop()
    })
    const first = await iterator.next()
    await settle()
    unobserve()
    assert.deepEqual([first.value?.data, (await second)?.value?.data], ['first', 'second'], `after ${hops} hops`)
  }
})

test('batches are each of one shard, and count as handed out when given', async () => {
  const { stream, load } = await loaded(3, 10)
  const store = new MemoryCheckpointStore()
  const checkpoint = { store, client: 'c' }
  const iterator = read(stream, { from: 'oldest' }, { untilCaughtUp: true, limit: 20, checkpoint })
  const lines: string[] = []
  for await (const batch of iterator.batches()) {
    assert.equal(new Set(batch.map(({ shardId }) => shardId)).size, 1)
    lines.push(...batch.map(({ data }) => data as string))
    await iterator.checkpoint()
    const rows = new Map((await store.list()).map((row) => [row.shardId, row.sequenceNumber]))
    assert.equal(rows.get(batch[0]?.shardId ?? ''), batch.at(-1)?.sequenceNumber)
  }
  assert.deepEqual(load.faultsIn(lines), [])
})

test('batches of a large page hold at most 1,000 records, and a checkpoint between two of them is between them', async () => {
  const { stream } = await loaded(1, 115)
  const store = new MemoryCheckpointStore()
  const client = { store, client: 'c' }
  const first = read(stream, { from: 'oldest' }, { untilCaughtUp: true, limit: 10_000, checkpoint: client })
  const sizes: number[] = []
  for await (const batch of first.batches()) {
    sizes.push(batch.length)
    if (sizes.length === 2) await first.checkpoint()
  }
  assert.deepEqual(sizes, [1_000, 1_000, 300])
  const second = read(stream, { from: 'checkpoint' }, { untilCaughtUp: true, checkpoint: client })
  let count = 0
  for await (const _ of second) count += 1
  assert.equal(count, 300)
})

test('records that are kept hold what they held, while the memory of their pages serves later ones', async () => {
  const stream = await newStream(2)
  const dataOf = (index: number) => Buffer.alloc(9_000, `${index} `)
  for (let from = 0; from < 600; from += 100) {
    const records = Array.from({ length: 100 }, (_, at) => ({ data: dataOf(from + at), partitionKey: `${from + at}` }))
    const answers = await api.putRecords(stream, records)
    assert.ok(answers.every((answer) => answer.errorCode === undefined))
  }
  // 60 records of 9,000 bytes a page: ten pages, each larger than what is pooled from, and two in flight at most.
  await using iterator = read(stream, { from: 'oldest' }, { untilCaughtUp: true, limit: 60, prefetchBytes: 600_000 })
  const kept: StreamRecord<string>[] = []
  for await (const record of iterator) kept.push(record)
  assert.equal(kept.length, 600)
  for (const { partitionKey, bytes, data } of kept) {
    const expected = dataOf(Number(partitionKey))
    assert.ok(expected.equals(bytes), `record ${partitionKey}`)
    assert.equal(data, expected.toString())
  }
  assert.equal(new Set(kept.map(({ partitionKey }) => partitionKey)).size, 600)
})

test('until caught up ends under a load that never pauses', async () => {
  const { stream, load } = await loaded(2, 1)
  load.start()
  let count = 0
  for await (const _ of read(stream, { from: 'oldest' }, { untilCaughtUp: true })) count += 1
  await load.stop()
  assert.ok(count >= 20)
})

test('until caught up reads a closed shard to its end and then its children, whatever empty pages come before', async () => {
  const { stream, load } = await loaded(1, 2)
  await splitShard(api, stream, (await openShards(api, stream))[0])
  await load.putRounds(2)
  // As Kinesis may answer, and as the engine does while the last records of a closed shard are being written.
  const delayed = new Set<string>()
  const withEmptyPages: KinesisApi = {
    ...boundTo(api),
    async getRecords(iterator, limit, signal) {
      const page = await api.getRecords(iterator, limit, signal)
      const end = page.childShards?.map(({ shardId }) => shardId).join()
      if (end === undefined || delayed.has(end)) return page
      delayed.add(end)
      return { records: noRecords, millisBehindLatest: 0, nextShardIterator: iterator }
    },
  }
  const options = { untilCaughtUp: true, idlePollMs: 5, callsPerSecond: 1_000 }
  const lines: string[] = []
  for await (const { data } of iterate({ api: withEmptyPages, stream, decode: text }, { from: 'oldest' }, options))
    lines.push(data as string)
  assert.equal(delayed.size, 1)
  assert.deepEqual(load.faultsIn(lines), [])
})

test('a time starts at what arrived since, over a split', async () => {
  const { stream, load } = await loaded(2, 2)
  await splitShard(api, stream, (await openShards(api, stream))[0])
  const since: string[] = []
  for (const putAtMs = Date.now(); Date.now() <= putAtMs; ) await settle()
  const at = new Date()
  await load.putRound()
  for await (const { data } of read(stream, { from: 'timestamp', at }, { untilCaughtUp: true })) since.push(`${data}`)
  assert.equal(since.length, load.keyCount)
  assert.ok(since.every((line) => line.endsWith(' 2')))
})

// Records that don't decode.

const picky: Decode<string> = (bytes) => {
  const data = Buffer.from(bytes).toString()
  return data.startsWith('bad') ? { error: new FormatError('it begins with "bad"', 0) } : { data }
}

async function withBadRecord(): Promise<string> {
  const stream = await newStream(1)
  for (const line of ['one', 'bad two', 'three']) {
    await api.putRecords(stream, [{ data: Buffer.from(line), partitionKey: 'k' }])
  }
  return stream
}

test('a record that does not decode is handed out as what it is, and reported', async () => {
  const reasons: string[] = []
  const unobserve = observe((news) => {
    if (news.type === 'record-undecodable') reasons.push(news.reason)
  })
  const records: StreamRecord<string>[] = []
  const stream = await withBadRecord()
  for await (const record of read(stream, { from: 'oldest' }, { untilCaughtUp: true }, picky)) records.push(record)
  unobserve()
  assert.deepEqual(
    records.map(({ data }) => data),
    ['one', undefined, 'three'],
  )
  assert.ok(records[1]?.error instanceof FormatError)
  assert.equal(Buffer.from(records[1]?.bytes ?? []).toString(), 'bad two')
  assert.deepEqual(reasons, ['it begins with "bad"'])
})

test('asked to throw, the loop ends at the bad record, and the checkpoint stands before it', async () => {
  const stream = await withBadRecord()
  const store = new MemoryCheckpointStore()
  const options = { checkpoint: { store, client: 'c' }, onUndecodable: 'throw', untilCaughtUp: true } as const
  const seen: StreamRecord<string>[] = []
  const iterator = read(stream, { from: 'oldest' }, options, picky)
  const loop = async () => {
    for await (const record of iterator) seen.push(record)
  }
  await assert.rejects(loop, FormatError)
  await iterator.checkpoint()
  assert.deepEqual(
    seen.map(({ data }) => data),
    ['one'],
  )
  assert.equal((await store.list())[0]?.sequenceNumber, seen[0]?.sequenceNumber)
  await assert.rejects(read(stream, { from: 'checkpoint' }, options, picky).next(), FormatError)
})

test('asked to throw, batches hand out what stands before the bad record, and end there', async () => {
  const stream = await withBadRecord()
  const store = new MemoryCheckpointStore()
  const options = { checkpoint: { store, client: 'c' }, onUndecodable: 'throw', untilCaughtUp: true } as const
  let reported = 0
  const unobserve = observe((news) => {
    if (news.type === 'record-undecodable') reported += 1
  })
  const seen: StreamRecord<string>[] = []
  const iterator = read(stream, { from: 'oldest' }, options, picky)
  const loop = async () => {
    for await (const batch of iterator.batches()) seen.push(...batch)
  }
  await assert.rejects(loop, FormatError)
  unobserve()
  await iterator.checkpoint()
  assert.deepEqual(
    seen.map(({ data }) => data),
    ['one'],
  )
  assert.equal((await store.list())[0]?.sequenceNumber, seen[0]?.sequenceNumber)
  assert.equal(reported, 1)
})

test('asked to skip, bad records are not handed out, are reported, and the checkpoint passes them', async () => {
  const stream = await withBadRecord()
  const lines: (string | undefined)[] = []
  let reported = 0
  const unobserve = observe((news) => {
    if (news.type === 'record-undecodable') reported += 1
  })
  const options = { onUndecodable: 'skip', untilCaughtUp: true } as const
  for await (const { data } of read(stream, { from: 'oldest' }, options, picky)) lines.push(data)
  unobserve()
  assert.deepEqual(lines, ['one', 'three'])
  assert.equal(reported, 1)
})

// What nobody can read.

test('a shard number that does not exist is refused with those that do', async () => {
  const stream = await newStream(3)
  await assert.rejects(read(stream, { from: 'oldest' }, { shardNumbers: [1, 7] }).next(), (error: Error) => {
    assert.ok(error instanceof NotFoundError)
    assert.match(error.message, /has no shard 7 \(shardId-000000000007\).*it has: 0, 1, 2$/)
    return true
  })
})

test("a sequence number of another shard is refused with that shard's number", async () => {
  const { stream } = await loaded(2, 1)
  const { value } = await read(stream, { from: 'oldest' }, { shardNumbers: [1] }).next()
  const sequenceNumber = value?.sequenceNumber ?? ''
  const at = (number: string): StartPosition => ({
    from: 'positions',
    positions: new Map([['shardId-000000000000', { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: number }]]),
  })
  const options = { shardNumbers: [0] }
  await assert.rejects(read(stream, at(sequenceNumber), options).next(), /no position \d+: it belongs to shard 1/)
  await assert.rejects(read(stream, at('12x'), options).next(), /"12x", given as a position.*is no sequence number/)
})

test('options that no reader can follow are refused at once, in words that say what would be right', () => {
  const refused = (options: IterateOptions, start: StartPosition = { from: 'oldest' }) =>
    assert.throws(() => read('any', start, options), ConfigError)
  refused({ shardNumbers: [] })
  refused({ shardNumbers: [1.5] })
  refused({ shardNumbers: [-1] })
  refused({ limit: 0 })
  refused({ limit: 10_001 })
  refused({ prefetchBytes: 0 })
  refused({ idlePollMs: -1 })
  refused({ callsPerSecond: 0 })
  refused({}, { from: 'timestamp', at: new Date('yesterday') })
})
