import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acquireLease } from '../../src/checkpoint/acquire-lease.ts'
import { LeaseKeeper } from '../../src/checkpoint/lease-keeper.ts'
import type { LeaseStore } from '../../src/checkpoint/lease-store.ts'
import { MemoryLeaseStore } from '../../src/checkpoint/memory-lease-store.ts'
import { LeaseLostError, TritonCheckpointError } from '../../src/errors.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { at } from '../contracts/checkpoint-store.contract.ts'
import { ManualClock, settle } from '../support/manual-clock.ts'

const place = { client: 'c', stream: 's', failoverMs: 5_000 }
const shard = shardIdOf(0)

async function open(t: { after: (act: () => Promise<void>) => void }) {
  const clock = new ManualClock()
  const store = new MemoryLeaseStore({ clock })
  const faulty = new FaultyStore(store)
  await store.apply('c', 's', [{ type: 'create', name: shard }])
  const keeperOf = (owner: string) => {
    const keeper = new LeaseKeeper({ ...place, store: faulty, owner, clock })
    t.after(() => keeper.close())
    return keeper
  }
  return { clock, store, faulty, keeperOf }
}

/** A store that is down, or whose answers get lost after the write. */
class FaultyStore implements LeaseStore {
  readonly #store: LeaseStore
  mode: 'up' | 'down' | 'deaf' = 'up'

  constructor(store: LeaseStore) {
    this.#store = store
  }

  get checkpoints() {
    return this.#store.checkpoints
  }

  init = () => this.#store.init()
  list: LeaseStore['list'] = (client, stream) => this.#store.list(client, stream)
  apply: LeaseStore['apply'] = async (client, stream, changes) => {
    if (this.mode === 'down') throw new TritonCheckpointError('the database is down')
    const answers = await this.#store.apply(client, stream, changes)
    if (this.mode === 'deaf') throw new TritonCheckpointError('the answer was lost')
    return answers
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

test('renews its leases for as long as it lives, so that nobody else gets them', async (t) => {
  const { clock, store, faulty, keeperOf } = await open(t)
  const [held] = await keeperOf('a').take(await store.list('c', 's'))
  const waiting = new AbortController()
  let toldOwner = ''
  const other = acquireLease(keeperOf('b'), {
    ...{ ...place, store: faulty, name: shard, clock, signal: waiting.signal },
    onWait: (owner) => {
      toldOwner = owner
    },
  })
  await clock.advance(60_000)
  assert.equal(held?.signal.aborted, false)
  assert.equal(toldOwner, 'a')
  waiting.abort()
  assert.equal(await other, undefined)
})

test('a lease whose owner died goes to who waits for it, failoverMs after its last renewal', async (t) => {
  const { clock, store, faulty, keeperOf } = await open(t)
  const dying = keeperOf('a')
  await dying.take(await store.list('c', 's'))
  const acquired = acquireLease(keeperOf('b'), { ...place, store: faulty, name: shard, clock })
  await clock.advance(3_000)
  await dying.close()
  await clock.advance(6_000)
  assert.equal((await acquired)?.name, shard)
  assert.equal((await store.list('c', 's'))[0]?.owner, 'b')
})

test('an owner that can not renew stops before anybody else may begin', async (t) => {
  const { clock, store, faulty, keeperOf } = await open(t)
  const keeper = keeperOf('a')
  const [held] = await keeper.take(await store.list('c', 's'))
  assert.ok(held)
  await clock.advance(2_000)
  faulty.mode = 'down'
  await assert.rejects(held.write(), TritonCheckpointError)
  await clock.advance(4_200)
  assert.equal(held.signal.aborted, false)
  await clock.advance(400)
  assert.ok(held.signal.reason instanceof LeaseLostError)
  assert.match(held.signal.reason.message, /could not be renewed for 5000 ms/)
  await assert.rejects(held.write(), LeaseLostError)
  faulty.mode = 'up'
  const [again] = await keeper.take(await store.list('c', 's'))
  assert.ok(again, 'nobody took it meanwhile')
})

test('lost answers cost nothing: the next renewal knows what may stand there', async (t) => {
  const { clock, store, faulty, keeperOf } = await open(t)
  const [held] = await keeperOf('a').take(await store.list('c', 's'))
  assert.ok(held)
  held.note(at(0, 1)[1])
  faulty.mode = 'deaf'
  await assert.rejects(held.write(), TritonCheckpointError)
  await clock.advance(2_000)
  faulty.mode = 'up'
  await clock.advance(20_000)
  assert.equal(held.signal.aborted, false)
  assert.deepEqual(await store.checkpoints.load('c', 's'), new Map([at(0, 1)]))
})

test('a checkpoint after the lease was taken fails, and moves nothing', async (t) => {
  const { store, keeperOf } = await open(t)
  const keeper = keeperOf('a')
  const [held] = await keeper.take(await store.list('c', 's'))
  assert.ok(held)
  held.note(at(0, 3)[1])
  await held.write()
  await keeperOf('b').take(await store.list('c', 's'))
  held.note(at(0, 4)[1])
  await assert.rejects(held.write(), LeaseLostError)
  assert.ok(held.signal.aborted)
  assert.deepEqual(await store.checkpoints.load('c', 's'), new Map([at(0, 3)]))
  assert.equal(keeper.held.size, 0)
})

test('writes of one turn are one transaction, in which the last checkpoint counts', async (t) => {
  const { store, faulty, keeperOf } = await open(t)
  await store.apply('c', 's', [{ type: 'create', name: shardIdOf(1) }])
  const leases = await keeperOf('a').take(await store.list('c', 's'))
  let transactionCount = 0
  const { apply } = faulty
  faulty.apply = (...call) => {
    transactionCount += 1
    return apply(...call)
  }
  const writes = leases.flatMap((lease) =>
    [1, 2, 3].map((step) => {
      lease.note(at(lease.name === shard ? 0 : 1, step)[1])
      return lease.write()
    }),
  )
  await Promise.all(writes)
  assert.equal(transactionCount, 1)
  assert.deepEqual(await store.checkpoints.load('c', 's'), new Map([at(0, 3), at(1, 3)]))
})

test('a write that is asked for while the one before is being settled does not wait for the next renewal', async (t) => {
  const { store, keeperOf } = await open(t)
  const [held] = await keeperOf('a').take(await store.list('c', 's'))
  assert.ok(held)
  for (let turns = 0; turns < 30; turns++) {
    await held.write()
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    let isWritten = false
    const writing = held.write().then(() => {
      isWritten = true
    })
    writing.catch(() => {}) // told by the assertion
    await settle()
    assert.ok(isWritten, `asked for ${turns} turns after the one before`)
  }
})

test('a released lease is free at once and holds its last checkpoint', async (t) => {
  const { store, keeperOf } = await open(t)
  const [held] = await keeperOf('a').take(await store.list('c', 's'))
  assert.ok(held)
  held.note(at(0, 3)[1])
  await held.release()
  assert.ok(held.signal.aborted)
  const [lease] = await store.list('c', 's')
  assert.deepEqual([lease?.owner, lease?.state], ['', 'begun'])
  assert.deepEqual(await store.checkpoints.load('c', 's'), new Map([at(0, 3)]))
})
