import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { leaseAfter } from '../../src/checkpoint/lease-rules.ts'
import type { Lease, LeaseAnswer, LeaseChange, LeaseStore } from '../../src/checkpoint/lease-store.ts'
import { ClosedError } from '../../src/errors.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { runs, seed } from '../support/soak.ts'
import { at, refuses } from './checkpoint-store.contract.ts'

/** An empty place, and stores in it: one for each process that shares it. */
export interface LeasePlace {
  open(): LeaseStore
}

/** What every `LeaseStore` promises, whatever it keeps its rows in. */
export function leaseStoreContract(name: string, makePlace: () => Promise<LeasePlace>): void {
  const openFresh = async () => {
    const place = await makePlace()
    const store = place.open()
    await store.init()
    return store
  }
  const shard = shardIdOf(0)
  const position = at(0, 1)[1]
  const take = (by: string, owner: string, counter: number): LeaseChange & { type: 'take' } => ({
    ...{ type: 'take', name: shard, by, owner, counter, next: counter + 1 },
  })
  const renew = (by: string, counter: number, next = counter + 1): LeaseChange & { type: 'renew' } => ({
    ...{ type: 'renew', name: shard, by, counter, next },
  })

  describe(`a lease store in ${name}`, () => {
    test('knows nothing at first, and no lease that nobody made', async () => {
      await using store = await openFresh()
      assert.deepEqual(await store.list('c', 's'), [])
      const [answer] = await store.apply('c', 's', [take('a', '', 0)])
      assert.deepEqual(answer, { isDone: false, lease: undefined })
      assert.deepEqual(await store.apply('c', 's', []), [])
    })

    test('makes free leases, once, with their parents', async () => {
      await using store = await openFresh()
      const create: LeaseChange = { type: 'create', name: shardIdOf(4), parentIds: [shardIdOf(1), shardIdOf(2)] }
      const [made] = await store.apply('c', 's', [create])
      const facts = { behindMs: -1, bytesPerSecond: -1, trouble: '' }
      const expected: Lease = {
        ...{ name: shardIdOf(4), owner: '', counter: 0, wantedBy: '', state: 'new', facts },
        parentIds: [shardIdOf(1), shardIdOf(2)],
      }
      assert.deepEqual(made, { isDone: true, lease: expected })
      await store.apply('c', 's', [
        { ...take('a', '', 0), name: shardIdOf(4) },
        { ...create, parentIds: [] },
      ])
      assert.deepEqual(await store.list('c', 's'), [{ ...expected, owner: 'a', counter: 1 }])
      assert.deepEqual(await store.list('c', 'other'), [])
      assert.deepEqual(await store.list('other', 's'), [])
    })

    test('gives a lease to one of many who take it at once', async () => {
      const place = await makePlace()
      const stores = Array.from({ length: 4 }, () => place.open())
      await stores[0]?.init()
      await stores[0]?.apply('c', 's', [{ type: 'create', name: shard }])
      const answers = await Promise.all(
        stores.flatMap((store, which) =>
          [0, 1, 2].map((turn) => store.apply('c', 's', [take(`${which}.${turn}`, '', 0)])),
        ),
      )
      assert.equal(answers.filter(([answer]) => answer?.isDone).length, 1)
      const owners = new Set(answers.filter(([answer]) => answer?.isDone).map(([answer]) => answer?.lease?.owner))
      assert.deepEqual(new Set((await stores[0]?.list('c', 's'))?.map((lease) => lease.owner)), owners)
      await Promise.all(stores.map((store) => store.close()))
    })

    test('gives a lease to one of many who make and take it at once', async () => {
      const place = await makePlace()
      const stores = Array.from({ length: 4 }, () => place.open())
      await stores[0]?.init()
      const answers = await Promise.all(
        stores.map((store, which) => store.apply('c', 's', [{ type: 'create', name: shard }, take(`${which}`, '', 0)])),
      )
      assert.equal(answers.filter(([, taken]) => taken?.isDone).length, 1)
      await Promise.all(stores.map((store) => store.close()))
    })

    test('moves the checkpoint of the owner only, and of a write that is not late', async () => {
      await using store = await openFresh()
      await store.apply('c', 's', [{ type: 'create', name: shard }, take('a', '', 0)])
      const [done] = await store.apply('c', 's', [{ ...renew('a', 1), checkpoint: position }])
      assert.equal(done?.isDone, true)
      assert.equal(done?.lease?.state, 'begun')
      assert.deepEqual(await store.checkpoints.load('c', 's'), new Map([[shard, position]]))
      const later = at(0, 9)[1]
      for (const change of [
        { ...renew('b', 2), checkpoint: later }, // not its owner
        { ...renew('a', 3), checkpoint: later }, // of a counter that was never there
        { ...renew('a', 0, 1), checkpoint: later }, // late
      ]) {
        const [answer] = await store.apply('c', 's', [change])
        assert.equal(answer?.isDone, false)
        assert.equal(answer?.lease?.counter, 2)
      }
      await store.apply('c', 's', [take('b', 'a', 2)])
      const [lost] = await store.apply('c', 's', [{ ...renew('a', 2), checkpoint: later }])
      assert.equal(lost?.isDone, false)
      assert.equal(lost?.lease?.owner, 'b')
      assert.deepEqual(await store.checkpoints.load('c', 's'), new Map([[shard, position]]))
    })

    test('lets an owner go on whose answer was lost, and does a repeated change once', async () => {
      await using store = await openFresh()
      const first = [{ type: 'create', name: shard } as const, take('a', '', 0)]
      await store.apply('c', 's', first)
      assert.equal((await store.apply('c', 's', first))[1]?.isDone, true)
      await store.apply('c', 's', [renew('a', 1, 2)]) // its answer is lost
      const [again] = await store.apply('c', 's', [renew('a', 1, 3)])
      assert.equal(again?.isDone, true)
      assert.equal(again?.lease?.counter, 3)
      assert.equal((await store.apply('c', 's', [renew('a', 1, 3)]))[0]?.lease?.counter, 3)
      assert.equal((await store.apply('c', 's', [renew('a', 1, 2)]))[0]?.isDone, false, 'the lost one comes late')
    })

    test('releases to nobody or to who asked for it, and a repeated release moves nothing', async () => {
      await using store = await openFresh()
      await store.apply('c', 's', [{ type: 'create', name: shard }, take('a', '', 0)])
      assert.equal((await store.apply('c', 's', [{ type: 'ask', name: shard, by: 'b', owner: 'x' }]))[0]?.isDone, false)
      const [asked] = await store.apply('c', 's', [{ type: 'ask', name: shard, by: 'b', owner: 'a' }])
      assert.equal(asked?.lease?.wantedBy, 'b')
      assert.equal(asked?.lease?.counter, 1)
      const release: LeaseChange = { ...renew('a', 1), type: 'release', to: 'b', checkpoint: position }
      const [released] = await store.apply('c', 's', [release])
      assert.deepEqual([released?.lease?.owner, released?.lease?.wantedBy], ['b', ''])
      await store.checkpoints.save('c', 's', new Map([at(0, 5)]))
      assert.deepEqual((await store.apply('c', 's', [release]))[0]?.isRepeated, true)
      assert.deepEqual(await store.checkpoints.load('c', 's'), new Map([at(0, 5)]))
      const [taken] = await store.apply('c', 's', [take('b', 'b', 2)])
      assert.equal(taken?.isDone, true)
      const [free] = await store.apply('c', 's', [{ ...renew('b', 3), type: 'release', to: '' }])
      assert.equal(free?.lease?.owner, '')
    })

    test('makes the children in the transaction that finishes the parent', async () => {
      await using store = await openFresh()
      await store.apply('c', 's', [{ type: 'create', name: shard }, take('a', '', 0)])
      await store.apply('c', 's', [
        { type: 'create', name: shardIdOf(1), parentIds: [shard] },
        { type: 'create', name: shardIdOf(2), parentIds: [shard] },
        { ...renew('a', 1), type: 'release', to: '', checkpoint: { ...position, isFinished: true } },
      ])
      const leases = byName(await store.list('c', 's'))
      assert.deepEqual(
        leases.map(({ name, state, owner }) => [name, state, owner]),
        [
          [shard, 'finished', ''],
          [shardIdOf(1), 'new', ''],
          [shardIdOf(2), 'new', ''],
        ],
      )
      assert.equal((await store.checkpoints.load('c', 's')).get(shard)?.isFinished, true)
    })

    test('removes a lease that did not change, and calls a missing one removed', async () => {
      await using store = await openFresh()
      await store.apply('c', 's', [{ type: 'create', name: shard }, take('a', '', 0)])
      const remove = (counter: number): LeaseChange => ({ type: 'delete', name: shard, owner: 'a', counter })
      assert.equal((await store.apply('c', 's', [remove(0)]))[0]?.isDone, false)
      assert.deepEqual(await store.apply('c', 's', [remove(1)]), [{ isDone: true, lease: undefined }])
      assert.equal((await store.apply('c', 's', [remove(1)]))[0]?.isDone, true)
      assert.deepEqual(await store.list('c', 's'), [])
    })

    test('keeps what an owner tells, cut to what a column takes', async () => {
      await using store = await openFresh()
      const facts = { behindMs: 1234, bytesPerSecond: 5, trouble: `handler runs ${'x'.repeat(300)}` }
      await store.apply('c', 's', [{ type: 'create', name: shard }, take('a', '', 0), { ...renew('a', 1), facts }])
      const [lease] = await store.list('c', 's')
      assert.equal(lease?.facts.behindMs, 1234)
      assert.ok(lease?.facts.trouble.startsWith('handler runs xxx'))
    })

    test('renews a lease whose owner tells what no column could hold', async () => {
      await using store = await openFresh()
      const told = ['a NUL \0 in it', 'half a pair \ud83d', '😀'.repeat(300), '"quoted" \\ and \n']
      await store.apply('c', 's', [{ type: 'create', name: shard }, take('a', '', 0)])
      for (const [index, trouble] of told.entries()) {
        const facts = { behindMs: 0, bytesPerSecond: 0, trouble }
        assert.equal((await store.apply('c', 's', [{ ...renew('a', index + 1), facts }]))[0]?.isDone, true)
        const [lease] = await store.list('c', 's')
        assert.equal(lease?.counter, index + 2)
        assert.equal(lease?.facts.trouble.slice(0, 3), trouble.slice(0, 3))
      }
    })

    test('refuses names and positions that no table could hold, and then changes nothing', async () => {
      await using store = await openFresh()
      await store.apply('c', 's', [{ type: 'create', name: shard }, take('a', '', 0)])
      await refuses(store.apply('c', 's', [renew('a', 1), { type: 'create', name: 'x'.repeat(256) }]), /256 characters/)
      const alien = { ...renew('a', 1), checkpoint: at(3, 1)[1] }
      await refuses(store.apply('c', 's', [alien]), /sequence number of shardId-000000000003/)
      await refuses(store.apply('', 's', [renew('a', 1)]), /client name/)
      await refuses(store.list('c', ''), /stream name/)
      assert.equal((await store.list('c', 's'))[0]?.counter, 1)
    })

    test('renews three thousand leases at once', async () => {
      await using store = await openFresh()
      const names = Array.from({ length: 3_000 }, (_, index) => shardIdOf(index))
      await store.apply(
        'c',
        's',
        names.flatMap((name) => [
          { type: 'create', name },
          { ...take('a', '', 0), name },
        ]),
      )
      const answers = await store.apply(
        'c',
        's',
        names.map((name, index) => ({ ...renew('a', 1), name, checkpoint: at(index, 1)[1] })),
      )
      assert.ok(answers.every((answer) => answer.isDone && answer.lease?.counter === 2))
      assert.equal((await store.checkpoints.load('c', 's')).size, 3_000)
    })

    test('closes once, however often it is asked to, and answers nothing afterwards', async () => {
      const store = await openFresh()
      await Promise.all([store.close(), store.close()])
      await assert.rejects(store.list('c', 's'), ClosedError)
      await assert.rejects(store.apply('c', 's', [renew('a', 1)]), ClosedError)
      await assert.rejects(store.checkpoints.load('c', 's'), ClosedError)
    })

    test('any course of changes, some of them repeated, ends where the rules say', async () => {
      await using store = await openFresh()
      let round = 0
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(anyChange, { minLength: 1, maxLength: 4 }), { maxLength: 12 }),
          async (steps) => {
            const client = `client ${round++}`
            const model = new Map<string, Lease>()
            for (const changes of steps) {
              for (const change of changes) {
                const made = change.type === 'create' && !model.has(change.name) && leaseAfter(undefined, change).lease
                if (made) model.set(change.name, made)
              }
              const expected = changes.map((change): LeaseAnswer => {
                const answer = leaseAfter(model.get(change.name), change)
                if (answer.lease === undefined) model.delete(change.name)
                else model.set(change.name, answer.lease)
                return answer
              })
              assert.deepEqual(await store.apply(client, 's', changes), expected)
            }
            assert.deepEqual(byName(await store.list(client, 's')), byName([...model.values()]))
          },
        ),
        { numRuns: runs(2_000), seed: seed() },
      )
    })
  })
}

const anyName = fc.constantFrom(shardIdOf(0), shardIdOf(1))
const anyOwner = fc.constantFrom('a', 'b')
const anyCounter = fc.nat(6)
const anyWrite = fc
  .record({
    name: anyName,
    by: anyOwner,
    counter: anyCounter,
    above: fc.integer({ min: 1, max: 3 }),
    isRelease: fc.boolean(),
  })
  .map(
    ({ isRelease, above, ...write }): LeaseChange => ({
      ...(isRelease ? { type: 'release', to: '' } : { type: 'renew' }),
      ...{ ...write, next: write.counter + above },
    }),
  )
const anyChange: fc.Arbitrary<LeaseChange> = fc.oneof(
  { weight: 2, arbitrary: anyName.map((name): LeaseChange => ({ type: 'create', name })) },
  {
    weight: 4,
    arbitrary: fc
      .record({ name: anyName, by: anyOwner, owner: fc.constantFrom('', 'a', 'b'), counter: anyCounter })
      .map((take): LeaseChange => ({ type: 'take', ...take, next: take.counter + 1 })),
  },
  { weight: 5, arbitrary: anyWrite },
  {
    weight: 1,
    arbitrary: fc
      .record({ name: anyName, by: anyOwner, owner: anyOwner })
      .map((ask): LeaseChange => ({ type: 'ask', ...ask })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ name: anyName, owner: fc.constantFrom('', 'a'), counter: anyCounter })
      .map((gone): LeaseChange => ({ type: 'delete', ...gone })),
  },
)

function byName(leases: readonly Lease[]): Lease[] {
  return [...leases].sort((left, right) => (left.name < right.name ? -1 : 1))
}
