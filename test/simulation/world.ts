import type { Checkpoint } from '../../src/checkpoint/checkpoint-store.ts'
import type { Lease, LeaseAnswer, LeaseChange } from '../../src/checkpoint/lease-store.ts'
import { MemoryLeaseStore } from '../../src/checkpoint/memory-lease-store.ts'
import { observe } from '../../src/diagnostics.ts'
import { readableLeases } from '../../src/group/plan-leases.ts'
import { Worker } from '../../src/group/worker.ts'
import { compareSequenceNumbers } from '../../src/kinesis/sequence-number.ts'
import { type Random, randomInteger, seededRandom } from '../../src/random.ts'
import { ReshardModel } from '../support/reshard-model.ts'
import { noKinesisFaults, SimulatedKinesis } from './simulated-kinesis.ts'
import { noStoreFaults, SimulatedLeaseStore } from './simulated-lease-store.ts'
import { MachineClock, SimulatedTime } from './simulated-time.ts'

export interface WorldReport {
  seed: number
  recordCount: number
  /** How often records were handled again. */
  repeatCount: number
  shardCount: number
  /** How long a shard was unread that could have been read, at most, while the lease database was well. */
  longestUnreadMs: number
  /** What happened to the world, in words. */
  deeds: string[]
  /** What must never happen and did; empty when all is well. */
  faults: string[]
}

const place = { client: 'group', stream: 'model' }
const failoverMs = 5_000
const roundMs = failoverMs / 10
const troubledMs = 40_000
/** All is well again: a death is noticed, what was in hand is done, and the rest read within this. */
const healingMs = 60_000
/** By then the last late request was carried out, and a worker that it made a member after its leaving is buried. */
const settlingMs = 20_000
const longestAnswerMs = 3_000

/**
 * A stream, a lease database and some workers on machines of their own, on simulated time, everything decided by the
 * seed. First all sorts of trouble, then none, and all must come right. What must hold is checked all along:
 *
 * - a record is handled for the first time only when all earlier ones of its key were
 * - a handler is called only on the machine that the lease database calls the owner
 * - a checkpoint moves only by its owner, and never back
 * - a shard that may be read is unread for no longer than its bound, while the lease database can be asked
 * - in the end every record was handled, every finished shard is known to be, and the open ones are shared out evenly
 */
export async function simulateWorld(seed: number): Promise<WorldReport> {
  // What goes wrong is meant to; without a listener it would be warnings of this process.
  const stopObserving = observe(() => {})
  const world = new World(seed)
  await world.live().catch((error: unknown) => world.report.faults.push(String(error)))
  stopObserving()
  return world.report
}

class World {
  readonly report: WorldReport
  readonly #random: Random
  readonly #time = new SimulatedTime()
  readonly #stream: ReshardModel
  readonly #leases: CheckedLeaseStore
  readonly #machines: Machine[] = []
  readonly #written = new Map<string, number>()
  readonly #handled = new Map<string, Set<number>>()
  readonly #unread = new Map<string, Unread>()
  /** When no call is under way any more that was made while the lease database was bad. */
  #storeIsWellAtMs = 0
  #storeFaults = noStoreFaults
  #kinesisFaults = noKinesisFaults
  #handlerMs = 0
  #handlerFails = 0
  #machineCount = 0

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    this.#stream = new ReshardModel(1 + this.#below(4))
    this.report = { seed, recordCount: 0, repeatCount: 0, shardCount: 0, longestUnreadMs: 0, deeds: [], faults: [] }
    this.#leases = new CheckedLeaseStore((fault) => this.#blame(fault))
  }

  async live(): Promise<void> {
    for (let count = 1 + this.#below(3); count > 0; count--) this.#startMachine()
    const putting = this.#every(60, () => this.#put())
    const troubling = this.#every(1_500, () => this.#trouble())
    const watching = this.#watchUnread()
    await this.#time.run(troubledMs, () => this.report.faults.length > 0)
    troubling.isOver = true
    putting.isOver = true
    this.#heal()
    await this.#time.run(healingMs, () => this.report.faults.length > 0 || this.#isDone())
    // What was asked for in the last moment is settled; then nothing may move any more.
    await this.#time.run(settlingMs)
    this.#checkEnd()
    watching.isOver = true
    const closing = Promise.all(this.#machines.map((machine) => machine.worker.close()))
    await this.#time.run(20_000)
    await Promise.race([closing, this.#blameLater('a worker does not close')])
    for (const { name, owner } of await this.#leases.list(place.client, place.stream)) {
      if (owner !== '') this.#blame(`${name} still belongs to ${owner} when all have left`)
    }
    this.report.shardCount = (await this.#stream.listShards('model')).length
  }

  #below(limit: number): number {
    return randomInteger(this.#random, limit)
  }

  #blame(fault: string): void {
    if (this.report.faults.length < 10) this.report.faults.push(`at ${this.#time.nowMs} ms: ${fault}`)
  }

  async #blameLater(fault: string): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#blame(fault)
  }

  #deed(text: string): void {
    this.report.deeds.push(`${this.#time.nowMs} ms: ${text}`)
  }

  #every(ms: number, act: () => void): { isOver: boolean } {
    const loop = { isOver: false }
    const next = () =>
      this.#time.at(this.#time.nowMs + ms * (0.5 + this.#random.next()), () => {
        if (loop.isOver) return
        act()
        next()
      })
    next()
    return loop
  }

  #watchUnread(): { isOver: boolean } {
    const loop = { isOver: false }
    const next = () =>
      this.#time.at(this.#time.nowMs + 100, () => {
        if (loop.isOver) return
        this.#checkUnread()
        next()
      })
    next()
    return loop
  }

  /**
   * An owner that dies is replaced `failoverMs` after its last renewal was seen, which is a round after it was made, and
   * the next look is due at that moment. Should the successor die or fall asleep in its turn before it has taken the
   * shard, the others know when it has missed a renewal: `failoverMs / 3` and a round later. So it is with those who are
   * asleep when the owner dies, all of them together: who was asleep himself just before does not know that they are.
   * What a machine that is dead or asleep had sent before counts from when it is carried out.
   */
  #checkUnread(): void {
    const running = this.#machines.filter(({ clock }) => clock.state === 'running')
    const sleeperCount = running.length < this.#machines.length ? 1 : 0
    const read = new Set(running.flatMap(({ worker }) => worker.shardIds))
    if (this.#storeFaults !== noStoreFaults) this.#storeIsWellAtMs = this.#time.nowMs + longestAnswerMs
    const isWell = this.#time.nowMs > this.#storeIsWellAtMs && running.some(({ isStopping }) => !isStopping)
    if (!isWell) this.#unread.clear()
    const unread = new Map(
      readableLeases(this.#leases.all)
        .filter(({ name }) => !read.has(name))
        .map((lease) => [lease.name, lease]),
    )
    for (const name of this.#unread.keys()) if (!unread.has(name)) this.#unread.delete(name)
    if (!isWell) return
    const owners = new Set(running.map(({ worker }) => worker.owner))
    for (const [name, { owner, counter }] of unread) {
      const known = this.#unread.get(name)
      const isWrittenLate = known !== undefined && known.counter !== counter && !owners.has(owner)
      const { sinceMs, eventCount } =
        known === undefined || isWrittenLate ? { sinceMs: this.#time.nowMs, eventCount: sleeperCount } : known
      this.#unread.set(name, { sinceMs, eventCount, counter })
      const boundMs = failoverMs + 2 * roundMs + eventCount * (failoverMs / 3 + 2 * roundMs)
      this.report.longestUnreadMs = Math.max(this.report.longestUnreadMs, this.#time.nowMs - sinceMs)
      if (this.#time.nowMs - sinceMs > boundMs) this.#blame(`${name} has been unread since ${sinceMs} ms`)
    }
  }

  #happened(): void {
    for (const unread of this.#unread.values()) unread.eventCount += 1
  }

  #put(): void {
    const key = `key-${this.#below(6)}`
    const number = this.#written.get(key) ?? 0
    this.#written.set(key, number + 1)
    this.#stream.put(key, `${key} ${number}`)
    this.report.recordCount += 1
  }

  #trouble(): void {
    const running = this.#machines.filter(({ clock, isStopping }) => clock.state === 'running' && !isStopping)
    const chosen = running[this.#below(Math.max(1, running.length))]
    switch (this.#below(12)) {
      case 0:
      case 1:
        if (this.#machines.length < 5) this.#startMachine()
        return
      case 2:
        if (chosen !== undefined && running.length > 1) this.#kill(chosen)
        return
      case 3:
        if (chosen !== undefined && running.length > 1) this.#stop(chosen)
        return
      case 4:
        if (chosen !== undefined) this.#pause(chosen, 500 + this.#random.next() * 15_000)
        return
      case 5:
        this.#storeFaults = {
          lostRequest: this.#random.next() * 0.2,
          lostAnswer: this.#random.next() * 0.2,
          repeated: this.#random.next() * 0.3,
          slow: this.#random.next() * 0.2,
        }
        this.#deed('the way to the lease database is bad')
        return
      case 6:
        this.#storeFaults = { lostRequest: 1, lostAnswer: 1, repeated: 0, slow: 0 }
        this.#deed('the lease database is out of reach')
        return
      case 7:
        this.#kinesisFaults = {
          throttled: this.#random.next() * 0.3,
          failed: this.#random.next() * 0.2,
          expired: this.#random.next() * 0.1,
          slow: this.#random.next() * 0.1,
        }
        this.#deed('Kinesis is bad')
        return
      case 8:
        this.#storeFaults = noStoreFaults
        this.#kinesisFaults = noKinesisFaults
        return
      case 9:
        this.#handlerMs = this.#below(2) * this.#random.next() * 4_000
        this.#handlerFails = this.#below(2) * this.#random.next() * 0.5
        return
      default:
        this.#reshard()
    }
  }

  #reshard(): void {
    const open = this.#stream.openShards()
    const pairs = this.#stream.adjacentPairs()
    const pair = pairs[this.#below(Math.max(1, pairs.length))]
    if (pair !== undefined && open.length > 2 && this.#below(2) === 0) {
      this.#stream.merge(...pair)
      this.#deed(`shards ${pair.join(' and ')} are merged`)
    } else if (open.length < 6) {
      const shard = open[this.#below(open.length)] as number
      this.#stream.split(shard)
      this.#deed(`shard ${shard} is split`)
    }
  }

  #heal(): void {
    this.#storeFaults = noStoreFaults
    this.#kinesisFaults = noKinesisFaults
    this.#handlerMs = 0
    this.#handlerFails = 0
    for (const { clock } of this.#machines) clock.resume()
    if (!this.#machines.some(({ clock, isStopping }) => clock.state === 'running' && !isStopping)) this.#startMachine()
    this.#deed('all is well again')
  }

  #startMachine(): void {
    const name = `w${this.#machineCount++}`
    const clock = new MachineClock(this.#time, (this.#random.next() - 0.5) * 7_200_000)
    const random = seededRandom(this.#below(0x7fff_ffff))
    const store = new SimulatedLeaseStore(this.#leases, this.#time, clock, random, () => this.#storeFaults)
    const api = new SimulatedKinesis(this.#stream, clock, random, () => this.#kinesisFaults)
    const decode = (bytes: Uint8Array) => ({ data: Buffer.from(bytes).toString() })
    const worker: Worker<string> = new Worker<string>(
      { api, stream: place.stream, decode, leases: store, closesLeases: false },
      {
        ...{ client: place.client, workerId: name, clock, random, failoverMs, handOffMs: 3_000 },
        ...{ idlePollMs: 1_000, auditMs: 10_000, stoppedRetryMs: 500, batchRecords: 10 },
        concurrency: { keysWithinShard: 1 + this.#below(3) },
        handler: async (records, { shardId, signal }) => {
          const owner = this.#leases.ownerOf(shardId)
          if (owner !== worker.owner) this.#blame(`${worker.owner} handles ${shardId}, which is ${owner || 'nobody'}'s`)
          this.#check(records.map(({ data = '' }) => data))
          if (this.#handlerMs > 0) {
            await new Promise<void>((resolve) => clock.setTimer(resolve, this.#random.next() * this.#handlerMs))
          }
          if (this.#random.next() < this.#handlerFails) throw new Error('the handler failed')
          if (signal.aborted) return
          for (const { data = '' } of records) this.#done(data)
        },
      },
    )
    this.#machines.push({ name, clock, worker, isStopping: false })
    this.#happened()
    this.#deed(`${worker.owner} starts`)
  }

  #remove(machine: Machine): void {
    const place = this.#machines.indexOf(machine)
    if (place !== -1) this.#machines.splice(place, 1)
  }

  #kill(machine: Machine): void {
    machine.clock.state = 'dead'
    this.#happened()
    this.#remove(machine)
    this.#deed(`${machine.name} is killed`)
  }

  #stop(machine: Machine): void {
    machine.isStopping = true
    this.#happened()
    this.#deed(`${machine.name} is stopped`)
    void machine.worker.close().then(() => this.#remove(machine))
  }

  #pause(machine: Machine, ms: number): void {
    machine.clock.state = 'paused'
    this.#happened()
    this.#deed(`${machine.name} pauses for ${Math.round(ms)} ms`)
    this.#time.at(this.#time.nowMs + ms, () => machine.clock.resume())
  }

  /** Each record's predecessors were handled, or come before it in this very batch. */
  #check(texts: readonly string[]): void {
    const last = new Map<string, number>()
    for (const text of texts) {
      const [key = '', digits] = text.split(' ')
      const handled = this.#handled.get(key) ?? new Set()
      for (let earlier = Number(digits) - 1; earlier > (last.get(key) ?? -1); earlier--) {
        if (!handled.has(earlier)) this.#blame(`${text} is handled before ${key} ${earlier}`)
      }
      last.set(key, Number(digits))
    }
  }

  #done(text: string): void {
    const [key = '', digits] = text.split(' ')
    const handled = this.#handled.get(key) ?? new Set()
    if (handled.has(Number(digits))) this.report.repeatCount += 1
    this.#handled.set(key, handled.add(Number(digits)))
  }

  #isDone(): boolean {
    return [...this.#written].every(([key, count]) => (this.#handled.get(key)?.size ?? 0) === count)
  }

  #checkEnd(): void {
    for (const [key, count] of this.#written) {
      const handled = this.#handled.get(key) ?? new Set()
      for (let number = 0; number < count; number++) if (!handled.has(number)) this.#blame(`${key} ${number} is lost`)
    }
    const counts = new Map(
      this.#machines.filter(({ isStopping }) => !isStopping).map(({ worker }): [string, number] => [worker.owner, 0]),
    )
    for (const { name, owner } of readableLeases(this.#leases.all)) {
      if (!counts.has(owner)) this.#blame(`${name} is read by ${owner || 'nobody'}`)
      counts.set(owner, (counts.get(owner) ?? 0) + 1)
    }
    const sorted = [...counts.values()].sort((left, right) => left - right)
    if ((sorted.at(-1) ?? 0) - (sorted[0] ?? 0) > 1) this.#blame(`shards are shared ${sorted.join(' : ')}`)
  }
}

/** A shard that nobody reads. */
interface Unread {
  sinceMs: number
  /** How many machines had something happen to them meanwhile. */
  eventCount: number
  /** Of its lease. */
  counter: number
}

interface Machine {
  name: string
  clock: MachineClock
  worker: Worker<string>
  isStopping: boolean
}

/** The lease database itself, with a witness who sees every change and knows the rules by himself. */
class CheckedLeaseStore extends MemoryLeaseStore {
  readonly #blame: (fault: string) => void
  readonly #witnessed = new Map<string, Checkpoint>()
  #rows = new Map<string, Lease>()

  constructor(blame: (fault: string) => void) {
    super()
    this.#blame = blame
  }

  get all(): Lease[] {
    return [...this.#rows.values()]
  }

  ownerOf(name: string): string {
    return this.#rows.get(name)?.owner ?? ''
  }

  override async apply(client: string, stream: string, changes: readonly LeaseChange[]): Promise<LeaseAnswer[]> {
    const before = this.#rows
    const answers = await super.apply(client, stream, changes)
    this.#rows = new Map((await this.list(client, stream)).map((lease) => [lease.name, lease]))
    const after = await this.checkpoints.load(client, stream)
    for (const [shardId, checkpoint] of after) this.#witness(shardId, checkpoint, before, changes)
    return answers
  }

  #witness(
    shardId: string,
    checkpoint: Checkpoint,
    before: ReadonlyMap<string, Lease>,
    changes: readonly LeaseChange[],
  ): void {
    const known = this.#witnessed.get(shardId)
    if (known?.sequenceNumber === checkpoint.sequenceNumber && known.isFinished === checkpoint.isFinished) return
    this.#witnessed.set(shardId, checkpoint)
    const writer = changes.find((change) => change.name === shardId && 'checkpoint' in change)
    const by = writer !== undefined && 'by' in writer ? writer.by : 'nobody'
    const owner = before.get(shardId)?.owner
    if (by !== owner) this.#blame(`${by} moves the checkpoint of ${shardId}, which is ${owner || 'nobody'}'s`)
    if (known === undefined) return
    if (compareSequenceNumbers(checkpoint.sequenceNumber, known.sequenceNumber) < 0 || known.isFinished) {
      const told = ({ sequenceNumber, isFinished }: Checkpoint) => `${sequenceNumber}${isFinished ? ' (finished)' : ''}`
      this.#blame(`the checkpoint of ${shardId} goes from ${told(known)} to ${told(checkpoint)}`)
    }
  }
}
