import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MemoryCheckpointStore } from '../../src/checkpoint/memory-checkpoint-store.ts'
import type { Clock } from '../../src/clock.ts'
import { iterate } from '../../src/consumer/iterate.ts'
import type { IterateOptions, StartPosition, StreamSource } from '../../src/consumer/read-settings.ts'
import type { StreamRecord } from '../../src/consumer/stream-record.ts'
import { seededRandom } from '../../src/random.ts'
import { failure, ReshardModel } from '../support/reshard-model.ts'
import { runs, seed } from '../support/soak.ts'

/** One thing that happens to the stream. `pick` chooses among what is there, whatever that is by then. */
type Event =
  | { type: 'put'; key: number; count: number }
  | { type: 'split'; pick: number }
  | { type: 'merge'; pick: number }
  | { type: 'expire-iterators' }
  | { type: 'throttle'; count: number }

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('put' as const), key: fc.nat(20), count: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('split' as const), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('merge' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('expire-iterators' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('throttle' as const), count: fc.nat(3) }) },
)

/** A stream that lives through its events, some before it is read and some in the middle of the calls that read it. */
class LivedStream {
  readonly model: ReshardModel
  readonly source: StreamSource<string>
  readonly put: string[] = []
  readonly #events: Event[]
  #throttles = 0

  constructor(shardCount: number, before: readonly Event[], during: readonly Event[]) {
    this.model = new ReshardModel(shardCount)
    this.#events = [...during]
    for (const one of before) this.#live(one)
    this.model.onCall = (call) => {
      const next = this.#events.shift()
      if (next !== undefined) this.#live(next)
      if (call.operation === 'ListShards' || this.#throttles === 0) return
      this.#throttles -= 1
      throw failure('throttled', 'ProvisionedThroughputExceededException')
    }
    this.source = { api: this.model, stream: 'model', decode: (bytes) => ({ data: Buffer.from(bytes).toString() }) }
  }

  liveOn(): void {
    for (const one of this.#events.splice(0)) this.#live(one)
    this.#throttles = 0
  }

  #live(one: Event): void {
    if (one.type === 'put') {
      for (let count = 0; count < one.count; count++) {
        const text = `${one.key}:${this.put.length}`
        this.put.push(text)
        this.model.put(`key ${one.key}`, text)
      }
    } else if (one.type === 'split') {
      const open = this.model.openShards()
      if (open.length < 12) this.model.split(open[one.pick % open.length] as number)
    } else if (one.type === 'merge') {
      const pairs = this.model.adjacentPairs()
      if (pairs.length > 0) this.model.merge(...(pairs[one.pick % pairs.length] as [number, number]))
    } else if (one.type === 'expire-iterators') this.model.expireIterators()
    else this.#throttles = one.count
  }
}

const life = fc.record({
  shardCount: fc.integer({ min: 1, max: 4 }),
  before: fc.array(event, { maxLength: 25 }),
  during: fc.array(event, { maxLength: 25 }),
  limit: fc.integer({ min: 1, max: 7 }),
  prefetchBytes: fc.integer({ min: 1, max: 4_000 }),
})

/** A clock on which every timer is due at once, and time passes by its being so: waits are a matter of other tests. */
function impatient(): Clock {
  let passedMs = 0
  return {
    now: () => Date.UTC(2027, 0, 1) + passedMs,
    monotonic: () => passedMs,
    setTimer(act, ms) {
      const handle = setImmediate(() => {
        passedMs += ms
        act()
      })
      return { cancel: () => clearImmediate(handle) }
    },
  }
}

async function readAll(stream: LivedStream, start: StartPosition, options: IterateOptions) {
  const records: StreamRecord<string>[] = []
  const iterator = iterate(stream.source, start, {
    ...{ untilCaughtUp: true, idlePollMs: 0, callsPerSecond: Number.POSITIVE_INFINITY },
    ...{ clock: impatient(), random: seededRandom(7) },
    ...options,
  })
  for await (const record of iterator) records.push(record)
  return { records, iterator }
}

/** Each key's records in the order in which they were put, each at least once; `repeats`: how often at most. */
function assertWhole(stream: LivedStream, texts: readonly string[], mayRepeat = false): void {
  assert.deepEqual(new Set(texts), new Set(stream.put))
  if (!mayRepeat) assert.equal(texts.length, stream.put.length)
  const firsts = [...new Set(texts)]
  for (let key = 0; key <= 20; key++) {
    const ofKey = (text: string) => text.startsWith(`${key}:`)
    assert.deepEqual(firsts.filter(ofKey), stream.put.filter(ofKey))
  }
}

const dataOf = (records: readonly StreamRecord<string>[]) => records.map(({ data }) => data as string)

test('whatever happens to the shards, every record is read once and each key in order', async () => {
  await fc.assert(
    fc.asyncProperty(life, async ({ shardCount, before, during, ...options }) => {
      const stream = new LivedStream(shardCount, before, during)
      const store = new MemoryCheckpointStore()
      const checkpoint = { store, client: 'c' }
      const first = await readAll(stream, { from: 'oldest' }, { ...options, checkpoint })
      await first.iterator.checkpoint()
      // What was left of the events happens while nobody reads; the second reader carries on behind the first.
      stream.liveOn()
      const second = await readAll(stream, { from: 'checkpoint' }, { ...options, checkpoint })
      assertWhole(stream, [...dataOf(first.records), ...dataOf(second.records)])
    }),
    { numRuns: runs(10_000), seed: seed() },
  )
})

test('a reader that is left anywhere carries on behind its last checkpoint, and nothing is lost', async () => {
  const scene = fc.record({
    life,
    stops: fc.array(fc.record({ afterCount: fc.nat(15), checkpointEvery: fc.integer({ min: 1, max: 6 }) }), {
      maxLength: 5,
    }),
  })
  await fc.assert(
    fc.asyncProperty(scene, async ({ life: { shardCount, before, during, ...options }, stops }) => {
      const stream = new LivedStream(shardCount, before, during)
      const store = new MemoryCheckpointStore()
      const checkpoint = { store, client: 'c' }
      const seen: string[] = []
      for (const { afterCount, checkpointEvery } of stops) {
        let count = 0
        const iterator = iterate(
          stream.source,
          { from: 'checkpoint' },
          {
            ...{ untilCaughtUp: true, idlePollMs: 0, callsPerSecond: Number.POSITIVE_INFINITY },
            ...{ ...options, checkpoint, clock: impatient(), random: seededRandom(7) },
          },
        )
        for await (const record of iterator) {
          seen.push(record.data as string)
          if (++count % checkpointEvery === 0) await iterator.checkpoint()
          if (count > afterCount) break
        }
      }
      stream.liveOn()
      const last = await readAll(stream, { from: 'checkpoint' }, { ...options, checkpoint })
      assertWhole(stream, [...seen, ...dataOf(last.records)], true)
    }),
    { numRuns: runs(10_000), seed: seed() },
  )
})

test('readers that share the first shards and a store read everything once, parents of both readers first', async () => {
  await fc.assert(
    fc.asyncProperty(life, fc.nat(14), async ({ shardCount, before, during, ...options }, share) => {
      const stream = new LivedStream(shardCount, before, during)
      const store = new MemoryCheckpointStore()
      const checkpoint = { store, client: 'c' }
      const all = Array.from({ length: shardCount }, (_, index) => index)
      const mine = all.filter((index) => (share >> index) % 2 === 0)
      const shares = [mine, all.filter((index) => !mine.includes(index))].filter((numbers) => numbers.length > 0)
      const texts: string[] = []
      let unread = shares
      // Each reads what it may and says how far it came; who waits for another's shard comes again.
      for (let round = 0; unread.length > 0 && round < 40; round++) {
        const countBefore = texts.length
        for (const shardNumbers of unread) {
          const records = await readShare(stream, { ...options, checkpoint, shardNumbers })
          texts.push(...dataOf(records))
        }
        if (round > 2 && texts.length === countBefore && texts.length >= stream.put.length) unread = []
        if (round === 1) stream.liveOn()
      }
      assertWhole(stream, texts)
    }),
    { numRuns: runs(5_000), seed: seed() },
  )
})

/** Reads until nothing comes for a while, then stops and checkpoints: a reader that waits for another never ends. */
async function readShare(stream: LivedStream, options: IterateOptions): Promise<StreamRecord<string>[]> {
  const records: StreamRecord<string>[] = []
  const iterator = iterate(
    stream.source,
    { from: 'checkpoint' },
    {
      ...{ idlePollMs: 1, callsPerSecond: Number.POSITIVE_INFINITY, random: seededRandom(7) },
      ...{ ...options, clock: impatient(), mergeGraceMs: Number.POSITIVE_INFINITY },
    },
  )
  let quietTurns = 0
  let seenPages = -1
  const watch = async () => {
    while (quietTurns < 25) {
      await new Promise((resolve) => setImmediate(resolve))
      const pages = stream.model.pages.filter((page) => page.sequenceNumbers.length > 0).length + records.length
      quietTurns = pages === seenPages ? quietTurns + 1 : 0
      seenPages = pages
    }
    iterator.stop()
  }
  const watching = watch()
  for await (const record of iterator) records.push(record)
  await watching
  await iterator.checkpoint()
  return records
}
