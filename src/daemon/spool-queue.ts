import { type Clock, sleep, type Timer } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { assert } from '../errors.ts'
import { type Disk, systemDisk, tellFailedWrite } from '../journal/disk.ts'
import { Journal, type JournalOptions } from '../journal/journal.ts'
import type { RecentBytes } from '../journal/recent-bytes.ts'
import type { PutEntry } from '../kinesis/kinesis-api.ts'
import { maxBatchRecords } from '../kinesis/limits.ts'
import { BodyCopies } from './body-copies.ts'
import { Outstanding } from './outstanding.ts'
import { type ReadSpoolFrame, readSpool } from './read-spool.ts'
import { bytesOf, type Chunk, type OnKept, type RecordQueue } from './record-queue.ts'
import { isBehind, SpoolCursor, type SpoolPosition } from './spool-cursor.ts'
import { encodeSpoolHead } from './spool-frame.ts'
import { SpoolIndex } from './spool-index.ts'

export interface SpoolQueueOptions {
  /** Logical name, for the news. */
  streamName: string
  dir: string
  sync: 'interval' | 'always'
  segmentBytes: number
  /** How long a record waits for company, in milliseconds. */
  flushMs: number
  /** The latest writes of all streams. */
  recent: RecentBytes
  /** Copies a damaged stretch of a segment to where people find it, before the segment goes. */
  keepDamaged: (path: string, offset: number, bytes: number) => Promise<void>
  /** There is room again. */
  onRoom: () => void
  clock: Clock
  /** @default systemDisk */
  disk?: Disk
}

/** Records on their way into the journal. */
interface Draft {
  /** Its place among all drafts. */
  number: number
  receivedAtMs: number
  entries: PutEntry[]
  bytes: number
  onKept: OnKept[]
}

/**
 * A stream's queue on disk. Records are appended to a journal, read back in order, and let go of behind what Kinesis has
 * acknowledged:
 *
 *     [trimmed] cursor ... outstanding chunks ... read place ... unread ... end | drafts on their way
 *
 * The cursor is written every 100 ms, so that what a crash sends again is bounded by the outstanding chunks and what
 * Kinesis acknowledged within that time.
 *
 *     open --an append failed--> blocked: takes nothing; opens the journal anew each second --it takes the drafts--> open
 *     open, blocked --close--> closed: hands out nothing more --release--> released
 */
export class SpoolQueue implements RecordQueue {
  readonly #options: SpoolQueueOptions
  readonly #cursor: SpoolCursor
  readonly #outstanding: Outstanding
  #journal: Journal
  readonly #copies = new BodyCopies()
  #draft: Draft | undefined
  #isDraftPlanned = false
  #appending = 0
  /** Bytes in memory that the journal has not taken yet. */
  #stagedBytes = 0
  #failed: Draft[] = []
  #retryTimer: Timer | undefined
  #reopening: Promise<void> | undefined
  #readPlace: SpoolPosition
  #reader: AsyncGenerator<ReadSpoolFrame> | undefined
  /** Read, but without room in the chunk before. */
  #leftFrame: ReadSpoolFrame | undefined
  #recordCount: number
  #unreadCount: number
  #unreadSinceMs: number | undefined
  #diskBytes = 0
  #lastNumber = 0
  #lastDraftNumber = 0
  #cursorTimer: Timer | undefined
  #trimming: Promise<void> = Promise.resolve()
  #isClosed = false
  #wake: (() => void) | undefined

  private constructor(options: SpoolQueueOptions, journal: Journal, cursor: SpoolCursor, index: SpoolIndex) {
    const start = cursor.position
    assert(start !== undefined, 'the cursor was placed')
    this.#options = options
    this.#journal = journal
    this.#cursor = cursor
    this.#outstanding = new Outstanding(start)
    this.#readPlace = start
    this.#recordCount = index.countFrom(start)
    this.#unreadCount = this.#recordCount
    if (this.#recordCount > 0) this.#unreadSinceMs = options.clock.monotonic()
    this.#diskBytes = journal.bytes
  }

  static async open(options: SpoolQueueOptions): Promise<SpoolQueue> {
    const { disk = systemDisk, dir } = options
    const index = new SpoolIndex()
    const journal = await Journal.open(journalOptions(options, index))
    try {
      const cursor = await SpoolCursor.open(disk, dir)
      const start = startOf(journal, index, cursor.position)
      // What is appended from now on may stand where acknowledged records stood that a power loss took.
      cursor.write(start)
      await cursor.sync()
      return new SpoolQueue(options, journal, cursor, index)
    } catch (error) {
      await journal.close()
      throw error
    }
  }

  get recordCount(): number {
    return this.#recordCount
  }

  get bytes(): number {
    return this.#diskBytes + this.#stagedBytes
  }

  get oldestMs(): number | undefined {
    return this.#outstanding.oldestMs ?? this.#unreadSinceMs
  }

  get isBlocked(): boolean {
    return this.#failed.length > 0 || this.#stagedBytes > maxStagedBytes
  }

  /** When the oldest waiting record came, epoch milliseconds: for who only looks, before `next` is ever called. */
  async oldestAtMs(): Promise<number | undefined> {
    const reader = readSpool(this.#journal, this.#readPlace)
    const { value } = await reader.next()
    await reader.return(undefined)
    return value?.receivedAtMs
  }

  add(entry: PutEntry, onKept?: OnKept): void {
    assert(!this.#isClosed, 'nothing is added to a closed queue')
    const bytes = bytesOf(entry)
    if (this.#draft !== undefined && this.#draft.bytes + bytes > chunkBytes) this.#appendDraft()
    this.#draft ??= this.#beginDraft()
    this.#draft.entries.push({ data: this.#copies.copy(entry.data), partitionKey: entry.partitionKey })
    this.#draft.bytes += bytes
    this.#stagedBytes += bytes
    if (onKept !== undefined) this.#draft.onKept.push(onKept)
    if (this.#draft.entries.length >= maxBatchRecords) this.#appendDraft()
    else if (!this.#isDraftPlanned) {
      this.#isDraftPlanned = true
      setImmediate(this.#appendTurn)
    }
  }

  async next(): Promise<Chunk | undefined> {
    const { clock, flushMs } = this.#options
    while (!this.#isClosed) {
      const waitedMs = clock.monotonic() - (this.#unreadSinceMs ?? clock.monotonic())
      const isDue = this.#unreadCount >= maxBatchRecords || waitedMs >= flushMs
      if (this.#unreadCount > 0 && isDue) {
        const chunk = await this.#tryToRead()
        if (chunk !== undefined) return chunk
        continue
      }
      await this.#news(this.#unreadCount > 0 ? flushMs - waitedMs : undefined)
    }
    return undefined
  }

  settle(chunk: Chunk, left: PutEntry[]): void {
    this.#recordCount -= chunk.entries.length - left.length
    chunk.entries = left
    if (left.length > 0) return
    const before = this.#outstanding.settled.segment
    this.#outstanding.settle(chunk)
    const { segment } = this.#outstanding.settled
    this.#cursorTimer ??= this.#options.clock.setTimer(() => this.#keepCursor(), cursorMs)
    if (segment > before) this.#trimming = this.#trimming.then(() => this.#trim(segment))
  }

  close(): void {
    this.#isClosed = true
    this.#wake?.()
  }

  /** Answers how many records the disk never took. */
  async release(): Promise<number> {
    this.close()
    this.#appendDraft()
    this.#retryTimer?.cancel()
    await this.#reopening
    while (this.#appending > 0) await this.#news(undefined)
    await this.#trimming
    this.#keepCursor()
    this.#cursorTimer?.cancel()
    await this.#reader?.return(undefined)
    await this.#journal.close()
    this.#cursor.close()
    return this.#failed.reduce((sum, { entries }) => sum + entries.length, 0)
  }

  #beginDraft(): Draft {
    const receivedAtMs = this.#options.clock.now()
    return { number: ++this.#lastDraftNumber, receivedAtMs, entries: [], bytes: 0, onKept: [] }
  }

  readonly #appendTurn = (): void => {
    this.#isDraftPlanned = false
    this.#appendDraft()
  }

  #appendDraft(): void {
    const draft = this.#draft
    this.#draft = undefined
    if (draft !== undefined) void this.#append(draft)
  }

  async #append(draft: Draft): Promise<void> {
    this.#appending++
    try {
      await this.#journal.append(
        encodeSpoolHead(draft),
        draft.entries.map(({ data }) => data),
      )
      this.#kept(draft)
    } catch (error) {
      this.#refused(draft, error)
    }
    this.#appending--
    this.#wake?.()
  }

  #kept(draft: Draft): void {
    const { entries, bytes, onKept } = draft
    this.#recordCount += entries.length
    this.#unreadCount += entries.length
    this.#unreadSinceMs ??= this.#options.clock.monotonic()
    const wasBlocked = this.isBlocked
    this.#stagedBytes -= bytes
    this.#diskBytes = this.#journal.bytes
    for (const tell of onKept) tell()
    if (wasBlocked) this.#options.onRoom()
  }

  /** Who waits for an answer gets it; what nobody waits for is kept until the disk takes it. */
  #refused(draft: Draft, error: unknown): void {
    const { streamName, clock } = this.#options
    const reason = error instanceof Error ? error.message : String(error)
    for (const tell of draft.onKept) tell(reason)
    draft.onKept = []
    this.#failed.push(draft)
    if (this.#retryTimer !== undefined || this.#isClosed) return
    report({ type: 'spool-blocked', stream: streamName, reason })
    this.#retryTimer = clock.setTimer(() => {
      this.#reopening = this.#reopen()
    }, retryMs)
  }

  /** After a failed sync only a journal that was opened anew takes appends, so each attempt begins with that. */
  async #reopen(): Promise<void> {
    await this.#reader?.return(undefined)
    this.#reader = undefined
    this.#leftFrame = undefined
    await this.#journal.close()
    try {
      const index = new SpoolIndex()
      this.#journal = await Journal.open(journalOptions(this.#options, index))
      await this.#cut(index)
    } catch {
      // The appends below meet the closed journal and plan the next attempt.
      await this.#journal.close()
    }
    this.#retryTimer = undefined
    // The journal refuses what it had not written yet before what it could not sync.
    const drafts = this.#failed.sort((one, other) => one.number - other.number)
    this.#failed = []
    await Promise.all(drafts.map((draft) => this.#append(draft)))
    if (this.#failed.length === 0) {
      report({ type: 'spool-unblocked', stream: this.#options.streamName })
      this.#options.onRoom()
    }
  }

  /**
   * What was not synced may be gone. What is appended from now on then stands where it stood, so that neither the reader
   * nor the cursor may be further on.
   */
  async #cut(index: SpoolIndex): Promise<void> {
    const { end: place } = this.#journal
    const end = { ...place, recordCount: index.countIn(place.segment) }
    if (isBehind(this.#outstanding.settled, end)) {
      this.#cursor.write(end)
      await this.#cursor.sync()
    }
    this.#outstanding.cut(end)
    if (!isBehind(this.#readPlace, end)) return
    this.#readPlace = end
    this.#forgetDamaged(this.#unreadCount)
    this.#unreadSinceMs = undefined
  }

  /** A disk that can't be read is told of and tried again: what stands on it is not lost for that. */
  async #tryToRead(): Promise<Chunk | undefined> {
    const start = this.#readPlace
    try {
      return await this.#readChunk()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      report({ type: 'spool-blocked', stream: this.#options.streamName, reason })
      this.#reader = undefined
      this.#leftFrame = undefined
      this.#readPlace = start
      await this.#news(retryMs)
      return undefined
    }
  }

  async #readChunk(): Promise<Chunk | undefined> {
    const { clock } = this.#options
    const chunk: Chunk = { number: this.#lastNumber + 1, entries: [], bytes: 0, sinceMs: clock.monotonic() }
    let end: SpoolPosition | undefined
    let lostCount = 0
    for (;;) {
      const frame = this.#leftFrame ?? (await this.#readFrame())
      this.#leftFrame = undefined
      if (frame === undefined) break
      const { entries, receivedAtMs, damagedCount } = frame
      const bytes = entries.reduce((sum, entry) => sum + bytesOf(entry), 0)
      const isFull = chunk.entries.length + entries.length > maxBatchRecords || chunk.bytes + bytes > chunkBytes
      if (chunk.entries.length > 0 && isFull) {
        this.#leftFrame = frame
        break
      }
      chunk.entries.push(...entries)
      chunk.bytes += bytes
      chunk.sinceMs = Math.min(chunk.sinceMs, clock.monotonic() - Math.max(0, clock.now() - receivedAtMs))
      lostCount += damagedCount
      const countBefore = frame.place.segment === this.#readPlace.segment ? this.#readPlace.recordCount : 0
      end = { ...frame.next, recordCount: countBefore + entries.length + damagedCount }
      this.#readPlace = end
    }
    if (end === undefined) {
      this.#forgetDamaged(this.#unreadCount)
      this.#unreadSinceMs = undefined
      return undefined
    }
    if (lostCount > 0) this.#forgetDamaged(lostCount)
    this.#lastNumber = chunk.number
    // Below zero for a moment when a frame is read before its writer has heard that it stands.
    this.#unreadCount -= chunk.entries.length
    this.#unreadSinceMs = this.#unreadCount > 0 ? clock.monotonic() : undefined
    this.#outstanding.add(chunk, end)
    return chunk
  }

  /** They were counted when they came, and can't be read any more. */
  #forgetDamaged(recordCount: number): void {
    if (recordCount <= 0) return
    report({ type: 'spool-damaged', stream: this.#options.streamName, recordCount })
    this.#recordCount -= recordCount
    this.#unreadCount -= recordCount
  }

  /** The next frame; undefined at the end of what stands for good. */
  async #readFrame(): Promise<ReadSpoolFrame | undefined> {
    this.#reader ??= readSpool(this.#journal, this.#readPlace)
    const { value, done } = await this.#reader.next()
    if (!done) return value
    this.#reader = undefined
    return undefined
  }

  #keepCursor(): void {
    this.#cursorTimer?.cancel()
    this.#cursorTimer = undefined
    try {
      this.#cursor.write(this.#outstanding.settled)
    } catch (error) {
      // An older cursor means more duplicates after a crash, no loss; the next settled chunk tries again.
      tellFailedWrite(this.#options.dir, error)
    }
  }

  async #trim(segment: number): Promise<void> {
    try {
      for (const { path, number, gaps } of this.#journal.segments) {
        if (number >= segment) break
        for (const [offset, bytes] of gaps) await this.#options.keepDamaged(path, offset, bytes)
      }
      await this.#journal.trim(segment)
    } catch (error) {
      // It is tried again when the next segment has been sent.
      tellFailedWrite(this.#options.dir, error)
    }
    this.#diskBytes = this.#journal.bytes
    this.#options.onRoom()
  }

  async #news(withinMs: number | undefined): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    if (withinMs !== undefined) return sleep(this.#options.clock, withinMs, woken.signal)
    await new Promise<void>((resolve) => woken.signal.addEventListener('abort', () => resolve(), { once: true }))
  }
}

function journalOptions(options: SpoolQueueOptions, index: SpoolIndex): JournalOptions {
  const { dir, sync, segmentBytes, recent, clock, disk } = options
  return { dir, sync, segmentBytes, recent, clock, index, ...(disk !== undefined && { disk }) }
}

/**
 * Where sending begins: at the cursor, unless the journal tells otherwise. What stands before the oldest segment was
 * trimmed; a cursor behind the end is one whose acknowledged records a power loss took.
 */
function startOf(journal: Journal, index: SpoolIndex, kept: SpoolPosition | undefined): SpoolPosition {
  const oldest = journal.segments[0]
  const { end } = journal
  if (oldest === undefined) return { segment: 0, offset: 0, recordCount: 0 }
  if (kept === undefined || kept.segment < oldest.number) return { segment: oldest.number, offset: 0, recordCount: 0 }
  return isBehind(kept, end) ? { ...end, recordCount: index.countIn(end.segment) } : kept
}

/** A request's worth, small enough that many streams may each have some under way. */
const chunkBytes = 1024 * 1024
const maxStagedBytes = 16 * 1024 * 1024
const cursorMs = 100
const retryMs = 1_000
