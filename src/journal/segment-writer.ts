import { assert } from '../errors.ts'
import { type Disk, type DiskFile, storageError } from './disk.ts'
import type { RecentBytes, Slab } from './recent-bytes.ts'
import { Segment } from './segment.ts'
import {
  dataKind,
  encodeFrame,
  encodeHeader,
  encodeTrailer,
  footerKind,
  frameBytes,
  headerBytes,
  trailerBytes,
} from './segment-format.ts'

/**
 * The one who writes a segment. Frames are staged in memory, then written together: all of them stand in the file
 * afterwards, or none. It knows nothing of when a frame counts as kept: that is the journal's.
 */
export class SegmentWriter {
  readonly segment: Segment
  /** A failed write could not be undone: nothing may be appended to this file any more. */
  isSuspect = false
  readonly #file: DiskFile
  readonly #recent: RecentBytes
  #slab: Slab | undefined
  #slabBytes = smallestSlabBytes
  #writtenEnd: number
  #writtenChecksum: number
  #stagedEnd: number
  #stagedChecksum: number

  private constructor(segment: Segment, file: DiskFile, recent: RecentBytes, end: number, checksum: number) {
    this.segment = segment
    this.#file = file
    this.#recent = recent
    this.#writtenEnd = end
    this.#stagedEnd = end
    this.#writtenChecksum = checksum
    this.#stagedChecksum = checksum
  }

  /** Creates the file. Throws a StorageError, and then there is none. */
  static create(disk: Disk, path: string, number: number, nonce: number, recent: RecentBytes): SegmentWriter {
    let file: DiskFile | undefined
    try {
      file = disk.open(path, 'create')
      writeWhole(file, encodeHeader(number, nonce), 0, headerBytes, 0)
    } catch (cause) {
      if (file !== undefined) {
        file.close()
        // A header that can't be removed is found, and removed, at the next start.
        attempt(() => disk.remove(path))
      }
      throw storageError('create', path, cause)
    }
    const segment = new Segment(number, path, nonce, headerBytes, headerBytes)
    return new SegmentWriter(segment, file, recent, headerBytes, 0)
  }

  /** Goes on behind the last frame of a segment that was scanned; `checksum` is that frame's. */
  static resume(disk: Disk, segment: Segment, checksum: number, recent: RecentBytes): SegmentWriter {
    let file: DiskFile
    try {
      file = disk.open(segment.path, 'write')
    } catch (cause) {
      throw storageError('open', segment.path, cause)
    }
    return new SegmentWriter(segment, file, recent, segment.endOffset, checksum)
  }

  get stagedEnd(): number {
    return this.#stagedEnd
  }

  get writtenEnd(): number {
    return this.#writtenEnd
  }

  get hasStaged(): boolean {
    return this.#stagedEnd > this.#writtenEnd
  }

  get isEmpty(): boolean {
    return this.#stagedEnd === headerBytes
  }

  /** Whether a frame of so many bytes can be staged before the next `write`. */
  hasRoom(bytes: number): boolean {
    const slab = this.#slab
    return !this.hasStaged || (slab !== undefined && this.#stagedEnd - slab.base + bytes <= slab.buffer.length)
  }

  /** Copies a frame behind the staged ones, and answers its offset. */
  stage(head: Uint8Array, parts: readonly Uint8Array[], kind = dataKind): number {
    const bytes = frameBytes(head, parts)
    assert(this.hasRoom(bytes), 'staged frames were written before more are staged')
    const slab = this.#slabFor(bytes)
    const offset = this.#stagedEnd
    this.#stagedChecksum = encodeFrame(
      slab.buffer,
      offset - slab.base,
      { kind, nonce: this.segment.nonce, offset, previous: this.#stagedChecksum },
      head,
      parts,
    )
    this.#stagedEnd = offset + bytes
    slab.filledBytes = this.#stagedEnd - slab.base
    return offset
  }

  /** Hands the staged frames to the kernel. Throws a StorageError, and then none of them is in the file. */
  write(): void {
    const slab = this.#slab
    if (slab === undefined || !this.hasStaged) return
    const bytes = this.#stagedEnd - this.#writtenEnd
    try {
      writeWhole(this.#file, slab.buffer, this.#writtenEnd - slab.base, bytes, this.#writtenEnd)
    } catch (cause) {
      this.#stagedEnd = this.#writtenEnd
      this.#stagedChecksum = this.#writtenChecksum
      slab.filledBytes = this.#writtenEnd - slab.base
      this.cut(this.#writtenEnd)
      throw storageError(`append ${bytes} bytes to`, this.segment.path, cause)
    }
    this.#writtenEnd = this.#stagedEnd
    this.#writtenChecksum = this.#stagedChecksum
    this.segment.fileBytes = this.#writtenEnd
  }

  /** Shortens the file to `end`: what stands behind was never acknowledged. */
  cut(end: number): void {
    this.#stagedEnd = end
    this.#writtenEnd = end
    try {
      this.#file.truncate(end)
    } catch {
      // The write's own failure is the news; this one only means that the file can't be trusted with more.
      this.isSuspect = true
    }
  }

  async sync(): Promise<void> {
    try {
      await this.#file.sync()
    } catch (cause) {
      throw storageError('sync', this.segment.path, cause)
    }
  }

  /** Ends the file with the owner's footer. Throws a StorageError, and then it has none and is scanned at the next start. */
  seal(footer: Uint8Array): void {
    assert(!this.hasStaged, 'a segment is sealed when all its frames are written')
    const { number, nonce } = this.segment
    const footerOffset = this.#writtenEnd
    const bytes = frameBytes(noHead, [footer])
    const tail = Buffer.alloc(bytes + trailerBytes)
    encodeFrame(tail, 0, { kind: footerKind, nonce, offset: footerOffset, previous: this.#writtenChecksum }, noHead, [
      footer,
    ])
    encodeTrailer(number, { nonce, footerOffset, footerBytes: bytes }).copy(tail, bytes)
    try {
      writeWhole(this.#file, tail, 0, tail.length, footerOffset)
    } catch (cause) {
      this.cut(footerOffset)
      throw storageError('seal', this.segment.path, cause)
    }
    this.segment.fileBytes = footerOffset + tail.length
  }

  /** Not while a `sync` is on its way. */
  close(): void {
    this.#file.close()
  }

  #slabFor(bytes: number): Slab {
    const slab = this.#slab
    if (slab !== undefined && this.#stagedEnd - slab.base + bytes <= slab.buffer.length) return slab
    const buffer = Buffer.allocUnsafeSlow(Math.max(bytes, this.#slabBytes))
    // A quiet stream pays for little memory, a busy one seldom begins a new slab.
    this.#slabBytes = Math.min(this.#slabBytes * 2, largestSlabBytes)
    const fresh: Slab = { buffer, base: this.#stagedEnd, filledBytes: 0, siblings: this.segment.slabs }
    this.#slab = fresh
    this.#recent.keep(fresh)
    return fresh
  }
}

function writeWhole(file: DiskFile, bytes: Uint8Array, start: number, length: number, position: number): void {
  let written = 0
  while (written < length) {
    const count = file.write(bytes, start + written, length - written, position + written)
    if (count <= 0) throw new Error(`the disk took ${written} of ${length} bytes and no more`)
    written += count
  }
}

function attempt(act: () => void): void {
  try {
    act()
  } catch {
    // The caller already reports the failure that led here.
  }
}

const noHead = Buffer.alloc(0)
const smallestSlabBytes = 32 * 1024
const largestSlabBytes = 512 * 1024
