import { type Clock, systemClock, type Timer } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { HeldLease, leaseOverdue, leaseReleased, leaseTaken, type PendingWrite } from './held-lease.ts'
import type { Lease, LeaseAnswer, LeaseChange, LeaseStore } from './lease-store.ts'

export interface LeaseKeeperOptions {
  store: LeaseStore
  client: string
  stream: string
  /** Different for each life of each process. */
  owner: string
  /** How long a lease lasts without being renewed, in milliseconds; the same for all who share it. */
  failoverMs: number
  /** Called when a lease is gone that was not released. */
  onLost?: (lease: HeldLease) => void
  /** @default systemClock */
  clock?: Clock
}

/**
 * Holds leases: renews them four times within `failoverMs`, writes their checkpoints on the way, and ends each of them
 * in time when that fails. Writes follow one another, each with everything that waits for one: however many leases, a
 * renewal is one transaction.
 */
export class LeaseKeeper implements AsyncDisposable {
  readonly #options: LeaseKeeperOptions
  readonly #clock: Clock
  readonly #held = new Map<string, HeldLease>()
  /** The highest counter that was tried for a lease that is gone: a late write of then must not pass for one of now. */
  readonly #triedCounters = new Map<string, number>()
  #writing: Promise<void> | undefined
  #isRenewalDue = false
  #renewal: Timer | undefined
  #deadline: Timer | undefined
  #isClosed = false

  constructor(options: LeaseKeeperOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#renewLater()
  }

  get owner(): string {
    return this.#options.owner
  }

  get held(): ReadonlyMap<string, HeldLease> {
    return this.#held
  }

  /**
   * Takes these leases where they are still as observed; answers those that are ours now. `changes` are carried out
   * before, in the same transaction.
   */
  async take(leases: readonly Lease[], changes: readonly LeaseChange[] = []): Promise<HeldLease[]> {
    const { store, client, stream, owner, failoverMs } = this.#options
    const begunMs = this.#clock.monotonic()
    const takes = leases.map((lease): LeaseChange & { type: 'take' } => {
      const next = Math.max(lease.counter, this.#triedCounters.get(lease.name) ?? 0) + 1
      this.#triedCounters.set(lease.name, next)
      return { type: 'take', name: lease.name, by: owner, owner: lease.owner, counter: lease.counter, next }
    })
    const answers = await store.apply(client, stream, [...changes, ...takes])
    const taken: HeldLease[] = []
    takes.forEach(({ name, next }, index) => {
      if (!answers[changes.length + index]?.isDone) return
      this.#triedCounters.delete(name)
      const lease = new HeldLease(name, next, begunMs + failoverMs, this.#onUrgent)
      this.#held.set(name, lease)
      taken.push(lease)
    })
    this.#watchDeadlines()
    return taken
  }

  /** Whether anything may be done under this lease now. A late timer is no excuse. */
  isHeld(lease: HeldLease): boolean {
    if (lease.signal.aborted) return false
    if (this.#clock.monotonic() < lease.deadlineMs) return true
    this.#lose(lease, leaseOverdue(lease.name, this.#options.failoverMs))
    return false
  }

  /** Renews all leases now. Resolves when it was tried. */
  renew(): Promise<void> {
    this.#isRenewalDue = true
    return this.#write()
  }

  /** Renews nothing any more; leases that are held end, without being given back. May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#renewal?.cancel()
    await this.#writing
    this.#deadline?.cancel()
    for (const lease of [...this.#held.values()]) this.#end(lease, leaseReleased(lease.name))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  readonly #onUrgent = () => {
    void this.#write()
  }

  #renewLater(ms = this.#options.failoverMs / 4): void {
    this.#renewal?.cancel()
    if (this.#isClosed) return
    this.#renewal = this.#clock.setTimer(() => void this.renew(), ms)
  }

  #write(): Promise<void> {
    this.#writing ??= this.#writeAll()
    return this.#writing
  }

  async #writeAll(): Promise<void> {
    await Promise.resolve() // what is asked for in the same turn goes along
    try {
      while (this.#isRenewalDue || [...this.#held.values()].some((lease) => lease.isUrgent)) {
        const isRenewal = this.#isRenewalDue
        this.#isRenewalDue = false
        const due = [...this.#held.values()].filter((lease) => (isRenewal || lease.isUrgent) && this.isHeld(lease))
        const isDone = await this.#writeThese(due)
        if (!isDone) this.#renewLater(this.#options.failoverMs / 20)
        else if (isRenewal) this.#renewLater()
      }
    } finally {
      // In the turn in which nothing was urgent: what is asked for from now on must begin anew, not wait for a renewal.
      this.#writing = undefined
    }
  }

  /** Answers false when the store could not be asked. */
  async #writeThese(leases: readonly HeldLease[]): Promise<boolean> {
    if (leases.length === 0) return true
    const { store, client, stream } = this.#options
    const begunMs = this.#clock.monotonic()
    const changes: LeaseChange[] = []
    const writes = leases.map((lease) => {
      const pending = lease.takePending()
      const change = this.#changeOf(lease, pending)
      changes.push(...pending.changes, change)
      return { lease, pending, next: change.next, place: changes.length - 1 }
    })
    let answers: LeaseAnswer[]
    try {
      answers = await store.apply(client, stream, changes)
    } catch (error) {
      this.#fail(writes, error)
      return false
    }
    for (const { lease, pending, next, place } of writes) this.#settle(lease, pending, next, begunMs, answers[place])
    this.#watchDeadlines()
    return true
  }

  #changeOf(lease: HeldLease, pending: PendingWrite): LeaseChange & { type: 'renew' | 'release' } {
    const { name, counter, facts } = lease
    const { releaseTo: to, checkpoint, isFinished } = pending
    lease.triedCounter += 1
    const written = { name, by: this.owner, counter, next: lease.triedCounter, facts }
    const change: LeaseChange & { type: 'renew' | 'release' } =
      to === undefined ? { type: 'renew', ...written } : { type: 'release', to, ...written }
    if (checkpoint !== undefined) change.checkpoint = checkpoint
    if (isFinished) change.isFinished = true
    return change
  }

  #settle(lease: HeldLease, pending: PendingWrite, next: number, begunMs: number, answer?: LeaseAnswer): void {
    if (!answer?.isDone) {
      const error = leaseTaken(lease.name, answer?.lease?.owner)
      this.#lose(lease, error)
      for (const waiting of pending.waiting) waiting.reject(error)
      return
    }
    lease.counter = next
    lease.deadlineMs = begunMs + this.#options.failoverMs
    if (pending.releaseTo !== undefined) this.#end(lease, leaseReleased(lease.name))
    for (const waiting of pending.waiting) waiting.resolve()
  }

  /** The store could not be asked. What was to be written is taken along by the next renewal, which comes soon. */
  #fail(writes: readonly { lease: HeldLease; pending: PendingWrite }[], error: unknown): void {
    const { client, stream } = this.#options
    const reason = error instanceof Error ? error.message : String(error)
    report({ type: 'lease-write-failed', client, stream, leaseCount: writes.length, reason })
    for (const { lease, pending } of writes) {
      lease.putBack(pending)
      for (const waiting of pending.waiting) waiting.reject(error)
    }
  }

  #watchDeadlines(): void {
    this.#deadline?.cancel()
    this.#deadline = undefined
    let earliestMs = Number.POSITIVE_INFINITY
    for (const lease of this.#held.values()) earliestMs = Math.min(earliestMs, lease.deadlineMs)
    if (earliestMs === Number.POSITIVE_INFINITY) return
    this.#deadline = this.#clock.setTimer(
      () => {
        for (const lease of [...this.#held.values()]) this.isHeld(lease)
        this.#watchDeadlines()
      },
      Math.max(0, earliestMs - this.#clock.monotonic()),
    )
  }

  #lose(lease: HeldLease, reason: Error): void {
    this.#end(lease, reason)
    const { client, stream, onLost } = this.#options
    report({ type: 'lease-lost', client, stream, name: lease.name, owner: this.owner, reason: reason.message })
    onLost?.(lease)
  }

  #end(lease: HeldLease, reason: Error): void {
    if (this.#held.get(lease.name) === lease) {
      this.#held.delete(lease.name)
      this.#triedCounters.set(lease.name, lease.triedCounter)
    }
    lease.end(reason)
  }
}
