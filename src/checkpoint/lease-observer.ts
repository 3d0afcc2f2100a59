import type { Lease } from './lease-store.ts'

/**
 * When leases were last seen to change, on this observer's own clock. A lease whose owner and counter have not moved
 * for `failoverMs` is expired: its owner stopped before that, `failoverMs` after its last write *began*, and the write
 * began before it was seen here. Time comes as an argument and must be monotonic.
 */
export class LeaseObserver {
  readonly #failoverMs: number
  #seen = new Map<string, Seen>()
  #lookedAtMs = Number.NEGATIVE_INFINITY

  constructor(failoverMs: number) {
    this.#failoverMs = failoverMs
  }

  /** All leases as they are now; what is not among them is forgotten. `nowMs`: when the answer had come. */
  observe(leases: readonly Lease[], nowMs: number): ObservedLease[] {
    const seen = new Map<string, Seen>()
    const observed = leases.map((lease): ObservedLease => {
      const before = this.#seen.get(lease.name)
      const isSame = before !== undefined && before.owner === lease.owner && before.counter === lease.counter
      const now = isSame ? before : this.#changed(lease, before, nowMs)
      seen.set(lease.name, now)
      const expiresAtMs = lease.owner === '' ? Number.POSITIVE_INFINITY : now.sinceMs + this.#failoverMs
      const { name, owner, counter, wantedBy, parentIds, state, facts } = lease
      const { firstMs: firstSeenMs, steadyMs: steadySinceMs, sinceMs: seenMs } = now
      // Spelled out: a spread takes many times as long, for each lease at each look.
      return {
        name,
        owner,
        counter,
        wantedBy,
        parentIds,
        state,
        facts,
        firstSeenMs,
        steadySinceMs,
        seenMs,
        expiresAtMs,
      }
    })
    this.#seen = seen
    this.#lookedAtMs = nowMs
    return observed
  }

  #changed({ owner, counter }: Lease, before: Seen | undefined, nowMs: number): Seen {
    // Only a silence that was looked at is one: who was asleep himself can't say that others were.
    const wasSilent = before !== undefined && this.#lookedAtMs - before.sinceMs > silenceMs(this.#failoverMs)
    const steadyMs = before === undefined || wasSilent ? nowMs : before.steadyMs
    return { owner, counter, sinceMs: nowMs, firstMs: before?.firstMs ?? nowMs, steadyMs }
  }
}

/** Renewals come four times within the life of a lease: after so long without one, it is overdue. */
export function silenceMs(failoverMs: number): number {
  return failoverMs / 3
}

/** A lease, and when it expires if nothing of it changes; on the observer's monotonic clock. */
export interface ObservedLease extends Lease {
  /** When a lease of this name was first seen. */
  firstSeenMs: number
  /** Since when it has been renewed without a pause that was noticed. */
  steadySinceMs: number
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
  steadyMs: number
}
