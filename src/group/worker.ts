import { setMaxListeners } from 'node:events'
import { LeaseKeeper } from '../checkpoint/lease-keeper.ts'
import { LeaseObserver, type ObservedLease } from '../checkpoint/lease-observer.ts'
import { type Lease, type LeaseChange, unknownFacts } from '../checkpoint/lease-store.ts'
import { sleep } from '../clock.ts'
import { PrefetchBudget } from '../consumer/prefetch-budget.ts'
import { report } from '../diagnostics.ts'
import { shardIndexOf } from '../kinesis/shard.ts'
import { Gate } from './gate.ts'
import { reasonOf } from './handle-batch.ts'
import { judgeWaiting } from './judge-stuck.ts'
import { isMemberLease, memberLeaseName } from './member-lease.ts'
import { planLeases } from './plan-leases.ts'
import { ShardRegister } from './shard-register.ts'
import { ShardSeat } from './shard-seat.ts'
import { resolveWorkerSettings, type WorkerOptions, type WorkerSettings, type WorkerSource } from './worker-options.ts'

/**
 * One member of a group: shares the shards of a stream with the other workers of its client, and has their records
 * handled.
 *
 *     working    from the constructor on: round after round it looks at the leases, takes its share, and answers those
 *                who ask for theirs; whatever fails is told and tried again, it never gives up by itself
 *     closing    `close`, or the signal: takes nothing more, lets the batches in hand end, gives everything back
 *     closed     nothing of it runs any more
 */
export class Worker<T> implements AsyncDisposable {
  /** Its name among the group's workers; new with each start. */
  readonly owner: string
  readonly #settings: WorkerSettings<T>
  readonly #keeper: LeaseKeeper
  readonly #observer: LeaseObserver
  readonly #register: ShardRegister
  readonly #seats = new Map<string, ShardSeat<T>>()
  readonly #budget: PrefetchBudget
  readonly #gate: Gate
  readonly #closing = new AbortController()
  readonly #working: Promise<unknown>
  readonly #signal: AbortSignal | undefined
  #leases: readonly ObservedLease[] = []
  #auditing: Promise<unknown> | undefined
  readonly #audited: LeaseChange[] = []
  /** Whether the stream was ever listed: before, nobody can say where a shard begins. */
  #isAudited = false
  /** When it was last told that a shard stands, and since when those of nobody do. */
  readonly #toldStuckMs = new Map<string, number>()
  readonly #waitingSinceMs = new Map<string, number>()
  #wake: (() => void) | undefined
  #isWoken = false
  #closed: Promise<void> | undefined

  constructor(source: WorkerSource<T>, options: WorkerOptions<T>) {
    const settings = resolveWorkerSettings(source, options)
    const { client, stream, owner, failoverMs, clock, leases } = settings
    this.#settings = settings
    this.owner = owner
    setMaxListeners(0, this.#closing.signal)
    this.#observer = new LeaseObserver(failoverMs)
    this.#register = new ShardRegister(settings, this.#closing.signal)
    this.#budget = new PrefetchBudget(settings.prefetchBytes)
    this.#gate = new Gate(settings.shardConcurrency)
    this.#keeper = new LeaseKeeper({
      ...{ store: leases, client, stream, owner, failoverMs, clock },
      onLost: () => this.#poke(),
    })
    this.#signal = options.signal
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
    report({ type: 'worker-started', client, stream, owner })
    this.#working = Promise.all([this.#keepRounds(), this.#keepCheckpoints()])
    if (options.signal?.aborted) this.#onAbort()
  }

  /** Shards that are being read here now. */
  get shardIds(): string[] {
    return [...this.#seats.keys()].sort()
  }

  /**
   * Lets the batches in hand end, for `handOffMs` at most, keeps their checkpoints, and gives all shards back, so that
   * the others go on at once. May be called twice.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { client, stream } = this.#settings
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#closing.abort()
    this.#poke()
    // No further batch begins from this moment on; what a round that is under way still takes is given back after it.
    const leaving = this.#handOverAll()
    await this.#working
    await this.#auditing
    await Promise.all([leaving, this.#leave(), this.#handOverAll()])
    await this.#keeper.close()
    if (this.#settings.closesLeases) await this.#settings.leases.close()
    report({ type: 'worker-stopped', client, stream, owner: this.owner })
  }

  async #handOverAll(): Promise<void> {
    await Promise.all([...this.#seats.values()].map((seat) => seat.handOver('stopped')))
  }

  readonly #onAbort = () => {
    void this.close().catch(() => undefined) // whoever closes it again hears of it
  }

  async #keepRounds(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.#round()
      } catch (error) {
        this.#tellHindered(error)
        this.#register.wantAudit() // what the last one found may not be written
      }
      await this.#untilNextRound()
    }
  }

  #tellHindered(error: unknown): void {
    const { client, stream, alarm } = this.#settings
    alarm.report({ type: 'worker-hindered', client, stream, what: 'leases', reason: reasonOf(error) })
  }

  /** A round is also due when the next lease of somebody else expires, if nothing is heard of it. */
  async #untilNextRound(): Promise<void> {
    const { clock, failoverMs } = this.#settings
    const nowMs = clock.monotonic()
    let dueMs = nowMs + Math.min(longestRoundMs, failoverMs / roundsPerFailover)
    for (const { owner, expiresAtMs } of this.#leases) {
      if (owner !== this.owner && expiresAtMs > nowMs) dueMs = Math.min(dueMs, expiresAtMs)
    }
    if (!this.#isWoken && !this.#closing.signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = clock.setTimer(resolve, Math.max(1, Math.ceil(dueMs - nowMs)))
        this.#wake = () => {
          timer.cancel()
          resolve()
        }
      })
    }
    this.#wake = undefined
    this.#isWoken = false
  }

  /** The next round comes now. */
  #poke(): void {
    this.#isWoken = true
    this.#wake?.()
  }

  async #round(): Promise<void> {
    let leases = await this.#look()
    this.#audit(leases)
    if (!this.#isAudited) return
    const isJoined = this.#keeper.held.has(memberLeaseName(this.owner))
    const changes = [...this.#audited.splice(0), ...this.#buryDead(leases)]
    if (!isJoined) await this.#join(leases, changes)
    else if (changes.length > 0)
      await this.#settings.leases.apply(this.#settings.client, this.#settings.stream, changes)
    // What was made just now is dealt in the same round: a group begins at once.
    if (!isJoined || changes.length > 0) leases = await this.#look()
    if (this.#closing.signal.aborted) return
    await this.#takeShare(leases)
  }

  /**
   * Side by side with the rounds: a Kinesis that is slow to list its shards must neither keep those of a dead worker lying
   * about, nor keep a worker that has just come from seeing who renews his leases and who does not.
   */
  #audit(leases: readonly ObservedLease[]): void {
    this.#auditing ??= this.#register
      .audit(leases)
      .then(
        (changes) => {
          this.#audited.push(...changes)
          const isFirst = this.#register.isReady && !this.#isAudited
          this.#isAudited ||= isFirst
          if (isFirst || changes.length > 0) this.#poke()
        },
        () => this.#register.wantAudit(), // the lease database failed, which the rounds tell
      )
      .finally(() => {
        this.#auditing = undefined
      })
  }

  async #look(): Promise<readonly ObservedLease[]> {
    const { client, stream, clock, leases: store } = this.#settings
    const leases = await store.list(client, stream)
    this.#leases = this.#observer.observe(leases, clock.monotonic())
    return this.#leases
  }

  /** From now on the others count this worker when they share out shards. */
  async #join(leases: readonly ObservedLease[], changes: readonly LeaseChange[]): Promise<void> {
    const name = memberLeaseName(this.owner)
    const create: LeaseChange = { type: 'create', name }
    const found = leases.find((lease) => lease.name === name) ?? newLease(name)
    const taken = await this.#keeper.take([found], [...changes, create])
    const { client, stream } = this.#settings
    if (taken.length > 0) report({ type: 'worker-joined', client, stream, owner: this.owner })
  }

  async #leave(): Promise<void> {
    const { client, stream, clock, leases: store } = this.#settings
    const member = this.#keeper.held.get(memberLeaseName(this.owner))
    while (member !== undefined && !member.signal.aborted) {
      try {
        await member.release()
        await store.apply(client, stream, [{ type: 'delete', name: member.name, owner: '', counter: member.counter }])
      } catch (error) {
        // Released and not removed: the others do that. Not even released: tried until it has expired by itself.
        this.#tellHindered(error)
        await sleep(clock, retryLeaveMs, member.signal)
      }
    }
  }

  #buryDead(leases: readonly ObservedLease[]): LeaseChange[] {
    const nowMs = this.#settings.clock.monotonic()
    return leases
      .filter((lease) => isMemberLease(lease) && (lease.owner === '' || lease.expiresAtMs <= nowMs))
      .map(({ name, owner, counter }): LeaseChange => ({ type: 'delete', name, owner, counter }))
  }

  async #takeShare(leases: readonly ObservedLease[]): Promise<void> {
    const { client, stream, clock } = this.#settings
    const plan = planLeases(leases, this.owner, clock.monotonic())
    for (const { name, wantedBy } of plan.handOver) void this.#seats.get(name)?.handOver('asked', wantedBy)
    // What is ours in the table and not in our hands: it was handed to us, or could not be renewed in time.
    const own = leases.filter((lease) => lease.owner === this.owner && isShard(lease) && lease.state !== 'finished')
    const wanted = new Map([...plan.take, ...own].map((lease) => [lease.name, lease]))
    for (const name of wanted.keys()) if (this.#keeper.held.has(name) || this.#seats.has(name)) wanted.delete(name)
    const asked = plan.ask.filter(({ wantedBy }) => wantedBy !== this.owner)
    if (wanted.size === 0 && asked.length === 0) return
    for (const { name, owner: from } of asked) {
      report({ type: 'lease-asked', client, stream, name, owner: this.owner, from })
    }
    const asks = asked.map(({ name, owner }): LeaseChange => ({ type: 'ask', name, by: this.owner, owner }))
    const taken = await this.#keeper.take([...wanted.values()], asks)
    for (const { name } of taken) {
      report({ type: 'lease-taken', client, stream, name, owner: this.owner, from: wanted.get(name)?.owner ?? '' })
      this.#seat(name)
    }
  }

  #seat(name: string): void {
    const lease = this.#keeper.held.get(name)
    if (lease === undefined) return // lost again already
    const seat: ShardSeat<T> = new ShardSeat({
      settings: this.#settings,
      lease,
      isHeld: () => this.#keeper.isHeld(lease),
      register: this.#register,
      leases: () => this.#leases,
      budget: this.#budget,
      gate: this.#gate,
      seatCount: () => this.#seats.size,
    })
    this.#seats.set(name, seat)
    void seat.ended.then(() => {
      this.#seats.delete(name)
      this.#poke()
    })
  }

  /** Tells which shards stand for longer than they may and why, and restarts those that may then move. */
  #watch(): void {
    const { client, stream, clock, stuckMs, alarm } = this.#settings
    const nowMs = clock.monotonic()
    const tell = (shardId: string, reason: string, isRestarted: boolean) => {
      if (nowMs - (this.#toldStuckMs.get(shardId) ?? Number.NEGATIVE_INFINITY) < stuckMs) return false
      this.#toldStuckMs.set(shardId, nowMs)
      alarm.report({ type: 'shard-stuck', client, stream, shardId, reason, isRestarted })
      return true
    }
    for (const [shardId, seat] of this.#seats) {
      const stuck = seat.judge(nowMs)
      if (stuck === undefined) this.#toldStuckMs.delete(shardId)
      else if (tell(shardId, stuck.reason, stuck.canRestart) && stuck.canRestart) void seat.restart()
    }
    const byName = new Map(this.#leases.map((lease) => [lease.name, lease]))
    for (const lease of this.#leases) {
      if (!isShard(lease) || this.#seats.has(lease.name) || nowMs - lease.firstSeenMs < stuckMs) continue
      const reason = judgeWaiting(lease, byName)
      const sinceMs = this.#waitingSinceMs.get(lease.name) ?? nowMs
      if (reason === undefined) this.#waitingSinceMs.delete(lease.name)
      else if (nowMs - sinceMs >= stuckMs) tell(lease.name, reason, false)
      else this.#waitingSinceMs.set(lease.name, sinceMs)
    }
  }

  /** Renewals take checkpoints along anyway; this is for those who want them sooner. */
  async #keepCheckpoints(): Promise<void> {
    const { clock, checkpointMs } = this.#settings
    while (!this.#closing.signal.aborted) {
      await sleep(clock, checkpointMs, this.#closing.signal)
      for (const seat of this.#seats.values()) seat.measure()
      this.#watch()
      for (const lease of this.#keeper.held.values()) {
        if (lease.noted !== undefined) lease.write().catch(() => {}) // the keeper tells of it and tries again
      }
    }
  }
}

function isShard({ name }: ObservedLease): boolean {
  return shardIndexOf(name) !== undefined
}

function newLease(name: string): Lease {
  return { name, owner: '', counter: 0, wantedBy: '', parentIds: [], state: 'new', facts: unknownFacts }
}

/** Who stops, or asks for a shard, is noticed within one round. */
const longestRoundMs = 500
const roundsPerFailover = 10
const retryLeaveMs = 200
