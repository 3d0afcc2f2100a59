import { dirname, join } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'
import { ClosedError, StorageError } from '../errors.ts'
import { type Random, randomInteger, systemRandom } from '../random.ts'
import { type Disk, removeFile, storageError, systemDisk, tellFailedWrite } from './disk.ts'
import { GroupSync, type SyncRule } from './group-sync.ts'
import type { JournalIndex, Place } from './journal-index.ts'
import { listSegments, openSegment } from './open-segment.ts'
import { type JournalFrame, readFrames } from './read-frames.ts'
import { RecentBytes } from './recent-bytes.ts'
import type { Segment } from './segment.ts'
import { SegmentCursor } from './segment-cursor.ts'
import { frameBytes, headerBytes, largestSegmentBytes, segmentName } from './segment-format.ts'
import { SegmentWriter } from './segment-writer.ts'

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
  readonly #segmentBytes: number
  readonly #recent: RecentBytes
  readonly #index: JournalIndex | undefined
  readonly #random: Random
  readonly #disk: Disk
  readonly #sync: GroupSync

  #segments: Segment[] = []
  #lastNumber = 0
  #writer: SegmentWriter | undefined
  /** Full segments that can't be sealed before their last frames are acknowledged. */
  #retired: SegmentWriter[] = []
  /** Appends whose frames wait for the next write. */
  #staged: Waiter[] = []
  /** Under `always`: written, waiting for the next sync. */
  #written: Waiter[] = []
  #isFlushPlanned = false
  #committing: Promise<void> | undefined
  #failure: StorageError | undefined
  #closing: Promise<void> | undefined

  private constructor(options: JournalOptions) {
    this.#dir = options.dir
    this.#rule = options.sync ?? defaults.sync
    this.#segmentBytes = Math.min(options.segmentBytes ?? defaults.segmentBytes, largestSegmentBytes)
    this.#recent = options.recent ?? new RecentBytes(defaults.recentBytes)
    this.#index = options.index
    this.#random = options.random ?? systemRandom
    this.#disk = options.disk ?? systemDisk
    this.#sync = new GroupSync({
      dir: this.#dir,
      rule: this.#rule,
      intervalMs: options.syncIntervalMs ?? defaults.syncIntervalMs,
      clock: options.clock ?? systemClock,
      disk: this.#disk,
      onFailure: (error) => {
        tellFailedWrite(this.#dir, error)
        this.#fail(error)
      },
    })
  }

  static async open(options: JournalOptions): Promise<Journal> {
    const journal = new Journal(options)
    try {
      await journal.#openSegments()
    } catch (error) {
      await journal.close()
      throw error
    }
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
      const bytes = frameBytes(head, parts)
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
      yield* readFrames(new SegmentCursor(segment, this.#disk, Math.max(offset, headerBytes)), number)
      if (segment === this.#segments.at(-1)) return
      number += 1
      offset = headerBytes
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
      removeFile(this.#disk, oldest.path)
      this.#segments = this.#segments.slice(1)
      oldest.isRemoved = true
      oldest.forgetRecent(this.#recent)
      this.#index?.removed(oldest.number)
      this.#sync.changedDirectory()
      bytes += oldest.fileBytes
    }
    await this.#sync.now()
    return bytes
  }

  /** Resolves when all that was appended before is on the device; at once when the rule is `never`. */
  async sync(): Promise<void> {
    this.#flush()
    await this.#committing
    await this.#sync.now()
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
    await this.#sync.stop()
    for (const writer of [...this.#retired, this.#writer]) writer?.close()
    this.#retired = []
    this.#writer = undefined
    for (const segment of this.#segments) segment.forgetRecent(this.#recent)
  }

  async #openSegments(): Promise<void> {
    const numbers = listSegments(this.#disk, this.#dir)
    await this.#syncPath()
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

  /** The journal's directory, and the one that holds it, may have been made just now: a loss of power must not take them. */
  async #syncPath(): Promise<void> {
    if (this.#rule !== 'always') return
    const parent = dirname(this.#dir)
    for (const path of [parent, dirname(parent)]) {
      try {
        await this.#disk.syncDirectory(path)
      } catch (cause) {
        throw storageError('sync the directory', path, cause)
      }
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
      tellFailedWrite(path, error)
      throw error
    }
    this.#lastNumber = number
    this.#segments = [...this.#segments, writer.segment]
    this.#sync.wrote(writer)
    this.#sync.changedDirectory()
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
      tellFailedWrite(writer.segment.path, error)
      for (const waiter of waiters) waiter.reject(error)
      if (writer.isSuspect) this.#fail(error)
      return
    }
    this.#sync.wrote(writer)
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
      await this.#sync.now()
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
      try {
        writer.seal(this.#index?.footer(segment.number) ?? Buffer.alloc(0))
      } catch (error) {
        // Without a footer it is scanned at the next start, which costs time but no data.
        tellFailedWrite(segment.path, error)
      }
      this.#sync.finished(writer)
    }
    this.#planSync()
  }

  /** A commit in progress syncs anyway. */
  #planSync(): void {
    if (this.#committing === undefined && this.#closing === undefined) this.#sync.plan()
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
}

interface Waiter {
  writer: SegmentWriter
  offset: number
  end: number
  head: Buffer
  resolve: (place: Place) => void
  reject: (reason: unknown) => void
}

const defaults = {
  sync: 'interval',
  syncIntervalMs: 100,
  segmentBytes: 64 * 1024 * 1024,
  recentBytes: 8 * 1024 * 1024,
} satisfies Partial<JournalOptions> & { recentBytes: number }
