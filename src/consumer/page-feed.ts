import { setMaxListeners } from 'node:events'
import { sleep } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { NotFoundError } from '../errors.ts'
import { noRecords } from '../kinesis/kinesis-api.ts'
import { describePosition } from '../kinesis/position.ts'
import { type Beginning, beginReading, listShards } from './begin-reading.ts'
import type { BegunShard } from './lineage.ts'
import { awaitOtherReaders } from './other-readers.ts'
import { PrefetchBudget } from './prefetch-budget.ts'
import type { ReadSettings } from './read-settings.ts'
import { type ShardPage, ShardReader } from './shard-reader.ts'

/**
 * Fetches ahead from all shards of one reader, within the budget, and hands out pages in the order in which they came:
 * a shard's end stands in that order before the first page of its children.
 *
 *     prepared   the shards are listed and *latest* is taken, from the constructor on; nothing is fetched
 *     reading    from `begin` on
 *     stopped    `stop`: no fetch any more; the pages that are there can still be had
 *     over       no page will come: all was read, or `failure` says why, or the feed was closed
 */
export class PageFeed {
  readonly #settings: ReadSettings
  readonly #life = new AbortController()
  readonly #budget: PrefetchBudget
  readonly #onNews: () => void
  readonly #prepared: Promise<Beginning | undefined>
  readonly #readers = new Map<string, ShardReader>()
  #pages: ShardPage[] = []
  #hasBegun = false
  /** Loops that may still bring a page: one a shard, one that lists, one that waits for other readers. */
  #taskCount = 0
  #isListing = false
  #isListingWanted = false
  #isAskingOthers = false
  #failure: unknown
  #whenIdle: (() => void) | undefined
  #closed: Promise<void> | undefined

  /** `onNews` is called when a page came or the feed is over. */
  constructor(settings: ReadSettings, onNews: () => void) {
    this.#settings = settings
    this.#onNews = onNews
    this.#budget = new PrefetchBudget(settings.prefetchBytes)
    setMaxListeners(0, this.#life.signal)
    this.#prepared = this.#prepare()
    // Whoever begins or waits for it hears of a failure; a feed that nobody uses must not end the process.
    this.#prepared.catch(() => {})
  }

  /** Resolves when every shard's start is known and taken. Rejects with what `failure` will be. */
  async ready(): Promise<void> {
    await this.#prepared
  }

  /** What was learnt at the start; undefined before, or when closed or failed before. */
  beginning: Beginning | undefined

  begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.#run(async () => {
      this.beginning = await this.#prepared
      this.#startReady()
    })
  }

  /** The next page that is there; whoever takes it calls `release` when done with it. */
  shift(): ShardPage | undefined {
    return this.#pages.shift()
  }

  get hasPage(): boolean {
    return this.#pages.length > 0
  }

  release(page: ShardPage): void {
    page.records.release()
    this.#budget.release(page.heldBytes)
  }

  /** Bytes that are fetched or being fetched and not released. */
  get heldBytes(): number {
    return this.#budget.heldBytes
  }

  /** No page is there and none will come. */
  get isOver(): boolean {
    return this.#hasBegun && this.#taskCount === 0 && this.#pages.length === 0
  }

  /** Why the feed is over, when it is over because it failed. */
  get failure(): unknown {
    return this.#failure
  }

  stop(): void {
    this.#hasBegun = true
    this.#life.abort()
    this.#onNews()
  }

  /** Stops and drops what was fetched. Resolves when nothing runs any more. May be called twice, also at once. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.stop()
    for (const page of this.#pages.splice(0)) this.release(page)
    this.#onNews()
    await this.#prepared.catch(() => {})
    if (this.#taskCount > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve))
    for (const page of this.#pages.splice(0)) this.release(page)
  }

  async #prepare(): Promise<Beginning | undefined> {
    const { signal } = this.#life
    try {
      const beginning = await beginReading(this.#settings, signal)
      const latest = beginning?.lineage.startsAtLatest ?? []
      await Promise.all(latest.map((shardId) => this.#reader({ shardId, position: { type: 'LATEST' } }).open()))
      return beginning
    } catch (error) {
      this.#life.abort()
      throw error
    }
  }

  #reader(begun: Pick<BegunShard, 'shardId' | 'position'>): ShardReader {
    const known = this.#readers.get(begun.shardId)
    if (known !== undefined) return known
    const { api, stream, limit, idlePollMs, callsPerSecond, clock, random } = this.#settings
    const reader = new ShardReader({
      ...{ api, stream, limit, idlePollMs, callsPerSecond, clock, random },
      ...{ shardId: begun.shardId, position: begun.position },
      budget: this.#budget,
      signal: this.#life.signal,
    })
    this.#readers.set(begun.shardId, reader)
    return reader
  }

  #startReady(): void {
    const { beginning } = this
    if (beginning === undefined || this.#life.signal.aborted) return
    for (const begun of beginning.lineage.begin()) this.#run(() => this.#readShard(begun))
    if (this.#isAskingOthers || beginning.lineage.unsettledParents().length === 0) return
    this.#isAskingOthers = true
    this.#run(() => this.#askOthers(beginning).finally(() => (this.#isAskingOthers = false)))
  }

  #askOthers(beginning: Beginning): Promise<void> {
    return awaitOtherReaders(this.#settings, beginning, this.#life.signal, () => {
      this.#startReady()
      // A parent that retention took in the meantime is waited for no longer.
      if (beginning.lineage.unsettledParents().length > 0) this.#relist()
    })
  }

  async #readShard(begun: BegunShard): Promise<void> {
    const { stream, untilCaughtUp } = this.#settings
    const { shardId, position } = begun
    report({ type: 'shard-started', stream, shardId, from: describePosition(position) })
    if (position.type !== 'LATEST') {
      for (const parentShardId of begun.unlistedParentIds) {
        report({ type: 'parent-unlisted', stream, shardId, parentShardId })
      }
    }
    const reader = this.#reader(begun)
    let tipCount = 0
    try {
      for (;;) {
        const page = await reader.next()
        if (page === undefined) return
        if (page.records.length > 0 || page.isEnd) this.#push(page)
        else this.release(page)
        if (page.isEnd) return this.#finish(page)
        // Only the page after a tip can tell an open shard from a closed one whose end was not asked for yet. One tip
        // suffices when it came empty; under load no page does, so the second ends it too. A shard that is known to be
        // closed has an end, and children behind it, however many empty pages come before.
        tipCount = page.millisBehindLatest === 0 ? tipCount + (page.records.length === 0 ? 2 : 1) : 0
        if (untilCaughtUp && tipCount >= 2 && this.beginning?.map.isOpen(shardId)) return
      }
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error
      await this.#afterExpiry(shardId, reader, error)
    } finally {
      this.#readers.delete(shardId)
    }
  }

  #push(page: ShardPage): void {
    this.#pages.push(page)
    this.#onNews()
  }

  #finish(end: ShardPage): void {
    const { stream } = this.#settings
    const childShardIds = end.childShards.map((child) => child.shardId)
    report({ type: 'shard-finished', stream, shardId: end.shardId, childShardIds })
    this.beginning?.lineage.finish(end.shardId, end.childShards)
    this.#startReady()
    this.#relist()
  }

  /** A shard that vanished while it was read: retention took it, so its children go on, or the stream is gone. */
  async #afterExpiry(shardId: string, reader: ShardReader, error: NotFoundError): Promise<void> {
    const { stream } = this.#settings
    const shards = await listShards(this.#settings, this.#life.signal)
    if (shards === undefined) return
    if (shards.some((shard) => shard.shardId === shardId)) throw error
    const position = reader.position
    const sequenceNumber = 'sequenceNumber' in position ? position.sequenceNumber : '0'
    report({ type: 'position-trimmed', stream, shardId, sequenceNumber })
    this.beginning?.lineage.learn(shards)
    this.#push({ shardId, records: noRecords, millisBehindLatest: 0, isEnd: true, childShards: [], heldBytes: 0 })
    this.beginning?.lineage.finish(shardId)
    this.#startReady()
  }

  /** Lists again, soon: shards that end together share a listing that began after all of them. */
  #relist(): void {
    this.#isListingWanted = true
    if (this.#isListing) return
    this.#isListing = true
    this.#run(() => this.#listAgain().finally(() => (this.#isListing = false)))
  }

  async #listAgain(): Promise<void> {
    const { clock } = this.#settings
    const { signal } = this.#life
    for (let lateCount = 0; this.#isListingWanted; ) {
      this.#isListingWanted = false
      const shards = await listShards(this.#settings, signal)
      const lineage = this.beginning?.lineage
      if (shards === undefined || lineage === undefined) return
      lineage.learn(shards)
      const unlisted = lineage.unlistedChildren()
      if (unlisted.length > 0 && !this.#isListingWanted) {
        // Kinesis names a child before its listings show it; one that none ever shows has expired already.
        if (++lateCount >= lateListings) for (const shardId of unlisted) lineage.trust(shardId)
        else {
          this.#isListingWanted = true
          await sleep(clock, listAgainMs, signal)
        }
      }
      this.#startReady()
    }
  }

  /** Runs a loop whose failure is the feed's, and knows when the last one has ended. */
  #run(task: () => Promise<void>): void {
    this.#taskCount += 1
    task()
      .catch((error: unknown) => {
        this.#failure ??= error
        this.#life.abort()
      })
      .finally(() => {
        this.#taskCount -= 1
        if (this.#taskCount > 0) return
        this.#whenIdle?.()
        this.#onNews()
      })
  }
}

/** How often a listing is repeated that does not show a child yet, and how long after the one before. */
const lateListings = 20
const listAgainMs = 500
