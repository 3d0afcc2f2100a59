import { crc32 } from 'node:zlib'
import { assert } from '../errors.ts'
import { type Disk, type DiskFile, storageError } from './disk.ts'
import { slabAt } from './recent-bytes.ts'
import type { Segment } from './segment.ts'
import {
  claimedFrame,
  type FrameClaim,
  frameHeaderBytes,
  frameMagic,
  isProved,
  partEntryBytes,
} from './segment-format.ts'

/**
 * Reads the frames of one segment forwards, in large pieces. `next` steps to the next frame as long as its head is in
 * memory and never waits; when it answers false, `load` fetches more, or answers false at the end:
 *
 *     for (;;) {
 *       if (!cursor.next()) { if (await cursor.load()) continue; else break }
 *       ... cursor.head, await cursor.parts() ...
 *     }
 *
 * Whatever the cursor hands out is a view that the next `load`, `loadFrame` or `parts` makes invalid.
 *
 * A frame that is not as it was written is never handed out: the cursor looks for the next frame that proves itself,
 * tells of the gap, and goes on there.
 */
export class SegmentCursor {
  readonly #segment: Segment
  readonly #disk: Disk
  readonly #onGap: (offset: number, bytes: number) => void
  #file: DiskFile | undefined
  /** What `next` reads: a chunk of our own, or a slab that the writer left. */
  #bytes: Buffer = nothing
  #base = 0
  #filledBytes = 0
  #chunk: Buffer | undefined
  #chunkBytes = smallestChunkBytes
  #nextOffset: number
  #neededBytes = frameHeaderBytes
  #isLost = false
  #start = 0
  #claim: FrameClaim = noClaim
  #offset = 0
  #gapEnd = -1

  /** True when bytes between this frame and the one before it were skipped. */
  followsGap = false

  constructor(segment: Segment, disk: Disk, offset: number, onGap?: (offset: number, bytes: number) => void) {
    this.#segment = segment
    this.#disk = disk
    this.#nextOffset = offset
    this.#onGap = onGap ?? ((from, bytes) => segment.skip(from, bytes))
  }

  /** Where the current frame stands in its segment. */
  get offset(): number {
    return this.#offset
  }

  /** Where the frame after the current one begins. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  get kind(): number {
    return this.#bytes.readUInt32LE(this.#start + 16)
  }

  get checksum(): number {
    return this.#bytes.readUInt32LE(this.#start + 4)
  }

  get previousChecksum(): number {
    return this.#bytes.readUInt32LE(this.#start + 12)
  }

  /** The bytes that `headStart` counts in; for readers that can't afford a view per frame. */
  get bytes(): Buffer {
    return this.#bytes
  }

  get headStart(): number {
    return this.#start + frameHeaderBytes + this.#claim.partCount * partEntryBytes
  }

  get headBytes(): number {
    return this.#claim.headBytes
  }

  get head(): Buffer {
    return this.#bytes.subarray(this.headStart, this.headStart + this.#claim.headBytes)
  }

  next(): boolean {
    const at = this.#nextOffset
    const end = this.#segment.endOffset
    if (at >= end || this.#isLost) return false
    if (at + frameHeaderBytes > end) return this.#lose()
    const start = at - this.#base
    if (start < 0 || start + this.#neededBytes > this.#filledBytes) return false
    const claim = claimedFrame(this.#bytes, start, at, end)
    if (claim === undefined) return this.#lose()
    if (start + claim.bodyStart > this.#filledBytes) {
      this.#neededBytes = claim.bodyStart
      return false
    }
    if (!isProved(this.#bytes, start, claim, this.#segment.nonce)) return this.#lose()
    this.#neededBytes = frameHeaderBytes
    this.followsGap = this.#gapEnd === at
    this.#offset = at
    this.#start = start
    this.#claim = claim
    this.#nextOffset = at + claim.totalBytes
    return true
  }

  /** Whether there may be more: true when `next` is worth another try. */
  async load(): Promise<boolean> {
    const end = this.#segment.endOffset
    const at = this.#nextOffset
    if (at >= end || this.#isGone) return false
    if (this.#isLost) return this.#findNext(at, end)
    const hasEnough = await this.#fill(at, Math.min(this.#neededBytes, end - at), end)
    // The file is shorter than it was: what is missing is lost.
    if (!hasEnough) this.#lose()
    return true
  }

  /** Whether part `index` of the current frame can be had without waiting. */
  holds(index: number): boolean {
    return this.#partStart(index) + this.#partBytes(index) <= this.#filledBytes
  }

  /** The part, or undefined when it is not as it was written; that was told then. Only while `holds(index)`. */
  heldPart(index: number): Buffer | undefined {
    return this.#checkedPart(index, this.#partStart(index))
  }

  /** Makes sure that all parts of the current frame are held; false when they can't be had any more. */
  async loadFrame(): Promise<boolean> {
    if (this.#isGone) return false
    const hasEnough = await this.#fill(this.#offset, this.#claim.totalBytes, this.#segment.endOffset)
    if (!hasEnough) this.#onGap(this.#offset, this.#claim.totalBytes)
    this.#start = this.#offset - this.#base
    return hasEnough
  }

  /** All parts, or undefined when one is not as it was written, or they can't be had any more. */
  async parts(): Promise<Buffer[] | undefined> {
    if (!(await this.loadFrame())) return undefined
    const parts: Buffer[] = []
    let start = this.#start + this.#claim.bodyStart
    for (let index = 0; index < this.#claim.partCount; index++) {
      const part = this.#checkedPart(index, start)
      if (part !== undefined) parts.push(part)
      start += this.#partBytes(index)
    }
    return parts.length === this.#claim.partCount ? parts : undefined
  }

  /** Not while a `load`, `loadFrame` or `parts` is on its way. */
  close(): void {
    this.#file?.close()
    this.#file = undefined
    if (this.#chunk !== undefined) giveBackChunk(this.#chunk)
    this.#chunk = undefined
    this.#bytes = nothing
    this.#filledBytes = 0
  }

  /** Trimmed before we opened it: this reader came too late. Once open, a file can be read to its end. */
  get #isGone(): boolean {
    return this.#segment.isRemoved && this.#file === undefined
  }

  #lose(): false {
    this.#isLost = true
    return false
  }

  /** Looks for the first frame after `at` that proves itself. */
  async #findNext(at: number, end: number): Promise<boolean> {
    const known = this.#segment.gaps.get(at)
    const found = known === undefined ? await this.#search(at + 1, end) : at + known
    this.#onGap(at, found - at)
    this.#isLost = false
    this.#neededBytes = frameHeaderBytes
    this.#nextOffset = found
    this.#gapEnd = found
    return found < end
  }

  async #search(from: number, end: number): Promise<number> {
    let at = from
    while (at + frameHeaderBytes <= end) {
      if (!(await this.#fill(at, frameHeaderBytes, end))) return end
      const start = this.#bytes.subarray(0, this.#filledBytes).indexOf(frameMagic, at - this.#base)
      if (start < 0) {
        at = this.#base + this.#filledBytes - frameMagic.length + 1
        continue
      }
      at = this.#base + start
      if (await this.#isFrameAt(at, end)) return at
      at += 1
    }
    return end
  }

  async #isFrameAt(at: number, end: number): Promise<boolean> {
    if (at + frameHeaderBytes > end || !(await this.#fill(at, frameHeaderBytes, end))) return false
    const claim = claimedFrame(this.#bytes, at - this.#base, at, end)
    if (claim === undefined || !(await this.#fill(at, claim.bodyStart, end))) return false
    return isProved(this.#bytes, at - this.#base, claim, this.#segment.nonce)
  }

  /** Makes sure that `leastBytes` from `offset` on are in memory; false when the file has no such bytes. */
  async #fill(offset: number, leastBytes: number, end: number): Promise<boolean> {
    if (offset >= this.#base && offset + leastBytes <= this.#base + this.#filledBytes) return true
    const slab = slabAt(this.#segment.slabs, offset, leastBytes)
    if (slab !== undefined) {
      this.#bytes = slab.buffer
      this.#base = slab.base
      this.#filledBytes = slab.filledBytes
      return true
    }
    await this.#readChunk(offset, leastBytes, end)
    return this.#filledBytes >= leastBytes
  }

  async #readChunk(offset: number, leastBytes: number, end: number): Promise<void> {
    const wantedBytes = Math.min(Math.max(this.#chunkBytes, leastBytes), end - offset)
    this.#chunkBytes = Math.min(this.#chunkBytes * 4, largestChunkBytes)
    let chunk = this.#chunk
    let keptBytes = 0
    if (chunk === undefined || chunk.length < wantedBytes) {
      if (chunk !== undefined) giveBackChunk(chunk)
      chunk = takeChunk(wantedBytes)
    } else if (this.#bytes === chunk && offset >= this.#base && offset < this.#base + this.#filledBytes) {
      keptBytes = Math.min(this.#base + this.#filledBytes - offset, wantedBytes)
      chunk.copyWithin(0, offset - this.#base, offset - this.#base + keptBytes)
    }
    this.#chunk = chunk
    this.#bytes = chunk
    this.#base = offset
    this.#filledBytes = keptBytes
    try {
      this.#file ??= this.#disk.open(this.#segment.path, 'read')
      this.#filledBytes += await this.#file.read(chunk, keptBytes, wantedBytes - keptBytes, offset + keptBytes)
    } catch (cause) {
      throw storageError('read', this.#segment.path, cause)
    }
  }

  #checkedPart(index: number, start: number): Buffer | undefined {
    const part = this.#bytes.subarray(start, start + this.#partBytes(index))
    const checksum = this.#bytes.readUInt32LE(this.#start + frameHeaderBytes + index * partEntryBytes + 4)
    if (crc32(part) === checksum) return part
    this.#onGap(this.#base + start, part.length)
    return undefined
  }

  #partBytes(index: number): number {
    return this.#bytes.readUInt32LE(this.#start + frameHeaderBytes + index * partEntryBytes)
  }

  #partStart(index: number): number {
    assert(index < this.#claim.partCount, 'a part that the frame has')
    let start = this.#start + this.#claim.bodyStart
    for (let before = 0; before < index; before++) start += this.#partBytes(before)
    return start
  }
}

function takeChunk(bytes: number): Buffer {
  if (bytes > largestChunkBytes) return Buffer.allocUnsafeSlow(bytes)
  return spareChunks.pop() ?? Buffer.allocUnsafeSlow(largestChunkBytes)
}

function giveBackChunk(chunk: Buffer): void {
  if (chunk.length === largestChunkBytes && spareChunks.length < spareChunkLimit) spareChunks.push(chunk)
}

const nothing = Buffer.alloc(0)
const noClaim: FrameClaim = { headBytes: 0, partCount: 0, bodyStart: frameHeaderBytes, totalBytes: frameHeaderBytes }

/** The first read of a cursor is small, for readers that want a record or two; later ones grow. */
const smallestChunkBytes = 64 * 1024
const largestChunkBytes = 512 * 1024

/** Chunks that no cursor uses just now: fresh memory costs a page fault every 4 KiB. */
const spareChunks: Buffer[] = []
const spareChunkLimit = 4
