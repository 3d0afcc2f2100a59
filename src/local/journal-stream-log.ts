import type { Clock } from '../clock.ts'
import { StorageError } from '../errors.ts'
import type { Disk } from '../journal/disk.ts'
import type { SyncRule } from '../journal/group-sync.ts'
import { Journal } from '../journal/journal.ts'
import type { JournalIndex, Place } from '../journal/journal-index.ts'
import { RecentBytes } from '../journal/recent-bytes.ts'
import type { SegmentCursor } from '../journal/segment-cursor.ts'
import type { AppendBlock, LogPage, ReadQuery, ShardTail, StreamLog } from './stream-log.ts'
import { blocksKind, encodeBlocksHead, encodeMarksHead, HeadRows } from './stream-log-frame.ts'
import { GrowingIndex, SealedIndex, type SegmentIndex, type ShardSpan } from './stream-log-index.ts'
import { PageBuilder } from './stream-log-page.ts'

export interface JournalStreamLogOptions {
  /** The stream's own directory; created when missing. */
  dir: string
  /** @default 'interval' */
  sync?: SyncRule
  /** @default 64 MiB */
  segmentBytes?: number
  /** The latest records, kept in memory for readers at the tip. @default 16 MiB for all streams of the process together */
  recent?: RecentBytes
  clock?: Clock
  disk?: Disk
}

/** Opens (or begins) the log of a stream on disk: one journal, one frame per append. */
export async function openJournalStreamLog(options: JournalStreamLogOptions): Promise<StreamLog> {
  const keeper = new IndexKeeper()
  return new JournalStreamLog(await Journal.open({ recent: sharedRecent, ...options, index: keeper }), keeper)
}

const sharedRecent = new RecentBytes(16 * 1024 * 1024)

class JournalStreamLog implements StreamLog {
  readonly #journal: Journal
  readonly #keeper: IndexKeeper

  constructor(journal: Journal, keeper: IndexKeeper) {
    this.#journal = journal
    this.#keeper = keeper
  }

  async append(blocks: readonly AppendBlock[]): Promise<void> {
    if (blocks.length === 0) return
    await this.#journal.append(
      encodeBlocksHead(blocks),
      blocks.map((block) => block.bytes),
    )
  }

  async read(query: ReadQuery): Promise<LogPage> {
    const page = new PageBuilder(query)
    const tipSeqIx = this.#tipOf(query.shardIndex)
    for (const [number, index] of this.#keeper.segments()) {
      if (page.isFull || page.nextSeqIx > tipSeqIx) break
      const span = index.span(query.shardIndex)
      if (span === undefined || span.lastSeqIx < page.nextSeqIx || span.lastArrivalMs < query.notBeforeMs) continue
      const start = Math.max(span.seek(page.nextSeqIx), span.seekArrival(query.notBeforeMs))
      await this.#readSegment(number, start, span, query, page)
    }
    const hasGrown = this.#tipOf(query.shardIndex) > tipSeqIx
    // A page that isn't full has seen everything up to the tip, even when damage left nothing to show for it.
    const reachesTip = !hasGrown && (!page.isFull || page.nextSeqIx > tipSeqIx)
    return page.finish(reachesTip)
  }

  async seqIxAt(shardIndex: number, arrivalMs: number): Promise<number | undefined> {
    for (const [number, index] of this.#keeper.segments()) {
      const span = index.span(shardIndex)
      if (span === undefined || span.lastArrivalMs < arrivalMs) continue
      const cursor = this.#journal.cursor(number, span.seekArrival(arrivalMs))
      if (cursor === undefined) continue
      try {
        const found = await findArrival(cursor, shardIndex, arrivalMs, span)
        if (found !== undefined) return found
      } finally {
        cursor.close()
      }
    }
    return undefined
  }

  tails(): ReadonlyMap<number, ShardTail> {
    return this.#keeper.tails
  }

  async trim(beforeMs: number): Promise<number> {
    const old = this.#keeper.oldSegments(beforeMs)
    const lastOld = old.at(-1)
    if (lastOld === undefined) return 0
    if (lastOld === this.#journal.end.segment) this.#journal.roll()
    return this.#journal.trim(await this.#keepMarks(lastOld + 1))
  }

  close(): Promise<void> {
    return this.#journal.close()
  }

  /**
   * Before segments go, what they know of shards that have nothing newer is written down again: sequence numbers must
   * never go back. On a full disk that may fail; then only segments go that know nothing of the kind. Answers the
   * segment before which everything can be deleted.
   */
  async #keepMarks(before: number): Promise<number> {
    const vanishing = this.#keeper.tailsBefore(before)
    if (vanishing.length === 0) return before
    try {
      await this.#journal.append(encodeMarksHead(vanishing), [])
      await this.#journal.sync()
      return before
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      return vanishing.reduce((first, [shardIndex]) => Math.min(first, this.#keeper.knownIn(shardIndex)), before)
    }
  }

  #tipOf(shardIndex: number): number {
    return this.#keeper.tails.get(shardIndex)?.lastSeqIx ?? -1
  }

  async #readSegment(
    number: number,
    start: number,
    span: ShardSpan,
    query: ReadQuery,
    page: PageBuilder,
  ): Promise<void> {
    const cursor = this.#journal.cursor(number, start)
    if (cursor === undefined) return
    try {
      while (!page.isFull) {
        if (!cursor.next()) {
          if (await cursor.load()) continue
          return
        }
        if (!takeHeld(cursor, query, page) && (await cursor.loadFrame())) takeHeld(cursor, query, page)
        if (cursor.offset >= span.lastOffset) return
      }
    } finally {
      cursor.close()
    }
  }
}

/**
 * Adds the current frame's records of the shard to the page, as far as they are in memory; false when some are not.
 * Without a promise per frame: a frame may hold a single record.
 */
function takeHeld(cursor: SegmentCursor, query: ReadQuery, page: PageBuilder): boolean {
  const { shardIndex, notBeforeMs } = query
  const rows = new HeadRows(cursor.bytes, cursor.headStart, cursor.headBytes)
  if (rows.kind !== blocksKind) return true
  for (let row = rows.find(shardIndex, 0); row >= 0; row = rows.find(shardIndex, row + 1)) {
    const recordCount = rows.recordCount(row)
    const seqIx = rows.seqIx(row)
    const arrivalMs = rows.arrivalMs(row)
    if (arrivalMs < notBeforeMs || seqIx + recordCount <= page.nextSeqIx) continue
    if (!cursor.holds(row)) return false
    const packed = cursor.heldPart(row)
    if (packed !== undefined) page.take(packed, seqIx, recordCount, rows.seqTimeSeconds(row), arrivalMs)
  }
  return true
}

async function findArrival(
  cursor: SegmentCursor,
  shardIndex: number,
  arrivalMs: number,
  span: ShardSpan,
): Promise<number | undefined> {
  for (;;) {
    if (!cursor.next()) {
      if (await cursor.load()) continue
      return undefined
    }
    const rows = new HeadRows(cursor.bytes, cursor.headStart, cursor.headBytes)
    if (rows.kind === blocksKind)
      for (let row = rows.find(shardIndex, 0); row >= 0; row = rows.find(shardIndex, row + 1))
        if (rows.arrivalMs(row) >= arrivalMs) return rows.seqIx(row)
    if (cursor.offset >= span.lastOffset) return undefined
  }
}

/** Keeps the sparse index of every segment, and the tails of all shards, as the journal tells of its frames. */
class IndexKeeper implements JournalIndex {
  readonly tails = new Map<number, ShardTail>()
  /** Per shard: the newest segment that knows its tail. */
  readonly #knownIn = new Map<number, number>()
  readonly #segments = new Map<number, SegmentIndex>()
  #growing: GrowingIndex | undefined
  #growingSegment = -1

  added(place: Place, head: Buffer): void {
    let growing = this.#growing
    if (growing === undefined || this.#growingSegment !== place.segment) {
      growing = new GrowingIndex()
      this.#growing = growing
      this.#growingSegment = place.segment
      this.#segments.set(place.segment, growing)
    }
    growing.add(place.offset, head)
    const rows = new HeadRows(head, 0, head.length)
    const isBlocks = rows.kind === blocksKind
    for (let row = 0; row < rows.count; row++) {
      this.#learn(rows.shardIndex(row), place.segment, {
        lastSeqIx: rows.seqIx(row) + (isBlocks ? rows.recordCount(row) - 1 : 0),
        lastSeqTimeSeconds: rows.seqTimeSeconds(row),
        lastArrivalMs: rows.arrivalMs(row),
      })
    }
  }

  footer(segment: number): Uint8Array {
    const index = this.#segments.get(segment) ?? new GrowingIndex()
    if (!(index instanceof GrowingIndex)) return Buffer.alloc(0)
    const footer = index.encode()
    this.loaded(segment, footer)
    return footer
  }

  loaded(segment: number, footer: Buffer): boolean {
    const index = SealedIndex.decode(footer)
    if (index === undefined) return false
    this.#segments.set(segment, index)
    for (const [shardIndex, tail] of index.tails()) this.#learn(shardIndex, segment, tail)
    return true
  }

  removed(segment: number): void {
    this.#segments.delete(segment)
  }

  /** In the order of their numbers; a copy, since segments may come and go while a reader waits. */
  segments(): [number, SegmentIndex][] {
    return [...this.#segments]
  }

  /** The oldest segments, as many as have only records from before this moment. */
  oldSegments(beforeMs: number): number[] {
    const old: number[] = []
    let withRecords = 0
    for (const [number, index] of this.#segments) {
      const lastArrivalMs = index.lastArrivalMs()
      if (lastArrivalMs >= beforeMs) break
      old.push(number)
      if (lastArrivalMs !== Number.NEGATIVE_INFINITY) withRecords = old.length
    }
    // What stands behind the last record are marks, which are not to be moved again and again.
    return old.slice(0, withRecords)
  }

  /** The tails that no segment from this one on knows of. */
  tailsBefore(segment: number): [number, ShardTail][] {
    return [...this.tails].filter(([shardIndex]) => this.knownIn(shardIndex) < segment)
  }

  knownIn(shardIndex: number): number {
    return this.#knownIn.get(shardIndex) ?? 0
  }

  #learn(shardIndex: number, segment: number, tail: ShardTail): void {
    const known = this.tails.get(shardIndex)
    if (known !== undefined && known.lastSeqIx > tail.lastSeqIx) return
    const { lastSeqIx, lastSeqTimeSeconds, lastArrivalMs } = tail
    this.tails.set(shardIndex, { lastSeqIx, lastSeqTimeSeconds, lastArrivalMs })
    this.#knownIn.set(shardIndex, Math.max(segment, this.knownIn(shardIndex)))
  }
}
