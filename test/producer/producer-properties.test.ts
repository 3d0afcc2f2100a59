import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PutEntry } from '../../src/kinesis/kinesis-api.ts'
import { Producer, type ProducerOptions, PutError, type PutOutcome } from '../../src/producer/producer.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { ManualClock, settle } from '../support/manual-clock.ts'
import { runs, seed } from '../support/soak.ts'
import { type Fate, ShardModel, throttle } from './shard-model.ts'

/**
 * A random day of a producer: calls of many sizes and keys, some of them called off, on a Kinesis that throttles, fails
 * before and after writing, answers late or never, and heals in the end.
 */
interface Day {
  seed: number
  options: ProducerOptions
  keyCount: number
  callCount: number
  /** Share of requests and records that fail, 0..1, until the day heals. */
  trouble: number
}

test('every record gets one outcome, true to what the stream holds, in its order, within all bounds', async () => {
  const day: fc.Arbitrary<Day> = fc.record({
    seed: fc.nat(),
    options: fc.record({
      batchRecords: fc.integer({ min: 1, max: 20 }),
      batchBytes: fc.integer({ min: 100, max: 2000 }),
      bufferBytes: fc.integer({ min: 500, max: 20_000 }),
      requestsInFlight: fc.integer({ min: 1, max: 4 }),
      lingerMs: fc.constantFrom(0, 0, 7),
      deadlineMs: fc.constantFrom(50, 1000, 30_000),
      order: fc.constantFrom('lane', 'strict'),
    }),
    keyCount: fc.integer({ min: 1, max: 30 }),
    callCount: fc.integer({ min: 1, max: 60 }),
    trouble: fc.constantFrom(0, 0.05, 0.3, 0.9),
  })
  await fc.assert(fc.asyncProperty(day, live), { numRuns: runs(4_000, 60), seed: seed() })
})

async function live(day: Day): Promise<void> {
  const random = seededRandom(day.seed)
  const clock = new ManualClock()
  let isHealed = false
  const keysUnderWay = new Set<string>()
  const violations: string[] = []
  const kinesis = new (class extends ShardModel {
    override async putRecords(stream: string, entries: readonly PutEntry[], signal?: AbortSignal) {
      violations.push(...wrongsOf(entries, day.options, keysUnderWay))
      const keys = new Set(entries.map(({ partitionKey }) => partitionKey))
      for (const key of keys) keysUnderWay.add(key)
      return super.putRecords(stream, entries, signal).finally(() => {
        for (const key of keys) keysUnderWay.delete(key)
      })
    }
  })(clock, () => (isHealed ? {} : fateOf(random, day.trouble)))
  const producer = new Producer(kinesis, 'orders', { ...day.options, clock, random })

  const given: { entry: PutEntry; outcome?: PutOutcome }[] = []
  const calls: Promise<void>[] = []
  const newEntry = () => {
    const entry = {
      data: Buffer.alloc(randomInteger(random, 300), given.length),
      partitionKey: `key-${randomInteger(random, day.keyCount)}`,
    }
    given.push({ entry })
    return entry
  }
  const settled = (place: number, outcome: PutOutcome) => {
    const record = given[place]
    assert.equal(record?.outcome, undefined, 'a record has one outcome')
    if (record) record.outcome = outcome
  }
  for (let call = 0; call < day.callCount; call++) {
    const caller = new AbortController()
    if (random.next() < 0.1) clock.setTimer(() => caller.abort(), randomInteger(random, 200))
    const first = given.length
    const options = { signal: caller.signal }
    if (random.next() < 0.7) calls.push(put(producer, newEntry(), options).then((outcome) => settled(first, outcome)))
    else {
      const entries = Array.from({ length: randomInteger(random, 40) }, newEntry)
      calls.push(
        producer.putMany(entries, options).then((outcomes) => {
          assert.equal(outcomes.length, entries.length)
          for (const outcome of outcomes) settled(first + outcome.index, outcome)
        }),
      )
    }
    if (random.next() < 0.3) {
      await pass(clock, randomInteger(random, 100))
    }
    assert.ok(producer.unacknowledgedBytes <= (day.options.bufferBytes ?? 0) || producer.unacknowledgedCount === 1)
  }
  if (random.next() < 0.5) calls.push(producer.close())
  for (let step = 0; step < 100 && producer.unacknowledgedCount > 0; step++) await pass(clock, 100)
  isHealed = true
  for (let step = 0; step < 2_000 && producer.unacknowledgedCount > 0; step++) await pass(clock, 1000)
  await Promise.all(calls)
  // What calls would have been called off by, had they lasted.
  await pass(clock, 200)
  assert.equal(clock.waiting, 0, 'nothing is left to wait for')
  await checkHealth(producer, day, clock)
  await producer.close()
  assert.deepEqual(violations, [])
  assert.equal(kinesis.inFlight, 0)
  assert.ok(kinesis.mostInFlight <= (day.options.requestsInFlight ?? 0))
  checkTruth(given, kinesis)
  checkOrder(given, day.options.order === 'strict')
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  await settle()
  await clock.advance(ms)
}

/** Whatever the day was like, a record of any key is taken afterwards, unless the producer was closed. */
async function checkHealth(producer: Producer, day: Day, clock: ManualClock): Promise<void> {
  const entries = Array.from({ length: day.keyCount }, (_, key) => ({
    data: Buffer.alloc(1),
    partitionKey: `key-${key}`,
  }))
  const putting = producer.putMany(entries)
  await pass(clock, day.options.lingerMs ?? 0)
  for (let turn = 0; turn < 100 && producer.unacknowledgedCount > 0; turn++) await settle()
  const outcomes = await putting
  const isClosed = outcomes.every((outcome) => !outcome.ok && outcome.code === 'TRITON_CLOSED')
  assert.ok(isClosed || outcomes.every(({ ok }) => ok), 'every key goes on')
}

function fateOf(random: { next(): number }, trouble: number): Fate {
  const delayMs = Math.floor(random.next() * 20)
  if (random.next() >= trouble) return { delayMs }
  const roll = random.next()
  if (roll < 0.4) {
    const share = random.next()
    const errorCode = random.next() < 0.7 ? throttle : 'InternalFailure'
    return { delayMs, refuse: () => (random.next() < share ? errorCode : undefined) }
  }
  if (roll < 0.5) return { delayMs, error: { retryClass: 'throttled', errorCode: throttle, isWritten: false } }
  if (roll < 0.6)
    return { delayMs, error: { retryClass: 'refused', errorCode: 'ValidationException', isWritten: false } }
  if (roll < 0.9) {
    const isWritten = random.next() < 0.5
    return { delayMs, error: { retryClass: 'transient', errorCode: 'ECONNRESET', isWritten } }
  }
  return { delayMs: 1e9 }
}

async function put(producer: Producer, entry: PutEntry, options: { signal: AbortSignal }): Promise<PutOutcome> {
  try {
    return { ok: true, index: 0, ...(await producer.put(entry, options)) }
  } catch (error) {
    const mayHaveBeenWritten = error instanceof PutError ? error.mayHaveBeenWritten : undefined
    return { ok: false, index: 0, record: entry, code: '', error, mayHaveBeenWritten } as unknown as PutOutcome
  }
}

/** What a request has that it must not have. */
function wrongsOf(entries: readonly PutEntry[], options: ProducerOptions, keysUnderWay: ReadonlySet<string>): string[] {
  const { batchRecords = 0, batchBytes = 0, order } = options
  const bytes = entries.reduce((sum, { data, partitionKey }) => sum + data.length + partitionKey.length, 0)
  const keys = entries.map(({ partitionKey }) => partitionKey)
  const wrongs = {
    'no records': entries.length === 0,
    'too many records': entries.length > batchRecords,
    'too many bytes': bytes > batchBytes && entries.length > 1,
    'a key with two requests under way': keys.some((key) => keysUnderWay.has(key)),
    'two records of a key in strict order': order === 'strict' && new Set(keys).size < keys.length,
  }
  return Object.entries(wrongs).flatMap(([wrong, isSo]) => (isSo ? [wrong] : []))
}

function checkTruth(given: readonly { entry: PutEntry; outcome?: PutOutcome }[], kinesis: ShardModel): void {
  const copies = new Map<PutEntry, string[]>()
  for (const { entry, sequenceNumber } of kinesis.stored) {
    copies.set(entry, [...(copies.get(entry) ?? []), sequenceNumber])
  }
  for (const { entry, outcome } of given) {
    assert.ok(outcome, 'a record has an outcome')
    const stored = copies.get(entry) ?? []
    if (outcome.ok) assert.equal(outcome.sequenceNumber, stored.at(-1))
    // A put that was called off rejects with a ClosedError, which makes no statement.
    else if (outcome.mayHaveBeenWritten === false) assert.deepEqual(stored, [])
  }
}

/** Of a key's records, those that were overtaken say so, and no others. */
function checkOrder(given: readonly { entry: PutEntry; outcome?: PutOutcome }[], isStrict: boolean): void {
  const lowestBehind = new Map<string, number>()
  for (const { entry, outcome } of [...given].reverse()) {
    if (!outcome?.ok) continue
    const number = Number(outcome.sequenceNumber)
    const lowest = lowestBehind.get(entry.partitionKey) ?? Number.POSITIVE_INFINITY
    assert.equal(outcome.reordered, lowest < number, 'reordered says what happened')
    assert.ok(!(isStrict && outcome.reordered), 'strict order is kept')
    lowestBehind.set(entry.partitionKey, Math.min(lowest, number))
  }
}
