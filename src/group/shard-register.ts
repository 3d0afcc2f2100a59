import type { Checkpoint } from '../checkpoint/checkpoint-store.ts'
import type { Lease, LeaseChange } from '../checkpoint/lease-store.ts'
import { sleep } from '../clock.ts'
import { listShards } from '../consumer/begin-reading.ts'
import { ShardMap } from '../consumer/shard-map.ts'
import type { StartFacts, StartPlan } from '../consumer/start-plan.ts'
import { report } from '../diagnostics.ts'
import type { ChildShard } from '../kinesis/kinesis-api.ts'
import type { Shard } from '../kinesis/shard.ts'
import { auditLeases, startingPositions } from './audit-leases.ts'
import { reasonOf } from './handle-batch.ts'
import type { WorkerSettings } from './worker-options.ts'

type RegisterSettings = Pick<
  WorkerSettings<never>,
  'api' | 'stream' | 'client' | 'leases' | 'startFrom' | 'auditMs' | 'clock' | 'random' | 'alarm'
>

/**
 * What a worker knows of the stream's shards: the last listing, and where shards begin. Listings are asked for now and
 * then, and when something happened that they can explain.
 */
export class ShardRegister {
  readonly #settings: RegisterSettings
  readonly #signal: AbortSignal
  readonly #map = new ShardMap()
  #shards: readonly Shard[] = []
  #elsewhere: StartFacts['elsewhere'] | undefined
  #nextAuditMs = Number.NEGATIVE_INFINITY
  #failedCount = 0
  readonly #reportedInvalid = new Set<string>()

  constructor(settings: RegisterSettings, signal: AbortSignal) {
    this.#settings = settings
    this.#signal = signal
  }

  /** Whether the stream was ever listed: before, nobody can say where a shard begins. */
  get isReady(): boolean {
    return this.#shards.length > 0
  }

  /** The next round audits. */
  wantAudit(): void {
    this.#nextAuditMs = Number.NEGATIVE_INFINITY
  }

  /** When it is time: what is to be changed in these leases, so that every shard is read. */
  async audit(leases: readonly Lease[]): Promise<LeaseChange[]> {
    const { client, stream, clock, auditMs, random, alarm } = this.#settings
    if (clock.monotonic() < this.#nextAuditMs) return []
    try {
      const shards = await listShards(this.#settings, this.#signal, 0)
      if (shards === undefined) return []
      this.#learn(shards)
      this.#failedCount = 0
      this.#nextAuditMs = clock.monotonic() + auditMs * (0.75 + random.next() / 2)
    } catch (error) {
      this.#failedCount += 1
      const delayMs = Math.min(auditMs, 200 * 2 ** Math.min(this.#failedCount, 20))
      this.#nextAuditMs = clock.monotonic() + delayMs * (0.5 + random.next() / 2)
      alarm.report({ type: 'worker-hindered', client, stream, what: 'shards', reason: reasonOf(error) })
      return []
    }
    return this.#compare(leases)
  }

  /** Where these shards begin, by the checkpoints as they are now. */
  async startingPositions(shardIds: readonly string[]): Promise<StartPlan> {
    const [checkpoints, elsewhere] = await Promise.all([this.#loadCheckpoints(), this.#startOfOthers()])
    return startingPositions(shardIds, this.#map, checkpoints, elsewhere)
  }

  /**
   * Leases to be made when this shard is finished: its children's, and those of their other parents that nobody knew.
   * A child may be named before a listing shows all its parents; listings are repeated then, for a while.
   */
  async changesAtEnd(
    shardId: string,
    children: readonly ChildShard[],
    leases: readonly Lease[],
    signal: AbortSignal,
  ): Promise<LeaseChange[]> {
    const creates = children.map(
      (child): LeaseChange => ({
        ...{ type: 'create', name: child.shardId, parentIds: child.parentShardIds },
      }),
    )
    const known = new Set([shardId, ...leases.map(({ name }) => name)])
    const others = new Set(children.flatMap((child) => child.parentShardIds).filter((id) => !known.has(id)))
    if (others.size === 0) return creates
    const { clock } = this.#settings
    for (let late = 0; late < lateListings && !signal.aborted; late++) {
      const shards = await listShards(this.#settings, signal)
      if (shards === undefined) break
      this.#learn(shards)
      const isShown = (id: string) => this.#map.listed(id) !== undefined
      // The child itself shown without its parent: that one has expired.
      if ([...others].every(isShown) || children.every((child) => isShown(child.shardId))) break
      await sleep(clock, listAgainMs, signal)
    }
    const missing = (await this.#compare(leases)).filter((change) => change.type === 'create')
    const made = new Set(creates.map(({ name }) => name))
    return [...missing.filter(({ name }) => !made.has(name)), ...creates]
  }

  /** Lists anew; answers whether the shard is still there. Waits for as long as Kinesis can't be asked. */
  async isListed(shardId: string, signal: AbortSignal): Promise<boolean | undefined> {
    const shards = await listShards(this.#settings, signal)
    if (shards === undefined) return undefined
    this.#learn(shards)
    this.wantAudit()
    return this.#map.listed(shardId) !== undefined
  }

  /** Leases for what follows a shard that is gone without having named its children. */
  childrenOf(shardId: string): LeaseChange[] {
    return this.#map.childrenOf(shardId).map(
      (name): LeaseChange => ({
        ...{ type: 'create', name, parentIds: this.#map.parentsOf(name) },
      }),
    )
  }

  /** Where a shard is remembered as finished in which nothing was handled. */
  restingNumber(shardId: string): string | undefined {
    const shard = this.#map.listed(shardId)
    return shard?.endingSequenceNumber ?? shard?.startingSequenceNumber
  }

  parentsOf(shardId: string): readonly string[] {
    return this.#map.parentsOf(shardId)
  }

  #learn(shards: readonly Shard[]): void {
    this.#shards = shards
    this.#map.updateListing(shards)
  }

  async #compare(leases: readonly Lease[]): Promise<LeaseChange[]> {
    const { client, stream } = this.#settings
    const [checkpoints, elsewhere] = await Promise.all([this.#loadCheckpoints(), this.#startOfOthers()])
    const audit = auditLeases({ shards: this.#shards, leases, checkpoints, elsewhere })
    for (const shardId of audit.holes) report({ type: 'lease-hole', client, stream, shardId })
    for (const { start, end } of audit.uncovered) {
      report({ type: 'listing-hole', stream, startHashKey: String(start), endHashKey: String(end) })
    }
    for (const { shardId, value } of audit.invalid) {
      if (this.#reportedInvalid.has(`${shardId} ${value}`)) continue
      this.#reportedInvalid.add(`${shardId} ${value}`)
      report({ type: 'checkpoint-invalid', client, stream, shardId, value })
    }
    return audit.changes
  }

  #loadCheckpoints(): Promise<Map<string, Checkpoint>> {
    const { client, stream, leases } = this.#settings
    return leases.checkpoints.load(client, stream)
  }

  async #startOfOthers(): Promise<StartFacts['elsewhere']> {
    this.#elsewhere ??= await this.#learnStart()
    return this.#elsewhere
  }

  async #learnStart(): Promise<StartFacts['elsewhere']> {
    const { client, stream, leases, startFrom, clock } = this.#settings
    if (startFrom === 'oldest') return { type: 'TRIM_HORIZON' }
    if (startFrom !== 'latest') return { type: 'AT_TIMESTAMP', timestampMs: startFrom.getTime() }
    // The group's latest is one moment, however many workers start, and whenever a shard is begun.
    return { type: 'AT_TIMESTAMP', timestampMs: await leases.checkpoints.pinStart(client, stream, clock.now()) }
  }
}

/** How often a listing is repeated that does not show a parent yet, and how long after the one before. */
const lateListings = 20
const listAgainMs = 500
