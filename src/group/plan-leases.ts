import { type ObservedLease, silenceMs } from '../checkpoint/lease-observer.ts'
import { shardIndexOf } from '../kinesis/shard.ts'
import { isMemberLease } from './member-lease.ts'

export interface LeasePlan {
  /** Free or expired ones to take now. */
  take: ObservedLease[]
  /** To be asked of their owners, who hand them over when they have finished what is in hand. */
  ask: ObservedLease[]
  /** Ours, that somebody else asked for who is alive. */
  handOver: ObservedLease[]
}

/**
 * What `self` is to do so that every worker gets its fair share. Pure, and the same for everybody: whoever looks at the
 * same leases deals the same shards to the same workers, so that workers who plan at once don't get into each other's
 * way; where they saw different things, the conditions of the store decide.
 *
 * Workers are those whose member lease is alive, and `self`. A shard counts for the one who owns it, or who has asked
 * for it. What counts for nobody, and what the overloaded have too much, is dealt to those who have too little; counts
 * end at most one apart, and nobody gives or gets more than that takes. Where bytes are measured, the heavy shards are
 * dealt first, each to the worker that carries least. Shards whose parents are not finished are nobody's yet.
 *
 * A worker that has missed a renewal may have died: it keeps what it has until that expires, but is dealt nothing, and
 * as long as there is one nobody is asked for anything. So a death that is noticed here sooner and there later does not
 * make shards move to and fro. The same goes for newcomers, and for those who were asleep, while there are leases that
 * expired: only who has watched them for as long knows that they did.
 */
export function planLeases(leases: readonly ObservedLease[], self: string, nowMs: number): LeasePlan {
  const loads = new Map<string, Load>([[self, newLoad(self, Number.NEGATIVE_INFINITY, false)]])
  for (const lease of leases) {
    if (!isMemberLease(lease) || lease.owner === '' || lease.expiresAtMs <= nowMs) continue
    if (lease.owner !== self) loads.set(lease.owner, newLoad(lease.owner, lease.steadySinceMs, isSilent(lease, nowMs)))
  }
  const pool: ObservedLease[] = []
  const plan: LeasePlan = { take: [], ask: [], handOver: [] }
  const open = readableLeases(leases)
  for (const lease of open) {
    const holder = loads.get(holderOf(lease, loads, nowMs))
    if (holder === undefined) pool.push(lease)
    else hold(holder, lease)
    if (holder?.worker === self && isAvailable(lease, nowMs)) plan.take.push(lease)
    else if (lease.owner === self && holder !== undefined && holder.worker !== self) plan.handOver.push(lease)
  }
  let silentSinceMs = Number.POSITIVE_INFINITY
  for (const { expiresAtMs, seenMs } of pool) if (expiresAtMs <= nowMs) silentSinceMs = Math.min(silentSinceMs, seenMs)
  const canTake = (load: Load) => !load.isSilent && load.sinceMs <= silentSinceMs
  const speaking = [...loads.values()].filter(canTake)
  const isSteady = speaking.length === loads.size
  shareOut(speaking, pool.length + speaking.reduce((sum, load) => sum + load.leases.length, 0))
  if (isSteady) for (const load of speaking) pool.push(...surplusOf(load))
  for (const lease of dealtTo(self, speaking, pool)) {
    if (isAvailable(lease, nowMs)) plan.take.push(lease)
    else if (loads.has(lease.owner)) plan.ask.push(lease)
  }
  return plan
}

/** Shards to be read now: not finished, and no parent of theirs is still being read. */
export function readableLeases<T extends Pick<ObservedLease, 'name' | 'state' | 'parentIds'>>(
  leases: readonly T[],
): T[] {
  const unfinished = new Set<string>()
  for (const { name, state } of leases) if (state !== 'finished') unfinished.add(name)
  return leases.filter(
    (lease) =>
      shardIndexOf(lease.name) !== undefined &&
      lease.state !== 'finished' &&
      !lease.parentIds.some((parentId) => unfinished.has(parentId)),
  )
}

interface Load {
  readonly worker: string
  /** Since when it has been awake, as far as is known; `self` has always been. */
  readonly sinceMs: number
  readonly isSilent: boolean
  readonly leases: ObservedLease[]
  weight: number
  /** How many leases it ends with. */
  target: number
}

function newLoad(worker: string, sinceMs: number, isSilent: boolean): Load {
  return { worker, sinceMs, isSilent, leases: [], weight: 0, target: 0 }
}

function isSilent({ seenMs, expiresAtMs }: ObservedLease, nowMs: number): boolean {
  return nowMs - seenMs > silenceMs(expiresAtMs - seenMs)
}

function hold(load: Load, lease: ObservedLease): void {
  load.leases.push(lease)
  load.weight += weightOf(lease)
}

/** Whoever came, or woke up, after a lease fell silent can't tell yet that it is expired, and would let it lie. */
function isTooNewFor(load: Load, lease: ObservedLease): boolean {
  return load.sinceMs > lease.seenMs
}

/** Whoever asked for a lease gets it, however its owner ends; a worker that is gone gets nothing. */
function holderOf(lease: ObservedLease, workers: ReadonlyMap<string, Load>, nowMs: number): string {
  const asking = workers.get(lease.wantedBy)
  const isExpired = lease.expiresAtMs <= nowMs
  if (asking !== undefined && !(isExpired && isTooNewFor(asking, lease))) return lease.wantedBy
  return isExpired ? '' : lease.owner
}

function isAvailable(lease: ObservedLease, nowMs: number): boolean {
  return lease.owner === '' || lease.expiresAtMs <= nowMs
}

/** Nothing measured weighs as much as anything else; a shard that is idle costs something, too. */
function weightOf({ facts }: ObservedLease): number {
  return Math.max(0, facts.bytesPerSecond) + 1_000
}

/** The odd ones stay with those who have most: what is nearly even is not moved. */
function shareOut(loads: readonly Load[], leaseCount: number): void {
  const base = Math.floor(leaseCount / loads.length)
  const odd = leaseCount % loads.length
  const byCount = [...loads].sort(
    (left, right) => right.leases.length - left.leases.length || compare(left.worker, right.worker),
  )
  byCount.forEach((load, index) => {
    load.target = base + (index < odd ? 1 : 0)
  })
}

/** What it has too much, light and heavy ones in the proportion in which it has them; they no longer count for it. */
function surplusOf(load: Load): ObservedLease[] {
  const { leases, target } = load
  const surplusCount = leases.length - target
  if (surplusCount <= 0) return []
  const sorted = [...leases].sort(heaviestFirst)
  const given = Array.from(
    { length: surplusCount },
    (_, index) => sorted[Math.floor(((index + 0.5) * sorted.length) / surplusCount)],
  ).filter((lease) => lease !== undefined)
  const isGiven = new Set(given)
  load.leases.splice(0, Number.POSITIVE_INFINITY, ...leases.filter((lease) => !isGiven.has(lease)))
  for (const lease of given) load.weight -= weightOf(lease)
  return given
}

/** Deals the pool to all, and answers what `self` got. */
function dealtTo(self: string, loads: readonly Load[], pool: ObservedLease[]): ObservedLease[] {
  const dealt: ObservedLease[] = []
  const hungry = new LightestFirst(loads.filter((load) => load.leases.length < load.target))
  for (const lease of pool.sort(heaviestFirst)) {
    const load = hungry.first
    if (load === undefined) break
    hold(load, lease)
    if (load.worker === self) dealt.push(lease)
    hungry.settleFirst()
  }
  return dealt
}

/** A binary heap of those who still lack leases: at thousands of shards and hundreds of workers a scan is felt. */
class LightestFirst {
  readonly #heap: Load[]

  constructor(loads: Load[]) {
    this.#heap = loads.sort((left, right) => (isLighter(left, right) ? -1 : 1)) // a sorted array is a heap
  }

  get first(): Load | undefined {
    return this.#heap[0]
  }

  /** The first one got a lease: it leaves when it has enough, else it takes its new place. */
  settleFirst(): void {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined) return
    if (first.leases.length >= first.target) {
      const last = heap.pop()
      if (last === undefined || last === first) return
      heap[0] = last
    }
    for (let at = 0; ; ) {
      let lightest = at
      for (const child of [2 * at + 1, 2 * at + 2]) if (this.#isLighterAt(child, lightest)) lightest = child
      if (lightest === at) return
      const moved = heap[at] as Load
      heap[at] = heap[lightest] as Load
      heap[lightest] = moved
      at = lightest
    }
  }

  #isLighterAt(left: number, right: number): boolean {
    const [one, other] = [this.#heap[left], this.#heap[right]]
    return one !== undefined && other !== undefined && isLighter(one, other)
  }
}

function isLighter(left: Load, right: Load): boolean {
  if (left.weight !== right.weight) return left.weight < right.weight
  if (left.leases.length !== right.leases.length) return left.leases.length < right.leases.length
  return left.worker < right.worker
}

function heaviestFirst(left: ObservedLease, right: ObservedLease): number {
  return weightOf(right) - weightOf(left) || compare(left.name, right.name)
}

const compare = (left: string, right: string) => (left < right ? -1 : left > right ? 1 : 0)
