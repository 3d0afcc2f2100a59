import { type Clock, sleep, systemClock } from '../clock.ts'
import type { HeldLease } from './held-lease.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import { LeaseObserver } from './lease-observer.ts'
import type { LeaseStore } from './lease-store.ts'

export interface AcquireLeaseOptions {
  store: LeaseStore
  client: string
  stream: string
  /** What only one may do at a time. */
  name: string
  failoverMs: number
  /** Called once, when somebody else has it. */
  onWait?: (owner: string) => void
  signal?: AbortSignal
  /** @default systemClock */
  clock?: Clock
}

/**
 * Waits until the lease is free or its owner is gone, and takes it. Resolves undefined when `signal` fired first.
 * Rejects when the store can't be asked. The keeper renews it from then on.
 */
export async function acquireLease(keeper: LeaseKeeper, options: AcquireLeaseOptions): Promise<HeldLease | undefined> {
  const { store, client, stream, name, failoverMs, onWait, signal, clock = systemClock } = options
  const observer = new LeaseObserver(failoverMs)
  await store.apply(client, stream, [{ type: 'create', name }])
  for (let isTold = false; !signal?.aborted; ) {
    const leases = (await store.list(client, stream)).filter((lease) => lease.name === name)
    const nowMs = clock.monotonic()
    const [lease] = observer.observe(leases, nowMs)
    if (lease !== undefined && (lease.owner === '' || lease.expiresAtMs <= nowMs)) {
      const [held] = await keeper.take([lease])
      if (held !== undefined) return held
    } else if (lease === undefined) {
      await store.apply(client, stream, [{ type: 'create', name }]) // somebody removed it
    } else if (!isTold) {
      isTold = true
      onWait?.(lease.owner)
    }
    await sleep(clock, failoverMs / 10, signal)
  }
  return undefined
}
