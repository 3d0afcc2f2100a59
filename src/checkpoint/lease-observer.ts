import type { Lease } from './lease-store.ts'

/**
 * When leases were last seen to change, on this observer's own clock. A lease whose owner and counter have not moved
 * for `failoverMs` is expired: its owner stopped before that, `failoverMs` after its last write *began*, and the write
 * began before it was seen here. Time comes as an argument and must be monotonic.
 */
export class LeaseObserver {
  readonly #failoverMs: number
  #seen = new Map<string, Seen>()

  constructor(failoverMs: number) {
    this.#failoverMs = failoverMs
  }

  /** All leases as they are now; what is not among them is forgotten. `nowMs`: when the answer had come. */
  observe(leases: readonly Lease[], nowMs: number): ObservedLease[] {
    const seen = new Map<string, Seen>()
    const observed = leases.map((lease): ObservedLease => {
      const before = this.#seen.get(lease.name)
      const isSame = before !== undefined && before.owner === lease.owner && before.counter === lease.counter
      const firstMs = before?.firstMs ?? nowMs
      const now = isSame ? before : { owner: lease.owner, counter: lease.counter, sinceMs: nowMs, firstMs }
      seen.set(lease.name, now)
      const expiresAtMs = lease.owner === '' ? Number.POSITIVE_INFINITY : now.sinceMs + this.#failoverMs
      return { ...lease, firstSeenMs: now.firstMs, seenMs: now.sinceMs, expiresAtMs }
    })
    this.#seen = seen
    return observed
  }
}

/** A lease, and when it expires if nothing of it changes; on the observer's monotonic clock. */
export interface ObservedLease extends Lease {
  /** When a lease of this name was first seen. */
  firstSeenMs: number
  /** When it was first seen as it is. */
  seenMs: number
  /** Never for a free lease. */
  expiresAtMs: number
}

interface Seen {
  owner: string
  counter: number
  sinceMs: number
  firstMs: number
}
