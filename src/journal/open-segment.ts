import { crc32 } from 'node:zlib'
import { report } from '../diagnostics.ts'
import { type Disk, type DiskFile, removeFile, storageError } from './disk.ts'
import type { JournalIndex } from './journal-index.ts'
import { Segment } from './segment.ts'
import { SegmentCursor } from './segment-cursor.ts'
import {
  claimedFrame,
  decodeHeader,
  decodeTrailer,
  footerKind,
  headerBytes,
  isProved,
  partEntryBytes,
  segmentNumber,
  type Trailer,
  trailerBytes,
} from './segment-format.ts'

/** The numbers of the segments in a directory, oldest first; created when missing. Other files in it are let be. */
export function listSegments(disk: Disk, dir: string): number[] {
  try {
    disk.makeDirectory(dir)
    return disk
      .list(dir)
      .flatMap((name) => segmentNumber(name) ?? [])
      .sort((one, other) => one - other)
  } catch (cause) {
    throw storageError('open the directory', dir, cause)
  }
}

export interface OpenedSegment {
  segment: Segment
  isSealed: boolean
  /** Checksum of the last frame: what a writer that goes on has to name. */
  lastChecksum: number
}

/**
 * Finds out what a file of an earlier run holds, and tells the index. Undefined when it held nothing, not even a header,
 * and was removed.
 *
 * A sealed segment is taken at its footer's word. Any other is scanned from the beginning: damage in the middle is
 * stepped over (whole frames behind it are kept), a torn end is cut off.
 */
export async function openSegment(
  disk: Disk,
  path: string,
  number: number,
  index: JournalIndex | undefined,
): Promise<OpenedSegment | undefined> {
  const file = openFile(disk, path)
  try {
    const fileBytes = file.sizeBytes()
    const tail = Buffer.alloc(Math.min(fileBytes, tailBytes))
    await readInto(file, tail, fileBytes - tail.length, path)
    const trailer = decodeTrailer(tail, number)
    if (trailer !== undefined) {
      const footer = await readFooter(file, tail, fileBytes, trailer, path)
      if (footer !== undefined && (index === undefined || index.loaded(number, footer)))
        return sealed(new Segment(number, path, trailer.nonce, trailer.footerOffset, fileBytes))
    }
    const header = Buffer.alloc(Math.min(fileBytes, headerBytes))
    await readInto(file, header, 0, path)
    const nonce = decodeHeader(header, number) ?? trailer?.nonce
    if (nonce !== undefined) return await scan(disk, new Segment(number, path, nonce, fileBytes, fileBytes), index)
    if (fileBytes > headerBytes) return unreadable(new Segment(number, path, 0, 0, fileBytes))
  } finally {
    file.close()
  }
  // The process died between creating the file and writing its header.
  removeFile(disk, path)
  return undefined
}

/** Not one of ours, or damaged beyond use: it stays where it is, and nothing is read from it. */
function unreadable(segment: Segment): OpenedSegment {
  segment.skip(0, segment.fileBytes)
  return sealed(segment)
}

function sealed(segment: Segment): OpenedSegment {
  return { segment, isSealed: true, lastChecksum: 0 }
}

/** The footer's bytes, or undefined when they are not as they were written. */
async function readFooter(
  file: DiskFile,
  tail: Buffer,
  fileBytes: number,
  trailer: Trailer,
  path: string,
): Promise<Buffer | undefined> {
  const { footerOffset, footerBytes, nonce } = trailer
  if (footerOffset + footerBytes + trailerBytes !== fileBytes) return undefined
  let frame: Buffer
  if (footerBytes + trailerBytes <= tail.length) {
    frame = tail.subarray(tail.length - trailerBytes - footerBytes, tail.length - trailerBytes)
  } else {
    frame = Buffer.allocUnsafeSlow(footerBytes)
    await readInto(file, frame, footerOffset, path)
  }
  const claim = claimedFrame(frame, 0, footerOffset, footerOffset + footerBytes)
  if (claim === undefined || claim.partCount !== 1 || !isProved(frame, 0, claim, nonce)) return undefined
  const footer = frame.subarray(claim.bodyStart, claim.totalBytes)
  const checksum = frame.readUInt32LE(claim.bodyStart - claim.headBytes - partEntryBytes + 4)
  // A copy: the index keeps it, and the rest of the tail should not stay in memory for it.
  return crc32(footer) === checksum ? Buffer.from(footer) : undefined
}

async function scan(disk: Disk, segment: Segment, index: JournalIndex | undefined): Promise<OpenedSegment> {
  const gaps: [offset: number, bytes: number][] = []
  /** Frames with a damaged part, of which nobody knows yet whether a good one follows. */
  let doubtful: { offset: number; head: Buffer }[] = []
  let goodEnd = headerBytes
  let doubtfulEnd = headerBytes
  let goodChecksum = 0
  let lastChecksum = 0
  let isSealed = false
  const cursor = new SegmentCursor(segment, disk, headerBytes, (offset, bytes) => gaps.push([offset, bytes]))
  try {
    for (;;) {
      if (!cursor.next()) {
        if (await cursor.load()) continue
        break
      }
      // A frame that does not know its predecessor was cut off once, and a crash undid the cut.
      if (!cursor.followsGap && cursor.previousChecksum !== lastChecksum) break
      if (cursor.kind === footerKind) {
        isSealed = true
        break
      }
      lastChecksum = cursor.checksum
      const place = { segment: segment.number, offset: cursor.offset }
      const head = Buffer.from(cursor.head)
      doubtful.push({ offset: cursor.offset, head })
      doubtfulEnd = cursor.nextOffset
      if ((await cursor.parts()) === undefined) continue
      for (const frame of doubtful) index?.added({ segment: place.segment, offset: frame.offset }, frame.head)
      doubtful = []
      goodEnd = doubtfulEnd
      goodChecksum = lastChecksum
    }
  } finally {
    cursor.close()
  }
  if (isSealed) {
    for (const frame of doubtful) index?.added({ segment: segment.number, offset: frame.offset }, frame.head)
    goodEnd = doubtfulEnd
  }
  for (const [offset, bytes] of gaps) if (offset < goodEnd) segment.skip(offset, bytes)
  segment.endOffset = goodEnd
  if (!isSealed && goodEnd < segment.fileBytes) await cut(disk, segment, goodEnd)
  return { segment, isSealed, lastChecksum: goodChecksum }
}

/**
 * A write that the process, or the machine, did not live to finish: nobody was told that it stands. Synced before
 * anything is written in its place, so that a crash can't make one frame of the two.
 */
async function cut(disk: Disk, segment: Segment, end: number): Promise<void> {
  const bytes = segment.fileBytes - end
  try {
    const file = disk.open(segment.path, 'write')
    try {
      file.truncate(end)
      await file.sync()
    } finally {
      file.close()
    }
  } catch (cause) {
    throw storageError('cut the torn end of', segment.path, cause)
  }
  segment.fileBytes = end
  report({ type: 'journal-damaged', file: segment.path, offset: end, bytes, outcome: 'cut' })
}

function openFile(disk: Disk, path: string): DiskFile {
  try {
    return disk.open(path, 'read')
  } catch (cause) {
    throw storageError('open', path, cause)
  }
}

async function readInto(file: DiskFile, into: Buffer, position: number, path: string): Promise<void> {
  try {
    const count = await file.read(into, 0, into.length, position)
    if (count < into.length) into.fill(0, count)
  } catch (cause) {
    throw storageError('read', path, cause)
  }
}

/** Holds trailer and footer of a journal with some thousand index entries, in one read. */
const tailBytes = 64 * 1024
