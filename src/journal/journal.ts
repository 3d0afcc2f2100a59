import { join } from 'node:path'
import { type Clock, systemClock, type Timer } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { ClosedError, StorageError } from '../errors.ts'
import { type Random, randomInteger, systemRandom } from '../random.ts'
import { type Disk, storageError, systemDisk } from './disk.ts'
import { openSegment } from './open-segment.ts'
import { RecentBytes } from './recent-bytes.ts'
import type { Segment } from './segment.ts'
import { SegmentCursor } from './segment-cursor.ts'
import {
  frameBytes,
  frameHeaderBytes,
  headerBytes,
  largestFrameBytes,
  largestHeadBytes,
  largestSegmentBytes,
  partEntryBytes,
  segmentName,
  segmentNumber,
} from './segment-format.ts'
import { SegmentWriter } from './segment-writer.ts'

/**
 * When an append resolves: `always`: the bytes are on the device (appends that arrive together share one sync);
 * `interval`: the kernel has them, which survives a kill of the process, and a sync follows soon; `never`: as
 * `interval`, without the sync.
 */
export type SyncRule = 'always' | 'interval' | 'never'

export interface JournalOptions {
  /** Created when missing. One journal, and one process at a time, per directory: whoever opens it sees to that. */
  dir: string
  /** @default 'interval' */
  sync?: SyncRule
  /** How long written bytes may stay unsynced under `interval`. @default 100 */
  syncIntervalMs?: number
  /** A segment that has reached this size is sealed and a new one begun. @default 64 MiB */
  segmentBytes?: number
  /** The latest writes, kept in memory for readers at the tip; may be shared. @default 8 MiB of its own */
  recent?: RecentBytes
  index?: JournalIndex
  clock?: Clock
  random?: Random
  disk?: Disk
}

/** What the owner of a journal remembers of its frames. The journal keeps it in the footers, so that a start need not read all. */
export interface JournalIndex {
  /** A frame stands for good: just acknowledged, or found at open. Called in the order of the frames. */
  added(place: Place, head: Buffer): void
  /** What to write into the footer of a segment, all of whose frames were `added` (or `loaded`). */
  footer(segment: number): Uint8Array
  /** At open: the footer of a sealed segment. Answers false when it makes no sense, and then its frames are `added` instead. */
  loaded(segment: number, footer: Buffer): boolean
  /** The segment was trimmed. */
  removed(segment: number): void
}

/** Where a frame stands. */
export interface Place {
  segment: number
  offset: number
}

/** A frame as `read` hands it out. */
export interface JournalFrame {
  place: Place
  /** Where reading goes on behind this frame. */
  next: Place
  head: Buffer
  parts: Buffer[]
}

/**
 * An append-only log in a directory of segments. Knows bytes only: a frame is a small head and some parts.
 *
 *     open --append/read/trim--> open
 *     open --a sync failed, or a failed write could not be undone--> failed: appends are refused, reads go on
 *     open, failed --close--> closed
 *
 * A failed *write* is harmless: it is taken back, the appends in it reject, and later ones may work. After a failed
 * *sync* nobody knows what the device holds (the kernel forgets the pages that it could not write), so the journal stops
 * acknowledging until it is opened again and has seen with its own eyes what is there.
 */
export class Journal {
  readonly #dir: string
  readonly #rule: SyncRule
  readonly #syncIntervalMs: number
  readonly #segmentBytes: number
  readonly #recent: RecentBytes
  readonly #index: JournalIndex | undefined
  readonly #clock: Clock
  readonly #random: Random
  readonly #disk: Disk

  #segments: Segment[] = []
  #lastNumber = 0
  #writer: SegmentWriter | undefined
  /** Full segments that can't be sealed before their last frames are acknowledged. */
  #retired: SegmentWriter[] = []
  #sealed = new Set<SegmentWriter>()
  /** Appends whose frames wait for the next write. */
  #staged: Waiter[] = []
  /** Under `always`: written, waiting for the next sync. */
  #written: Waiter[] = []
  #isFlushPlanned = false
  #unsynced = new Set<SegmentWriter>()
  #isDirectoryUnsynced = false
  #syncing: Promise<void> = Promise.resolve()
  #committing: Promise<void> | undefined
  #timer: Timer | undefined
  #failure: StorageError | undefined
  #closing: Promise<void> | undefined

  private constructor(options: JournalOptions) {
    this.#dir = options.dir
    this.#rule = options.sync ?? defaults.sync
    this.#syncIntervalMs = options.syncIntervalMs ?? defaults.syncIntervalMs
    this.#segmentBytes = Math.min(options.segmentBytes ?? defaults.segmentBytes, largestSegmentBytes)
    this.#recent = options.recent ?? new RecentBytes(defaults.recentBytes)
    this.#index = options.index
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? systemRandom
    this.#disk = options.disk ?? systemDisk
  }

  static async open(options: JournalOptions): Promise<Journal> {
    const journal = new Journal(options)
    await journal.#openSegments()
    return journal
  }

  /** All bytes of the journal's files. */
  get bytes(): number {
    return this.#segments.reduce((total, segment) => total + segment.fileBytes, 0)
  }

  /** The segments that there are, oldest first. */
  get segments(): readonly Segment[] {
    return this.#segments
  }

  /** Behind the last frame that stands for good. */
  get end(): Place {
    const last = this.#segments.at(-1)
    return last === undefined ? { segment: 0, offset: 0 } : { segment: last.number, offset: last.endOffset }
  }

  /**
   * Copies head and parts at once; resolves with the frame's place when it is kept as the sync rule says. Rejects with a
   * StorageError, and then nothing of it is kept.
   */
  append(head: Buffer, parts: readonly Uint8Array[]): Promise<Place> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError(`the journal in ${this.#dir} is closed`))
    try {
      const bytes = checkedFrameBytes(head, parts)
      const writer = this.#writerFor(bytes)
      const offset = writer.stage(head, parts)
      if (!this.#isFlushPlanned) {
        this.#isFlushPlanned = true
        setImmediate(this.#flushTurn)
      }
      return new Promise((resolve, reject) => {
        this.#staged.push({ writer, offset, end: offset + bytes, head, resolve, reject })
      })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Reads one segment's frames from `offset` on: see SegmentCursor. Undefined when the segment is not there (any more). */
  cursor(segment: number, offset: number): SegmentCursor | undefined {
    const found = this.#segments.find((candidate) => candidate.number === segment)
    return found && new SegmentCursor(found, this.#disk, Math.max(offset, headerBytes))
  }

  /**
   * The frames from `from` on (or from the oldest), in order, up to what stands for good now. A frame that is damaged is
   * left out and reported. Head and parts are valid until the next step.
   */
  async *read(from: Place = { segment: 0, offset: 0 }): AsyncGenerator<JournalFrame> {
    let { segment: number, offset } = from
    for (;;) {
      const segment = this.#segments.find((candidate) => candidate.number >= number)
      if (segment === undefined) return
      if (segment.number > number) offset = headerBytes
      number = segment.number
      yield* framesOf(new SegmentCursor(segment, this.#disk, Math.max(offset, headerBytes)), number)
      if (segment === this.#segments.at(-1)) return
      number += 1
    }
  }

  /** Ends the newest segment, so that what is in it can be trimmed. */
  roll(): void {
    const writer = this.#writer
    if (writer === undefined || writer.isEmpty) return
    this.#flush()
    this.#retire(writer)
  }

  /**
   * Deletes the segments before `segment`, as far as they are no longer written to. Answers the bytes given back.
   * A reader that is in one of them may read it to its end.
   */
  async trim(segment: number): Promise<number> {
    let bytes = 0
    for (;;) {
      const oldest = this.#segments[0]
      if (oldest === undefined || oldest.number >= segment || this.#isWritten(oldest)) break
      try {
        this.#disk.remove(oldest.path)
      } catch (cause) {
        throw storageError('delete', oldest.path, cause)
      }
      this.#segments = this.#segments.slice(1)
      oldest.isRemoved = true
      oldest.forgetRecent(this.#recent)
      this.#index?.removed(oldest.number)
      this.#isDirectoryUnsynced = true
      bytes += oldest.fileBytes
    }
    if (bytes > 0) await this.sync()
    return bytes
  }

  /** Resolves when all that was appended before is on the device; at once when the rule is `never`. */
  async sync(): Promise<void> {
    this.#flush()
    await this.#committing
    await this.#sync()
    if (this.#failure !== undefined) throw this.#failure
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#flush()
    await this.#committing
    this.#timer?.cancel()
    try {
      await this.#sync()
    } finally {
      for (const writer of [...this.#retired, ...this.#sealed, this.#writer]) writer?.close()
      this.#retired = []
      this.#sealed.clear()
      this.#writer = undefined
      for (const segment of this.#segments) segment.forgetRecent(this.#recent)
    }
  }

  async #openSegments(): Promise<void> {
    let names: string[]
    try {
      this.#disk.makeDirectory(this.#dir)
      names = this.#disk.list(this.#dir)
    } catch (cause) {
      throw storageError('open the directory', this.#dir, cause)
    }
    const numbers = names.flatMap((name) => segmentNumber(name) ?? []).sort((a, b) => a - b)
    this.#lastNumber = numbers.at(-1) ?? 0
    for (const number of numbers) {
      const path = join(this.#dir, segmentName(number))
      const opened = await openSegment(this.#disk, path, number, this.#index)
      if (opened === undefined) continue
      this.#segments.push(opened.segment)
      if (opened.isSealed) continue
      const writer = SegmentWriter.resume(this.#disk, opened.segment, opened.lastChecksum, this.#recent)
      if (number === this.#lastNumber) this.#writer = writer
      // The process died between beginning the next segment and sealing this one.
      else this.#retire(writer)
    }
  }

  readonly #flushTurn = (): void => {
    this.#isFlushPlanned = false
    if (this.#rule === 'always') this.#committing ??= this.#commit()
    else this.#flush()
  }

  /** The writer in whose slab a frame of so many bytes has room; begins a new segment when the present one is full. */
  #writerFor(bytes: number): SegmentWriter {
    let writer = this.#writer
    if (writer !== undefined && !writer.isEmpty && writer.stagedEnd + bytes > this.#segmentBytes) {
      this.#flush()
      this.#refuseWhenFailed()
      const fresh = this.#begin()
      this.#retire(writer)
      this.#writer = fresh
      writer = fresh
    }
    this.#refuseWhenFailed()
    writer ??= this.#begin()
    this.#writer = writer
    if (!writer.hasRoom(bytes)) this.#flush()
    this.#refuseWhenFailed()
    return writer
  }

  #begin(): SegmentWriter {
    const number = this.#lastNumber + 1
    const nonce = randomInteger(this.#random, 0x1_0000_0000)
    const path = join(this.#dir, segmentName(number))
    let writer: SegmentWriter
    try {
      writer = SegmentWriter.create(this.#disk, path, number, nonce, this.#recent)
    } catch (error) {
      this.#tellFailedWrite(path, error)
      throw error
    }
    this.#lastNumber = number
    this.#segments = [...this.#segments, writer.segment]
    this.#unsynced.add(writer)
    this.#isDirectoryUnsynced = true
    return writer
  }

  /** Writes what is staged; under `always` it then waits for a sync, else it stands for good. */
  #flush(): void {
    const waiters = this.#staged
    const writer = this.#writer
    if (waiters.length === 0 || writer === undefined) return
    this.#staged = []
    try {
      writer.write()
    } catch (error) {
      this.#tellFailedWrite(writer.segment.path, error)
      for (const waiter of waiters) waiter.reject(error)
      if (writer.isSuspect) this.#fail(error)
      return
    }
    this.#unsynced.add(writer)
    if (this.#rule === 'always') {
      this.#written.push(...waiters)
      this.#committing ??= this.#commit()
    } else {
      this.#acknowledge(waiters)
      this.#planSync()
    }
  }

  #acknowledge(waiters: readonly Waiter[]): void {
    for (const { writer, offset, end, head, resolve } of waiters) {
      const place = { segment: writer.segment.number, offset }
      writer.segment.endOffset = end
      this.#index?.added(place, head)
      resolve(place)
    }
  }

  /** Group commit: one sync after another, as long as anybody waits; those who come meanwhile share the next one. */
  async #commit(): Promise<void> {
    // Appends of this turn come along.
    await undefined
    for (;;) {
      this.#flush()
      const waiters = this.#written
      this.#written = []
      if (waiters.length === 0) break
      await this.#sync()
      if (this.#failure === undefined) this.#acknowledge(waiters)
      else this.#refuse(waiters, this.#failure)
      this.#sealRetired()
    }
    this.#committing = undefined
    this.#planSync()
  }

  #retire(writer: SegmentWriter): void {
    if (this.#writer === writer) this.#writer = undefined
    this.#retired.push(writer)
    this.#sealRetired()
  }

  /** Gives retired segments their footers, once every frame in them is acknowledged. */
  #sealRetired(): void {
    for (const writer of this.#retired) {
      const { segment } = writer
      if (segment.endOffset !== writer.writtenEnd) break
      this.#retired = this.#retired.filter((other) => other !== writer)
      this.#sealed.add(writer)
      try {
        writer.seal(this.#index?.footer(segment.number) ?? noFooter)
      } catch (error) {
        // Without a footer it is scanned at the next start, which costs time but no data.
        this.#tellFailedWrite(segment.path, error)
      }
      this.#unsynced.add(writer)
    }
    this.#planSync()
  }

  #planSync(): void {
    if (this.#rule === 'never') this.#closeSealed([...this.#sealed])
    if (this.#rule === 'never' || this.#closing !== undefined) return
    if (this.#timer !== undefined || this.#committing !== undefined) return
    if (this.#unsynced.size === 0 && !this.#isDirectoryUnsynced) return
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = undefined
      void this.#sync().then(() => this.#planSync())
    }, this.#syncIntervalMs)
  }

  /** Never rejects: a failure makes the journal a failed one. */
  #sync(): Promise<void> {
    this.#syncing = this.#syncing.then(() => this.#syncNow())
    return this.#syncing
  }

  async #syncNow(): Promise<void> {
    if (this.#rule === 'never' || this.#failure !== undefined) return
    const writers = [...this.#unsynced]
    const isDirectoryUnsynced = this.#isDirectoryUnsynced
    const sealed = writers.filter((writer) => this.#sealed.has(writer))
    this.#unsynced.clear()
    this.#isDirectoryUnsynced = false
    try {
      for (const writer of writers) await writer.sync()
      if (isDirectoryUnsynced) await this.#disk.syncDirectory(this.#dir)
    } catch (error) {
      const failure = error instanceof StorageError ? error : storageError('sync', this.#dir, error)
      this.#tellFailedWrite(this.#dir, failure)
      this.#fail(failure)
      return
    }
    this.#closeSealed(sealed)
  }

  #closeSealed(writers: readonly SegmentWriter[]): void {
    for (const writer of writers) {
      this.#sealed.delete(writer)
      this.#unsynced.delete(writer)
      writer.close()
    }
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.#failure = new StorageError(
      `the journal in ${this.#dir} takes no more appends until it is opened again: ${reason}`,
      { cause },
    )
    this.#refuse([...this.#written, ...this.#staged], this.#failure)
    this.#written = []
    this.#staged = []
  }

  /** Takes back frames that were written but can't be acknowledged, as far as the disk lets us. */
  #refuse(waiters: readonly Waiter[], reason: StorageError): void {
    for (const { writer, reject } of waiters) {
      writer.cut(writer.segment.endOffset)
      reject(reason)
    }
  }

  #refuseWhenFailed(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #isWritten(segment: Segment): boolean {
    return this.#writer?.segment === segment || this.#retired.some((writer) => writer.segment === segment)
  }

  #tellFailedWrite(file: string, error: unknown): void {
    report({ type: 'journal-write-failed', file, reason: error instanceof Error ? error.message : String(error) })
  }
}

interface Waiter {
  writer: SegmentWriter
  offset: number
  end: number
  head: Buffer
  resolve: (place: Place) => void
  reject: (reason: unknown) => void
}

async function* framesOf(cursor: SegmentCursor, segment: number): AsyncGenerator<JournalFrame> {
  try {
    for (;;) {
      if (!cursor.next()) {
        if (await cursor.load()) continue
        return
      }
      if (!(await cursor.loadFrame())) continue
      const parts: Buffer[] = []
      for (let index = 0; index < cursor.partCount; index++) {
        const part = cursor.heldPart(index)
        if (part !== undefined) parts.push(part)
      }
      if (parts.length < cursor.partCount) continue
      const place = { segment, offset: cursor.offset }
      yield { place, next: { segment, offset: cursor.nextOffset }, head: cursor.head, parts }
    }
  } finally {
    cursor.close()
  }
}

function checkedFrameBytes(head: Uint8Array, parts: readonly Uint8Array[]): number {
  const bytes = frameBytes(head, parts)
  const headBytes = frameHeaderBytes + head.length + parts.length * partEntryBytes
  if (bytes <= largestFrameBytes && headBytes <= largestHeadBytes) return bytes
  throw new StorageError(
    `cannot append a frame of ${bytes} bytes (${headBytes} of them head): at most ${largestFrameBytes} (${largestHeadBytes}) are possible; split it`,
  )
}

const noFooter = Buffer.alloc(0)

const defaults = {
  sync: 'interval',
  syncIntervalMs: 100,
  segmentBytes: 64 * 1024 * 1024,
  recentBytes: 8 * 1024 * 1024,
} satisfies Partial<JournalOptions> & { recentBytes: number }
