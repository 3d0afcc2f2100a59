import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Checkpoint, CheckpointStore } from '../../src/checkpoint/checkpoint-store.ts'
import type { SqlDatabaseOptions } from '../../src/checkpoint/sql-database.ts'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { ClosedError, TritonCheckpointError } from '../../src/errors.ts'
import { formatSequenceNumber } from '../../src/kinesis/sequence-number.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { runs, seed } from '../support/soak.ts'

/**
 * What every `CheckpointStore` promises, whatever it keeps its rows in. `open` answers a store in a new, empty place.
 */
export function checkpointStoreContract(
  name: string,
  open: (options?: SqlDatabaseOptions) => Promise<CheckpointStore>,
): void {
  const openFresh = async (options?: SqlDatabaseOptions) => {
    const store = await open(options)
    await store.init()
    return store
  }

  describe(`a checkpoint store in ${name}`, () => {
    test('knows nothing of a client that never saved', async () => {
      await using store = await openFresh()
      assert.deepEqual(await store.load('billing', 'orders'), new Map())
      assert.deepEqual(await store.list(), [])
    })

    test('loads what was saved: position, place inside an aggregate, finished', async () => {
      await using store = await openFresh()
      const saved = new Map<string, Checkpoint>([
        [shardIdOf(0), { sequenceNumber: numberOf(0, 1), isFinished: false }],
        [shardIdOf(1), { sequenceNumber: numberOf(1, 7), subSequenceNumber: 3, isFinished: false }],
        [shardIdOf(2), { sequenceNumber: numberOf(2, 0), isFinished: true }],
        [shardIdOf(3), { sequenceNumber: numberOf(3, 9), subSequenceNumber: 0, isFinished: true }],
      ])
      await store.save('billing', 'orders', saved)
      assert.deepEqual(await store.load('billing', 'orders'), saved)
    })

    test('moves only the shards that are named, of this client on this stream', async () => {
      await using store = await openFresh()
      await store.save('billing', 'orders', new Map([at(0, 1), at(1, 1)]))
      await store.save('billing', 'orders-eu', new Map([at(0, 2)]))
      await store.save('billing2', 'orders', new Map([at(0, 3)]))
      await store.save('billing', 'orders', new Map([at(1, 4)]))
      assert.deepEqual(await store.load('billing', 'orders'), new Map([at(0, 1), at(1, 4)]))
      assert.deepEqual(await store.load('billing', 'orders-eu'), new Map([at(0, 2)]))
      assert.deepEqual(await store.load('billing2', 'orders'), new Map([at(0, 3)]))
    })

    test('forgets the place inside an aggregate and the end of the shard when a save no longer says them', async () => {
      await using store = await openFresh()
      const [shardId, whole] = at(0, 5)
      await store.save('c', 's', new Map([[shardId, { ...whole, subSequenceNumber: 2, isFinished: true }]]))
      await store.save('c', 's', new Map([[shardId, whole]]))
      assert.deepEqual(await store.load('c', 's'), new Map([[shardId, whole]]))
    })

    test('ends with the last save when many were asked for at once', async () => {
      await using store = await openFresh()
      await Promise.all(Array.from({ length: 30 }, (_, step) => store.save('c', 's', new Map([at(0, step)]))))
      assert.deepEqual(await store.load('c', 's'), new Map([at(0, 29)]))
    })

    test('saves what the map held when save was called', async () => {
      await using store = await openFresh()
      const map = new Map([at(0, 1)])
      const saving = store.save('c', 's', map)
      map.set(...at(0, 2))
      map.set(...at(1, 2))
      await saving
      assert.deepEqual(await store.load('c', 's'), new Map([at(0, 1)]))
    })

    test('hands out copies: changing them changes nothing', async () => {
      await using store = await openFresh()
      await store.save('c', 's', new Map([at(0, 1)]))
      const loaded = await store.load('c', 's')
      for (const checkpoint of loaded.values()) checkpoint.isFinished = true
      loaded.clear()
      assert.deepEqual(await store.load('c', 's'), new Map([at(0, 1)]))
    })

    test('takes an empty save for nothing', async () => {
      await using store = await openFresh()
      await store.save('c', 's', new Map())
      assert.deepEqual(await store.list(), [])
    })

    test('lists rows by client, stream and shard, with the second of their last save', async () => {
      const clock = new ManualClock(Date.UTC(2026, 0, 1))
      await using store = await openFresh({ clock })
      await store.save('b', 's', new Map([at(1, 1), at(0, 1)]))
      await clock.advance(61_500)
      await store.save('a', 't', new Map([at(0, 2)]))
      await store.save('B', 's', new Map([at(0, 2)]))
      const all = await store.list()
      assert.deepEqual(
        all.map((row) => [row.client, row.stream, row.shardId, row.updatedSeconds]),
        [
          ['B', 's', shardIdOf(0), 1_767_225_661],
          ['a', 't', shardIdOf(0), 1_767_225_661],
          ['b', 's', shardIdOf(0), 1_767_225_600],
          ['b', 's', shardIdOf(1), 1_767_225_600],
        ],
      )
      assert.deepEqual(await store.list({ client: 'b' }), all.slice(2))
      assert.deepEqual(await store.list({ stream: 't' }), all.slice(1, 2))
      assert.deepEqual(await store.list({ client: 'a', stream: 's' }), [])
    })

    test('remembers the first start at latest, whoever asks again', async () => {
      await using store = await openFresh()
      const asked = await Promise.all([5000, 6000, 7000].map((ms) => store.pinStart('c', 's', 1_790_000_000_000 + ms)))
      const [pinned] = asked
      assert.deepEqual(asked, [pinned, pinned, pinned])
      assert.equal(await store.pinStart('c', 's', 1), pinned)
      assert.equal(await store.pinStart('c', 'other', 1.75), 1)
      await store.save('c', 's', new Map([at(0, 1)]))
      assert.equal(await store.pinStart('c', 's', 2), pinned, 'other shards may still wait for their first record')
    })

    test('resets the shards named and keeps the pinned start, or resets all and forgets it', async () => {
      await using store = await openFresh()
      await store.pinStart('c', 's', 1000)
      await store.save('c', 's', new Map([at(0, 1), at(1, 1), at(2, 1)]))
      await store.save('c', 'other', new Map([at(0, 1)]))
      assert.equal(await store.reset('c', 's', [shardIdOf(1), shardIdOf(9)]), 1)
      assert.equal(await store.reset('c', 's', []), 0)
      assert.deepEqual(await store.load('c', 's'), new Map([at(0, 1), at(2, 1)]))
      assert.equal(await store.pinStart('c', 's', 2000), 1000)
      assert.equal(await store.reset('c', 's'), 2)
      assert.equal(await store.reset('c', 's'), 0)
      assert.equal(await store.pinStart('c', 's', 2000), 2000)
      assert.deepEqual(await store.load('c', 'other'), new Map([at(0, 1)]))
    })

    test('after a reset nothing of a former end or aggregate comes back', async () => {
      await using store = await openFresh()
      const [shardId, whole] = at(0, 5)
      await store.save('c', 's', new Map([[shardId, { ...whole, subSequenceNumber: 2, isFinished: true }]]))
      await store.reset('c', 's', [shardId])
      await store.save('c', 's', new Map([[shardId, whole]]))
      assert.deepEqual(await store.load('c', 's'), new Map([[shardId, whole]]))
    })

    test('keeps names of 255 characters in any script', async () => {
      await using store = await openFresh()
      for (const name of ['ключ 鍵 🔑', "it's; DROP TABLE x --", '🐟'.repeat(255), ' ', 'a-b_c.d', '%_\\']) {
        await store.save(name, name, new Map([at(0, 1)]))
        assert.deepEqual(await store.load(name, name), new Map([at(0, 1)]))
        assert.equal((await store.list({ client: name, stream: name })).length, 1)
      }
    })

    test('refuses names that no table could hold, with their length', async () => {
      await using store = await openFresh()
      for (const [bad, why] of [
        ['', /has 0 characters/],
        ['x'.repeat(256), /has 256 characters/],
        ['a\0b', /NUL/],
        ['\ud800', /surrogate/],
      ] as const) {
        await refuses(store.save(bad, 's', new Map([at(0, 1)])), why)
        await refuses(store.save('c', bad, new Map([at(0, 1)])), why)
        await refuses(store.save('c', 's', new Map([[bad, at(0, 1)[1]]])), why)
        await refuses(store.load(bad, 's'), why)
        await refuses(store.pinStart('c', bad, 1), why)
        await refuses(store.reset(bad, 's'), why)
      }
    })

    test('refuses what is no position of the shard, and then saves nothing at all', async () => {
      await using store = await openFresh()
      const bad: [Checkpoint, RegExp][] = [
        [{ sequenceNumber: 'None', isFinished: false }, /"None".*no sequence number/],
        [{ sequenceNumber: '', isFinished: false }, /no sequence number/],
        [{ sequenceNumber: `1${'0'.repeat(129)}`, isFinished: false }, /no sequence number/],
        [{ sequenceNumber: numberOf(3, 1), isFinished: false }, /sequence number of shardId-000000000003/],
        [{ sequenceNumber: numberOf(1, 1), subSequenceNumber: -1, isFinished: false }, /sub-sequence number -1/],
        [{ sequenceNumber: numberOf(1, 1), subSequenceNumber: 0.5, isFinished: false }, /sub-sequence number 0.5/],
      ]
      for (const [checkpoint, why] of bad) {
        await refuses(store.save('c', 's', new Map([at(0, 1), [shardIdOf(1), checkpoint]])), why)
      }
      assert.deepEqual(await store.list(), [])
    })

    test('takes numbers that Kinesis never issued (stand-ins do), and shard names of any form', async () => {
      await using store = await openFresh()
      const saved = new Map<string, Checkpoint>([
        [shardIdOf(0), { sequenceNumber: `9${'0'.repeat(128)}`, isFinished: false }],
        ['shard-of-a-stand-in', { sequenceNumber: numberOf(3, 1), isFinished: false }],
      ])
      await store.save('c', 's', saved)
      assert.deepEqual(await store.load('c', 's'), saved)
    })

    test('saves a thousand shards at once', async () => {
      await using store = await openFresh()
      const saved = new Map(Array.from({ length: 1_000 }, (_, index) => at(index, index)))
      await store.save('c', 's', saved)
      assert.deepEqual(await store.load('c', 's'), saved)
      assert.equal(await store.reset('c', 's', [...saved.keys()]), 1_000)
    })

    test('tells of each save', async () => {
      await using store = await openFresh()
      const heard = await listen(() => store.save('c', 's', new Map([at(0, 1), at(1, 1)])))
      assert.deepEqual(
        heard.map((news) => ({ ...news, durationMs: 0 })),
        [{ type: 'checkpoint-saved', client: 'c', stream: 's', shardCount: 2, durationMs: 0 }],
      )
    })

    test('may be initialised again, by many at once, and keeps what it holds', async () => {
      await using first = await openFresh()
      await first.save('c', 's', new Map([at(0, 1)]))
      await Promise.all(Array.from({ length: 5 }, () => first.init()))
      assert.deepEqual(await first.load('c', 's'), new Map([at(0, 1)]))
    })

    test('closes once, however often it is asked to, and answers nothing afterwards', async () => {
      const store = await openFresh()
      await store.save('c', 's', new Map([at(0, 1)]))
      await Promise.all([store.close(), store.close()])
      await store.close()
      for (const call of [
        () => store.init(),
        () => store.load('c', 's'),
        () => store.save('c', 's', new Map([at(0, 1)])),
        () => store.pinStart('c', 's', 1),
        () => store.list(),
        () => store.reset('c', 's'),
      ]) {
        await assert.rejects(call, ClosedError)
      }
    })

    test('finishes what was asked for before it closed', async () => {
      const store = await openFresh()
      const saving = [1, 2, 3].map((step) => store.save('c', 's', new Map([at(0, step)])))
      await store.close()
      await Promise.all(saving)
    })

    test('any course of saves and resets ends where a plain map would', async () => {
      await using store = await openFresh()
      let round = 0
      const checkpoint = fc.record({
        shard: fc.nat(4),
        step: fc.nat(5),
        subSequenceNumber: fc.option(fc.nat(3), { nil: undefined }),
        isFinished: fc.boolean(),
      })
      const step = fc.oneof(
        { weight: 3, arbitrary: fc.record({ save: fc.array(checkpoint, { maxLength: 4 }) }) },
        { weight: 1, arbitrary: fc.record({ reset: fc.option(fc.array(fc.nat(4)), { nil: undefined }) }) },
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
          const client = `client ${round++}`
          const model = new Map<string, Checkpoint>()
          for (const step of steps) {
            if ('save' in step) {
              const saved = new Map(step.save.map((given) => [shardIdOf(given.shard), toCheckpoint(given)]))
              await store.save(client, 's', saved)
              for (const [shardId, kept] of saved) model.set(shardId, kept)
            } else {
              const shardIds = step.reset && [...new Set(step.reset.map(shardIdOf))]
              const gone = (shardIds ?? [...model.keys()]).filter((shardId) => model.delete(shardId))
              assert.equal(await store.reset(client, 's', shardIds), gone.length)
            }
          }
          assert.deepEqual(await store.load(client, 's'), model)
        }),
        { numRuns: runs(2_000), seed: seed() },
      )
    })
  })
}

/** The n-th record of a shard, as Kinesis would number it. */
export function numberOf(shardIndex: number, step: number): string {
  const seconds = 1_790_000_000
  return formatSequenceNumber({
    createTimeSeconds: seconds,
    shardIndex,
    seqIx: BigInt(step),
    seqTimeSeconds: seconds + step,
  })
}

/** One entry for `save`: the shard with this index stands at its n-th record. */
export function at(shardIndex: number, step: number): [string, Checkpoint] {
  return [shardIdOf(shardIndex), { sequenceNumber: numberOf(shardIndex, step), isFinished: false }]
}

/** What was reported while `act` ran. */
export async function listen(act: () => Promise<unknown>): Promise<Diagnostic[]> {
  const heard: Diagnostic[] = []
  const stop = observe((diagnostic) => heard.push(diagnostic))
  try {
    await act()
  } finally {
    stop()
  }
  return heard
}

export function refuses(promise: Promise<unknown>, message: RegExp): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(error instanceof TritonCheckpointError, String(error))
    assert.match(error.message, message)
    return true
  })
}

function toCheckpoint(given: {
  shard: number
  step: number
  subSequenceNumber: number | undefined
  isFinished: boolean
}): Checkpoint {
  const { shard, step, subSequenceNumber, isFinished } = given
  const checkpoint = { sequenceNumber: numberOf(shard, step), isFinished }
  return subSequenceNumber === undefined ? checkpoint : { ...checkpoint, subSequenceNumber }
}
