import type { Checkpoint } from '../checkpoint/checkpoint-store.ts'
import { type Clock, sleep, systemClock } from '../clock.ts'
import { type CheckpointTarget, type Fallback, resolveSettings, type StartPosition } from '../consumer/read-settings.ts'
import type { ShardPage } from '../consumer/shard-reader.ts'
import { report } from '../diagnostics.ts'
import { ClosedError, ConfigError, UnavailableError } from '../errors.ts'
import type { EncodedRecord, KinesisApi } from '../kinesis/kinesis-api.ts'
import { type Random, systemRandom } from '../random.ts'
import type { RecordFormat } from '../record/record-codec.ts'
import { isShardWho, parseArchiveKey, sidePrefix } from './archive-key.ts'
import type { ArchiveStore } from './archive-store.ts'
import { ObjectWriter } from './object-writer.ts'
import { PageSource } from './page-source.ts'
import { findStoredState, knownPlaces, positionsOf, removeOrphanedSides } from './resume-store.ts'
import { ShardSpans } from './shard-spans.ts'

export interface StoreOptions {
  /** Where the client's first start begins: later ones go on where it left off. @default 'oldest' */
  from?: Fallback
  /** How long an object grows, by the wall clock: an hour ends when the clock's hour does. In milliseconds. @default 3_600_000 */
  rotateMs?: number
  /** How large an object grows in the store, in bytes; pages are not cut. @default 134_217_728 */
  rotateBytes?: number
  /** After `signal`, how long what was read may take to get into the store, in milliseconds. @default 25_000 */
  drainMs?: number
  /** What may lie read but not stored, beside the parts of the upload, in bytes. @default 16 MiB */
  prefetchBytes?: number
  /** Ends when every shard was read to the tip it had, with all of it stored. @default false */
  untilCaughtUp?: boolean
  idlePollMs?: number
  callsPerSecond?: number
  /** Seals what there is, and ends. */
  signal?: AbortSignal
  /** @default systemClock */
  clock?: Clock
  /** @default systemRandom */
  random?: Random
}

export interface StoreSource {
  api: KinesisApi
  /** The real stream name. */
  stream: string
  format: RecordFormat
}

export interface StoreSummary {
  objectCount: number
  recordCount: number
  undecodableCount: number
}

/** The right to write; others may have taken it. */
export interface WriteRight {
  /** Resolves while it is ours, else rejects. */
  confirm(): Promise<void>
}

type Defaulted = Required<Pick<StoreOptions, 'from' | 'rotateMs' | 'rotateBytes' | 'drainMs' | 'prefetchBytes'>>

const defaults = {
  from: 'oldest',
  rotateMs: 3_600_000,
  rotateBytes: 128 * 1024 * 1024,
  drainMs: 25_000,
  prefetchBytes: 16 * 1024 * 1024,
} satisfies Defaulted

/**
 * Keeps every record of a stream in the store, each once per client. The completed object is the commit: it holds, in
 * its footer, how far every shard is stored, and only then the checkpoint moves. Whatever ends this at whatever moment,
 * the next start goes on behind the newest footer.
 */
export async function storeStream(
  source: StoreSource,
  store: ArchiveStore,
  target: CheckpointTarget,
  lease: WriteRight,
  options: StoreOptions = {},
): Promise<StoreSummary> {
  checkClient(target.client)
  checkOptions(options)
  const job = new StoreJob(source, store, target, lease, options)
  return job.run()
}

class StoreJob {
  readonly #source: StoreSource
  readonly #store: ArchiveStore
  readonly #target: CheckpointTarget
  readonly #lease: WriteRight
  readonly #options: StoreOptions & Defaulted
  readonly #clock: Clock
  readonly #summary: StoreSummary = { objectCount: 0, recordCount: 0, undecodableCount: 0 }
  #spans = new ShardSpans(new Map())
  /** Of the newest object there is: the next has a later one. */
  #lastSeconds = 0
  #object: ObjectWriter | undefined
  #objectPeriod = 0
  #openedMs = 0

  constructor(
    source: StoreSource,
    store: ArchiveStore,
    target: CheckpointTarget,
    lease: WriteRight,
    options: StoreOptions,
  ) {
    this.#source = source
    this.#store = store
    this.#target = target
    this.#lease = lease
    this.#options = { ...defaults, ...options }
    this.#clock = options.clock ?? systemClock
  }

  async run(): Promise<StoreSummary> {
    const { signal } = this.#options
    const start = await this.#resume().catch((error: unknown) => {
      // An end that was asked for is no failure.
      if (signal?.aborted && error instanceof ClosedError) return undefined
      throw error
    })
    if (start === undefined) return this.#summary
    await using pages = new PageSource(this.#settings(start))
    try {
      for (;;) {
        const page = await pages.next(this.#nextRotationMs(), signal)
        if (page === 'over') break
        if (page !== 'late') await this.#take(page, pages)
        if (this.#isDue()) await this.#commit()
      }
      await this.#drain()
    } catch (error) {
      // A store that does not answer is not waited for: the next start gives up what is open.
      await Promise.race([this.#object?.abort(), sleep(this.#clock, abortPatienceMs)])
      throw error
    }
    return this.#summary
  }

  async #resume(): Promise<StartPosition> {
    const { api, stream } = this.#source
    const { client, store: checkpoints } = this.#target
    const { signal } = this.#options
    const isOwn = (key: string) => {
      const main = key.startsWith(sidePrefix) ? key.slice(sidePrefix.length) : key
      return parseArchiveKey(main, stream)?.who === client
    }
    // In this order: what could still have been completed by a writer of before is either here now or never will be.
    await this.#store.abortUploads(isOwn, signal)
    const { newest, places } = await findStoredState(this.#store, stream, client, this.#clock.now(), signal)
    await removeOrphanedSides(this.#store, stream, client, newest, signal)
    this.#lastSeconds = newest?.seconds ?? 0
    const rows = await checkpoints.load(client, stream)
    const shards = await api.listShards(stream, signal)
    const known = knownPlaces(this.#source, client, places, rows, shards)
    this.#spans = new ShardSpans(known)
    return { from: 'positions', positions: positionsOf(known), fallback: await this.#fallback() }
  }

  /** A crash before the first object must lose nothing: the next start reads from the time of the first. */
  async #fallback(): Promise<Fallback> {
    const { from } = this.#options
    if (from !== 'latest') return from
    const nowMs = this.#clock.now()
    const pinnedMs = await this.#target.store.pinStart(this.#target.client, this.#source.stream, nowMs)
    return pinnedMs === nowMs ? 'latest' : new Date(pinnedMs)
  }

  #settings(start: StartPosition) {
    const { api, stream } = this.#source
    const { prefetchBytes, untilCaughtUp = false, idlePollMs, callsPerSecond, random = systemRandom } = this.#options
    return resolveSettings<undefined>({ api, stream, decode: () => ({ data: undefined }) }, start, {
      ...{ prefetchBytes, untilCaughtUp, clock: this.#clock, random },
      ...(idlePollMs !== undefined && { idlePollMs }),
      ...(callsPerSecond !== undefined && { callsPerSecond }),
    })
  }

  async #take(page: ShardPage, pages: PageSource): Promise<void> {
    const { shardId, records, isEnd } = page
    try {
      if (records.length > 0) {
        const object = await this.#open()
        await object.add(shardId, records)
        const first = (records.at(0) as EncodedRecord).sequenceNumber
        const last = (records.at(records.length - 1) as EncodedRecord).sequenceNumber
        this.#spans.add(shardId, first, last, records.length)
      }
      // Without an object under way there is nothing yet that could say so; the shard's end is read again then.
      if (isEnd) this.#spans.finish(shardId)
    } finally {
      pages.release(page)
    }
  }

  async #open(): Promise<ObjectWriter> {
    if (this.#object !== undefined) return this.#object
    const { stream, format } = this.#source
    const nowMs = this.#clock.now()
    const seconds = Math.max(Math.floor(nowMs / 1000), this.#lastSeconds + 1)
    this.#object = await ObjectWriter.open({
      ...{ store: this.#store, stream, format, seconds, client: this.#target.client },
      confirm: () => this.#lease.confirm(),
    })
    this.#lastSeconds = seconds
    this.#openedMs = this.#clock.monotonic()
    this.#objectPeriod = Math.floor(nowMs / this.#options.rotateMs)
    return this.#object
  }

  #isDue(): boolean {
    if (this.#object === undefined) return false
    const { rotateMs, rotateBytes } = this.#options
    if (this.#object.fileBytes >= rotateBytes) return true
    // By the wall clock an hour ends with the clock's hour; a clock that jumps can't keep an object open for longer.
    if (Math.floor(this.#clock.now() / rotateMs) !== this.#objectPeriod) return true
    return this.#clock.monotonic() - this.#openedMs >= rotateMs
  }

  /** On the monotonic clock; when nothing is under way, there is nothing to do but to read. */
  #nextRotationMs(): number {
    const nowMs = this.#clock.monotonic()
    if (this.#object === undefined) return nowMs + idleMs
    const { rotateMs } = this.#options
    const wallMs = this.#clock.now()
    return nowMs + Math.min(rotateMs - (wallMs % rotateMs), this.#openedMs + rotateMs - nowMs, idleMs)
  }

  async #commit(): Promise<void> {
    const object = this.#object
    if (object === undefined) return
    const { stream } = this.#source
    const { client, store: checkpoints } = this.#target
    const startedMs = this.#clock.monotonic()
    const spans = this.#spans.list()
    await object.complete(spans)
    this.#object = undefined
    this.#spans.roll()
    this.#summary.objectCount += 1
    this.#summary.recordCount += object.recordCount
    this.#summary.undecodableCount += object.undecodableCount
    report({
      type: 'object-stored',
      ...{ stream, client, key: object.key, recordCount: object.recordCount, objectBytes: object.fileBytes },
      ...{ undecodableCount: object.undecodableCount, durationMs: this.#clock.monotonic() - startedMs },
    })
    const saved = new Map<string, Checkpoint>()
    for (const { shardId, last, isFinished } of spans) {
      if (last !== undefined) saved.set(shardId, { sequenceNumber: last, isFinished })
    }
    await checkpoints.save(client, stream, saved)
  }

  /** Asked to end: what is there gets into the store, if it can in time. */
  async #drain(): Promise<void> {
    if (this.#object === undefined) return
    const { drainMs, signal } = this.#options
    if (!signal?.aborted) return this.#commit()
    const given = new AbortController()
    const committing = this.#commit().finally(() => given.abort())
    committing.catch(() => undefined)
    await Promise.race([committing, sleep(this.#clock, drainMs, given.signal)])
    if (given.signal.aborted) return committing
    throw new UnavailableError(
      `${this.#object.key} did not get into ${this.#store.address} within ${drainMs} ms: its ${this.#object.recordCount} ` +
        'records are read again at the next start',
    )
  }
}

/** How long giving up an upload may take. */
const abortPatienceMs = 2_000

/** How long a look at the clock may be put off. */
const idleMs = 60_000

/** The old readers take a client name without a hyphen only, and read `archive` instead of everything else. */
function checkClient(client: string): void {
  if (/^[A-Za-z0-9_.]+$/.test(client) && client !== 'archive' && !isShardWho(client)) return
  throw new ConfigError(
    `"${client}" is no client name that archives can be stored under: letters, digits, "_" and ".", and not "archive", ` +
      'since it becomes part of their names',
  )
}

function checkOptions({ rotateMs, rotateBytes, drainMs }: StoreOptions): void {
  for (const [name, value, least] of [
    ['rotateMs', rotateMs, 1_000],
    ['rotateBytes', rotateBytes, 1],
    ['drainMs', drainMs, 0],
  ] as const) {
    if (value !== undefined && !(Number.isFinite(value) && value >= least))
      throw new ConfigError(`option ${name} is ${value}; it takes ${least} or more`)
  }
}
