import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LeaseObserver, type ObservedLease } from '../../src/checkpoint/lease-observer.ts'
import { leaseAfter } from '../../src/checkpoint/lease-rules.ts'
import { type Lease, type LeaseChange, unknownFacts } from '../../src/checkpoint/lease-store.ts'
import { memberLeaseName } from '../../src/group/member-lease.ts'
import { planLeases } from '../../src/group/plan-leases.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { type Random, randomInteger, seededRandom } from '../../src/random.ts'
import { runs, seed } from '../support/soak.ts'

const nothing = { take: [], ask: [], handOver: [] }
const never = Number.POSITIVE_INFINITY

function lease(index: number, about: Partial<ObservedLease> = {}): ObservedLease {
  return {
    ...{
      name: shardIdOf(index),
      owner: '',
      counter: 1,
      wantedBy: '',
      parentIds: [],
      state: 'new',
      facts: unknownFacts,
    },
    firstSeenMs: 0,
    steadySinceMs: 0,

    seenMs: 0,
    expiresAtMs: about.owner === undefined ? never : 5_000,
    ...about,
  }
}

const member = (owner: string): ObservedLease => ({ ...lease(0, { owner }), name: memberLeaseName(owner) })
const namesOf = (leases: readonly Lease[]) => leases.map(({ name }) => Number(name.slice(-3))).sort((a, b) => a - b)

describe('planning of leases', () => {
  test('a lone worker takes all that is free', () => {
    const plan = planLeases([member('a'), lease(0), lease(1), lease(2)], 'a', 0)
    assert.deepEqual(namesOf(plan.take), [0, 1, 2])
    assert.deepEqual(plan.ask, [])
  })

  test('two who look at the same free shards take different ones', () => {
    const leases = [member('a'), member('b'), ...[0, 1, 2, 3, 4].map((index) => lease(index))]
    const [one, other] = ['a', 'b'].map((self) => namesOf(planLeases(leases, self, 0).take))
    assert.deepEqual([...(one ?? []), ...(other ?? [])].sort(), [0, 1, 2, 3, 4])
    assert.ok(Math.abs((one?.length ?? 0) - (other?.length ?? 0)) <= 1)
  })

  test('a newcomer asks the most loaded for its whole deficit, and for nothing else', () => {
    const leases = [member('a'), member('b'), ...[0, 1, 2, 3].map((index) => lease(index, { owner: 'a' }))]
    const plan = planLeases(leases, 'b', 0)
    assert.deepEqual(plan.take, [])
    assert.equal(plan.ask.length, 2)
    assert.deepEqual(planLeases(leases, 'a', 0), nothing)
  })

  test('what is nearly even is left alone', () => {
    const owners = ['a', 'a', 'b', 'b', 'b']
    const leases = [member('a'), member('b'), ...owners.map((owner, index) => lease(index, { owner }))]
    for (const self of ['a', 'b']) assert.deepEqual(planLeases(leases, self, 0), nothing)
  })

  test('expired leases are taken, those of the living are not', () => {
    const leases = [member('a'), member('b'), lease(0, { owner: 'dead', expiresAtMs: 5 }), lease(1, { owner: 'b' })]
    assert.deepEqual(namesOf(planLeases(leases, 'a', 5).take), [0])
    assert.deepEqual(planLeases(leases, 'a', 4).take, [])
  })

  test('a lease that is asked for goes to who asked, and to nobody else while he lives', () => {
    const released = lease(0, { wantedBy: 'b' })
    const rest = [lease(1, { owner: 'a' })]
    assert.deepEqual(planLeases([member('a'), member('b'), released, ...rest], 'a', 0).take, [])
    assert.deepEqual(namesOf(planLeases([member('a'), member('b'), released, ...rest], 'b', 0).take), [0])
    assert.deepEqual(namesOf(planLeases([member('a'), released, ...rest], 'a', 0).take), [0])
  })

  test('nobody takes a shard before both its parents are finished', () => {
    const child = lease(2, { parentIds: [shardIdOf(0), shardIdOf(1)] })
    const parents = (states: Lease['state'][]) => states.map((state, index) => lease(index, { state, owner: 'x' }))
    const takes = (states: Lease['state'][]) =>
      namesOf(planLeases([member('a'), child, ...parents(states)], 'a', 0).take)
    assert.deepEqual(takes(['begun', 'new']), [])
    assert.deepEqual(takes(['finished', 'begun']), [])
    assert.deepEqual(takes(['finished', 'finished']), [2])
    assert.deepEqual(namesOf(planLeases([member('a'), child], 'a', 0).take), [2], 'parents that are gone')
  })

  test('heavy shards are dealt so that bytes are even, too', () => {
    const bytes = [900_000, 800_000, 100_000, 90_000, 80_000, 70_000]
    const leases = bytes.map((bytesPerSecond, index) => lease(index, { facts: { ...unknownFacts, bytesPerSecond } }))
    const loads = ['a', 'b'].map((self) => {
      const { take } = planLeases([member('a'), member('b'), ...leases], self, 0)
      assert.equal(take.length, 3)
      return take.reduce((sum, { facts }) => sum + facts.bytesPerSecond, 0)
    })
    assert.ok(Math.max(...loads) / Math.min(...loads) < 1.2, String(loads))
  })

  test('names that are no shards are nobody’s share', () => {
    const store = { ...lease(0), name: 'store' }
    const junk = { ...lease(0), name: "'; DROP TABLE" }
    assert.deepEqual(planLeases([member('a'), store, junk], 'a', 0).take, [])
  })
})

/**
 * Workers that share one table of leases and take turns: in a round each of them renews, plans and hands over what it
 * is asked for, in an order that chance decides. One round takes a second.
 */
class Group {
  readonly leases = new Map<string, Lease>()
  readonly workers = new Map<string, { observer: LeaseObserver; isPaused: boolean }>()
  readonly failoverMs = 5_000
  readonly #random: Random
  nowMs = 0
  moveCount = 0
  /** When each shard was last read by somebody who held its lease in time. */
  readonly readAtMs = new Map<string, number>()
  /** How many had died or fallen asleep by then. */
  readonly failedAtRead = new Map<string, number>()
  failedCount = 0

  constructor(shardCount: number, random: Random) {
    this.#random = random
    for (let index = 0; index < shardCount; index++) {
      this.#apply({ type: 'create', name: shardIdOf(index) })
      this.readAtMs.set(shardIdOf(index), 0)
    }
  }

  join(worker: string): void {
    this.workers.set(worker, { observer: new LeaseObserver(this.failoverMs), isPaused: false })
    this.#apply({ type: 'create', name: memberLeaseName(worker) })
    this.#apply({ type: 'take', name: memberLeaseName(worker), by: worker, owner: '', counter: 0, next: 1 })
  }

  die(worker: string): void {
    this.workers.delete(worker)
    this.failedCount += 1
  }

  sleep(worker: string): void {
    const self = this.workers.get(worker)
    if (self === undefined || self.isPaused) return
    self.isPaused = true
    this.failedCount += 1
  }

  wake(worker: string): void {
    const self = this.workers.get(worker)
    if (self !== undefined) self.isPaused = false
  }

  /** How long each shard has been unread, and how many died or fell asleep since, its reader among them. */
  unread(): { name: string; ms: number; failedCount: number }[] {
    return [...this.readAtMs].map(([name, readAtMs]) => ({
      ...{ name, ms: this.nowMs - readAtMs },
      failedCount: this.failedCount - (this.failedAtRead.get(name) ?? 0),
    }))
  }

  round(): void {
    this.nowMs += 1_000
    const order = [...this.workers.keys()]
    for (let left = order.length; left > 1; left--) {
      const other = randomInteger(this.#random, left)
      const moved = order[left - 1] as string
      order[left - 1] = order[other] as string
      order[other] = moved
    }
    for (const worker of order) this.#turn(worker)
  }

  #turn(worker: string): void {
    const self = this.workers.get(worker)
    if (self === undefined || self.isPaused) return
    const nowMs = this.nowMs
    for (const { name, owner, counter } of this.leases.values()) {
      if (owner === worker) this.#apply({ type: 'renew', name, by: worker, counter, next: counter + 1 })
    }
    const observed = self.observer.observe([...this.leases.values()], nowMs)
    const plan = planLeases(observed, worker, nowMs)
    for (const { name, owner, counter } of plan.take) {
      const take = { type: 'take', name, by: worker, owner, counter, next: counter + 1 } as const
      if (this.#apply(take)) this.moveCount += 1
    }
    for (const { name, owner } of plan.ask) this.#apply({ type: 'ask', name, by: worker, owner })
    for (const { name, owner } of this.leases.values()) {
      if (owner !== worker || !this.readAtMs.has(name)) continue
      this.readAtMs.set(name, nowMs)
      this.failedAtRead.set(name, this.failedCount)
    }
    for (const { name, wantedBy: to } of plan.handOver) {
      const { counter = 0 } = this.leases.get(name) ?? {}
      if (this.#apply({ type: 'release', name, by: worker, counter, next: counter + 1, to })) this.moveCount += 1
    }
  }

  get counts(): number[] {
    const counts = new Map([...this.workers.keys()].map((worker) => [worker, 0]))
    for (const { name, owner } of this.leases.values()) {
      if (!name.startsWith('shardId')) continue
      if (!counts.has(owner)) return [0, Number.POSITIVE_INFINITY]
      counts.set(owner, (counts.get(owner) ?? 0) + 1)
    }
    return [...counts.values()]
  }

  get isEven(): boolean {
    return Math.max(...this.counts) - Math.min(...this.counts) <= 1
  }

  /** How many leases have to change hands until all is even. */
  get deficit(): number {
    const counts = new Map([...this.workers.keys()].map((worker) => [worker, 0]))
    let shardCount = 0
    for (const { name, owner } of this.leases.values()) {
      if (!name.startsWith('shardId')) continue
      shardCount += 1
      if (counts.has(owner)) counts.set(owner, (counts.get(owner) ?? 0) + 1)
    }
    const sorted = [...counts.values()].sort((left, right) => right - left)
    const base = Math.floor(shardCount / sorted.length)
    return sorted.reduce((sum, count, index) => {
      return sum + Math.max(0, base + (index < shardCount % sorted.length ? 1 : 0) - count)
    }, 0)
  }

  #apply(change: LeaseChange): boolean {
    const { isDone, lease: after } = leaseAfter(this.leases.get(change.name), change)
    if (after === undefined) this.leases.delete(change.name)
    else this.leases.set(change.name, after)
    return isDone
  }
}

function settles(group: Group, rounds: number): void {
  const { deficit } = group
  const before = group.moveCount
  for (let round = 0; round < rounds; round++) group.round()
  assert.ok(group.isEven, `after ${rounds} rounds the counts are ${group.counts.sort().join(' ')}`)
  assert.ok(group.moveCount - before <= deficit, `${group.moveCount - before} moves for a deficit of ${deficit}`)
  for (let round = 0; round < 3; round++) group.round()
  assert.ok(group.moveCount - before <= deficit, 'nothing moves any more')
}

describe('a group of workers', () => {
  const sizes = [
    { shardCount: 4, workerCount: 2 },
    { shardCount: 7, workerCount: 3 },
    { shardCount: 1_000, workerCount: 50 },
    { shardCount: 3, workerCount: 10 },
  ]
  for (const { shardCount, workerCount } of sizes) {
    test(`shares ${shardCount} shards among ${workerCount} workers within two rounds of the last change`, () => {
      const group = new Group(shardCount, seededRandom(1))
      group.join('w0')
      settles(group, 2)
      for (let index = 1; index < workerCount; index++) group.join(`w${index}`)
      settles(group, 2)
    })
  }

  test('10,000 shards and 500 workers that join and die are even two rounds after the last change, in as few moves as can be', () => {
    const [shardCount, workerCount] = [runs(10_000, 1_000), runs(500, 50)]
    const group = new Group(shardCount, seededRandom(2))
    for (let index = 0; index < workerCount / 2; index++) group.join(`w${index}`)
    settles(group, 2)
    for (let index = workerCount / 2; index < workerCount; index++) group.join(`w${index}`)
    settles(group, 2)
    for (let index = 0; index < workerCount / 5; index++) group.die(`w${index * 3}`)
    settles(group, group.failoverMs / 1_000 + 2)
  })

  test('no shard is unread longer than failoverMs and a round, whoever dies or pauses, and two more for each successor that fails as well', () => {
    const random = seededRandom(seed())
    const group = new Group(40, random)
    group.join('w0')
    for (let count = 1, round = 0; round < runs(10_000, 200); round++) {
      const living = [...group.workers.keys()]
      const chosen = living[randomInteger(random, living.length)] as string
      const dice = random.next()
      if (dice < 0.1 && living.length < 12) group.join(`w${count++}`)
      else if (dice < 0.15 && living.length > 2) group.die(chosen)
      else if (dice < 0.2 && living.filter((worker) => !group.workers.get(worker)?.isPaused).length > 2) {
        group.sleep(chosen)
      } else if (dice < 0.3) group.wake(chosen)
      group.round()
      for (const { name, ms, failedCount } of group.unread()) {
        // One that fails meanwhile may be the very one who was to go on: its silence is noticed two rounds later.
        const rounds = 1 + 2 * Math.max(0, failedCount - 1)
        assert.ok(ms <= group.failoverMs + rounds * 1_000, `${name} is unread for ${ms} ms, ${failedCount} failed`)
      }
    }
    for (const worker of group.workers.keys()) group.wake(worker)
    for (let round = 0; round < 8; round++) group.round()
    settles(group, 2)
  })
})
