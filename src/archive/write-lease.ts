import type { HeldLease } from '../checkpoint/held-lease.ts'
import { LeaseKeeper } from '../checkpoint/lease-keeper.ts'
import { LeaseObserver } from '../checkpoint/lease-observer.ts'
import type { LeaseStore } from '../checkpoint/lease-store.ts'
import { type Clock, sleep, systemClock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { LeaseHeldError } from '../errors.ts'
import { holderName, isHolderGone } from './lease-holder.ts'

export interface WriteLeaseOptions {
  /** After how long without a sign of life others may take it over, in milliseconds. @default 10_000 */
  leaseMs?: number
  /** Ends the waiting for a holder that may be dead. */
  signal?: AbortSignal
  /** @default systemClock */
  clock?: Clock
}

/**
 * The right of one process at a time to write a client's archive of a stream: a lease named `store` beside those of
 * worker groups.
 *
 *     wanted -> held -> lost (somebody took it over) or released
 *
 * A lease alone fences nothing: a holder that stood still for a while learns that it lost it when it asks, and has to ask
 * (`confirm`) between the steps that could do harm.
 */
export class WriteLease implements AsyncDisposable {
  readonly #keeper: LeaseKeeper
  readonly #held: HeldLease
  #closed: Promise<void> | undefined

  private constructor(keeper: LeaseKeeper, held: HeldLease) {
    this.#keeper = keeper
    this.#held = held
  }

  /**
   * Takes it where it is free, at once where its holder was a process of this host that is gone, and where the holder
   * gives no sign of life for as long as the lease lasts. Rejects with a `LeaseHeldError` when it gives one.
   */
  static async take(
    store: LeaseStore,
    client: string,
    stream: string,
    { leaseMs = 10_000, signal, clock = systemClock }: WriteLeaseOptions = {},
  ): Promise<WriteLease> {
    const keeper = new LeaseKeeper({ store, client, stream, owner: holderName(), failoverMs: leaseMs, clock })
    const observer = new LeaseObserver(leaseMs)
    let seen: { owner: string; counter: number } | undefined
    try {
      for (;;) {
        await store.apply(client, stream, [{ type: 'create', name: leaseName }])
        const leases = (await store.list(client, stream)).filter(({ name }) => name === leaseName)
        const nowMs = clock.monotonic()
        const [lease] = observer.observe(leases, nowMs)
        if (lease === undefined) continue
        const { owner, counter, expiresAtMs } = lease
        if (owner === '' || expiresAtMs <= nowMs || isHolderGone(owner)) {
          const [held] = await keeper.take([lease])
          if (owner !== '' && held !== undefined) report({ type: 'store-taken-over', client, stream, from: owner })
          if (held !== undefined) return new WriteLease(keeper, held)
          continue
        }
        if (signal?.aborted || (seen !== undefined && (seen.owner !== owner || seen.counter !== counter)))
          throw new LeaseHeldError(
            `client ${client} is already storing ${stream}, in the process ${owner}: stop that one, or take another client name`,
          )
        seen = { owner, counter }
        await sleep(clock, leaseMs / 20, signal)
      }
    } catch (error) {
      await keeper.close()
      throw error
    }
  }

  /** Fires when the lease is gone. */
  get lost(): AbortSignal {
    return this.#held.signal
  }

  /** Resolves while the lease is ours, which it then is for a while more; rejects with a `LeaseLostError` else. */
  confirm(): Promise<void> {
    return this.#held.write()
  }

  /** Gives it back. May be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    // Who comes next finds that this process is gone, or waits until the lease has run out.
    await this.#held.release().catch(() => undefined)
    await this.#keeper.close()
  }
}

const leaseName = 'store'
