import type { HeldLease } from '../checkpoint/held-lease.ts'
import type { Lease } from '../checkpoint/lease-store.ts'
import { sleep } from '../clock.ts'
import { backoffMs } from '../consumer/backoff.ts'
import type { PrefetchBudget } from '../consumer/prefetch-budget.ts'
import { report } from '../diagnostics.ts'
import { ClosedError } from '../errors.ts'
import type { ChildShard } from '../kinesis/kinesis-api.ts'
import type { Gate } from './gate.ts'
import { reasonOf } from './handle-batch.ts'
import { idlePauseMs } from './idle-pause.ts'
import { judgeStuck, type Stuck } from './judge-stuck.ts'
import type { ShardRegister } from './shard-register.ts'
import { type RunnerState, ShardRunner } from './shard-runner.ts'
import type { WorkerSettings } from './worker-options.ts'

export interface ShardSeatOptions<T> {
  settings: WorkerSettings<T>
  lease: HeldLease
  /** Whether anything may be done under the lease now. */
  isHeld: () => boolean
  register: ShardRegister
  /** All leases, as last seen. */
  leases: () => readonly Lease[]
  budget: PrefetchBudget
  gate: Gate
  /** How many shards the worker reads. */
  seatCount: () => number
}

/**
 * One shard in a worker's hands, from the taking of its lease to the giving back: learns where to begin, runs the
 * reading, begins anew where that can help, and settles the shard's end.
 */
export class ShardSeat<T> {
  /** Resolves when nothing of it runs any more and the lease is gone; never rejects. */
  readonly ended: Promise<void>
  readonly #options: ShardSeatOptions<T>
  readonly #stopping = new AbortController()
  #runner: ShardRunner<T> | undefined
  #handedOver: Promise<void> | undefined
  #release: { reason: 'asked' | 'stopped'; to: string } | undefined
  #measured: { atMs: number; bytes: number } | undefined

  constructor(options: ShardSeatOptions<T>) {
    this.#options = options
    this.ended = this.#live().catch((error: unknown) => this.#tellFailure(error, 0))
  }

  get state(): RunnerState | undefined {
    return this.#runner?.state
  }

  /** Reads anew from the last checkpoint, the lease being kept. */
  async restart(): Promise<void> {
    await this.#runner?.stop(0)
  }

  /** Why it stands, if it does, for longer than it may. */
  judge(nowMs: number): Stuck | undefined {
    const { state } = this
    return state && judgeStuck(state, nowMs, this.#options.settings.stuckMs)
  }

  /** Lets the batch in hand end and gives the shard to `to`, or back, with its last checkpoint. May be called twice. */
  handOver(reason: 'asked' | 'stopped', to = ''): Promise<void> {
    this.#release ??= { reason, to }
    this.#handedOver ??= this.#handOver()
    return this.#handedOver
  }

  /** Tells, with the next renewal, how the shard is doing. */
  measure(): void {
    const { lease, settings } = this.#options
    const { state } = this
    if (state === undefined) return
    const nowMs = settings.clock.monotonic()
    const { handlerSinceMs = nowMs } = state
    if (nowMs - handlerSinceMs >= slowHandlerMs) this.#runner?.yieldBudget()
    const before = this.#measured ?? { atMs: nowMs, bytes: state.handledBytes }
    this.#measured ??= before
    lease.facts = { ...lease.facts, behindMs: state.behindMs, trouble: this.judge(nowMs)?.reason ?? state.halted }
    if (nowMs - before.atMs < measuringMs) return
    const bytesPerSecond = Math.round(((state.handledBytes - before.bytes) * 1000) / (nowMs - before.atMs))
    lease.facts = { ...lease.facts, bytesPerSecond }
    this.#measured = { atMs: nowMs, bytes: state.handledBytes }
  }

  async #handOver(): Promise<void> {
    const { handOffMs } = this.#options.settings
    this.#stopping.abort()
    await this.#runner?.stop(handOffMs)
    await this.ended
  }

  async #live(): Promise<void> {
    const { lease } = this.#options
    for (let failedCount = 0; !lease.signal.aborted && !this.#stopping.signal.aborted; ) {
      try {
        if (await this.#runOnce()) return
      } catch (error) {
        failedCount += 1
        await this.#afterFailure(error, failedCount)
      }
    }
    if (this.#release !== undefined) await this.#giveBack(this.#release)
  }

  /** Answers true when the shard is finished and given back. */
  async #runOnce(): Promise<boolean> {
    const { settings, lease, isHeld, register, budget, gate, seatCount } = this.#options
    const position = (await register.startingPositions([lease.name])).get(lease.name)
    if (lease.signal.aborted || this.#stopping.signal.aborted) return false
    // Somebody made its lease anew by an old listing; or its descendants were begun.
    if (position === undefined || position === 'finished') return this.#finish('known')
    const { prefetchBytes } = settings
    this.#runner = new ShardRunner({
      ...{ settings, lease, isHeld, position, budget, gate },
      pageBytes: Math.min(largestPageBytes, Math.max(smallestPageBytes, prefetchBytes / (2 * (seatCount() + 1)))),
      idlePollMs: (silentMs) => settings.idlePollMs ?? idlePauseMs(seatCount(), silentMs),
    })
    const end = await this.#runner.run()
    if (end.type !== 'finished') return false
    await this.#runner.untilKept()
    return this.#finish('finished', end.page.childShards)
  }

  /**
   * The shard was read to its end, is gone, or was known to be finished already. Its children's leases are there before
   * it counts as finished. Answers false when that could not be written in time.
   */
  async #finish(reason: 'finished' | 'gone' | 'known', children: readonly ChildShard[] = []): Promise<boolean> {
    const { lease, register, leases, settings } = this.#options
    let sequenceNumber = this.#runner?.state.sequenceNumber ?? lease.noted?.sequenceNumber
    while (!lease.signal.aborted && !(reason === 'finished' && this.#stopping.signal.aborted)) {
      try {
        const changes =
          reason === 'finished'
            ? await register.changesAtEnd(lease.name, children, leases(), lease.signal)
            : register.childrenOf(lease.name)
        if (reason === 'finished') sequenceNumber ??= register.restingNumber(lease.name)
        if (reason !== 'known' && sequenceNumber !== undefined) lease.note({ sequenceNumber, isFinished: true })
        await lease.finish(changes)
        const { client, stream } = settings
        const childShardIds = changes.map(({ name }) => name)
        report({ type: 'shard-finished', stream, shardId: lease.name, childShardIds })
        report({ type: 'lease-released', client, stream, name: lease.name, owner: settings.owner, reason })
        register.wantAudit()
        return true
      } catch (error) {
        if (lease.signal.aborted) return false
        this.#tellFailure(error, retryReleaseMs)
        await sleep(settings.clock, retryReleaseMs, lease.signal)
      }
    }
    return false
  }

  /** Reading failed for good. Retention may have taken the shard, or the stream was made again: then it begins anew. */
  async #afterFailure(error: unknown, failedCount: number): Promise<void> {
    const { lease, register, settings } = this.#options
    const { clock, random } = settings
    const delayMs = backoffMs(failedCount, random, 200, longestRestartMs)
    this.#tellFailure(error, delayMs)
    lease.facts = { ...lease.facts, trouble: reasonOf(error) }
    const signal = AbortSignal.any([lease.signal, this.#stopping.signal])
    try {
      if ((await register.isListed(lease.name, signal)) === false) await this.#settleGone()
    } catch (listing) {
      this.#tellFailure(listing, delayMs) // the stream itself may be gone; it may come back
    }
    await sleep(clock, delayMs, signal)
  }

  async #settleGone(): Promise<void> {
    const { lease, settings } = this.#options
    const sequenceNumber = this.#runner?.state.sequenceNumber ?? '0'
    report({ type: 'position-trimmed', stream: settings.stream, shardId: lease.name, sequenceNumber })
    await this.#finish('gone')
  }

  /** Tried until it is done or the lease has ended by itself. */
  async #giveBack({ reason, to }: { reason: 'asked' | 'stopped'; to: string }): Promise<void> {
    const { lease, settings } = this.#options
    const { client, stream, owner, clock } = settings
    while (!lease.signal.aborted) {
      try {
        await lease.release(to)
        report({ type: 'lease-released', client, stream, name: lease.name, owner, reason })
      } catch (error) {
        if (lease.signal.aborted) return
        this.#tellFailure(error, retryReleaseMs)
        await sleep(clock, retryReleaseMs, lease.signal)
      }
    }
  }

  #tellFailure(error: unknown, delayMs: number): void {
    const { lease, settings } = this.#options
    if (error instanceof ClosedError) return
    const { client, stream } = settings
    report({ type: 'shard-read-failed', client, stream, shardId: lease.name, delayMs, reason: reasonOf(error) })
  }
}

/** Over how long bytes a second are measured. */
const measuringMs = 10_000
const retryReleaseMs = 200
/** After it, what a shard has in hand is no longer held against the worker's prefetch. */
const slowHandlerMs = 5_000
const longestRestartMs = 30_000
/** What a shard's page may take in memory: less when many shards share the worker's prefetch. */
const largestPageBytes = 4 * 1024 * 1024
const smallestPageBytes = 64 * 1024
