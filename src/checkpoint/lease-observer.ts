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
  observe(leases: readonly Lease[], nowMs: number): void {
    const seen = new Map<string, Seen>()
    for (const { name, owner, counter } of leases) {
      const before = this.#seen.get(name)
      const isSame = before !== undefined && before.owner === owner && before.counter === counter
      seen.set(name, isSame ? before : { owner, counter, sinceMs: nowMs })
    }
    this.#seen = seen
  }

  /** Whether its owner must have stopped. A free lease is not expired. */
  isExpired({ name, owner }: Lease, nowMs: number): boolean {
    if (owner === '') return false
    const seen = this.#seen.get(name)
    return seen !== undefined && seen.owner === owner && nowMs - seen.sinceMs >= this.#failoverMs
  }

  /** When the next lease of somebody else expires, should its owner have died. */
  nextExpiryMs(self: string): number {
    let earliestMs = Number.POSITIVE_INFINITY
    for (const { owner, sinceMs } of this.#seen.values()) {
      if (owner !== '' && owner !== self) earliestMs = Math.min(earliestMs, sinceMs + this.#failoverMs)
    }
    return earliestMs
  }
}

interface Seen {
  owner: string
  counter: number
  sinceMs: number
}
