/**
 * A segment on disk. All numbers are little-endian and unsigned; checksums are CRC-32 (zlib's).
 *
 *     segment = header, header again, frame*, [footer frame, trailer]
 *
 * The header stands twice, so that one flipped bit does not cost the file. Header (32 bytes):
 *
 *      0  8  "TRITONJL"
 *      8  4  version, 1
 *     12  4  segment number
 *     16  4  nonce: chance, drawn for this file
 *     20  8  zero
 *     28  4  checksum of bytes 0..28
 *
 * Frame (32 bytes, then the table, the head, the parts, back to back):
 *
 *      0  4  "TJF\n"
 *      4  4  checksum of bytes 8 to the end of the head, begun with the nonce
 *      8  4  the frame's own offset in the file
 *     12  4  checksum (bytes 4..8) of the frame before it, 0 in the first
 *     16  4  kind: 0 data, 1 footer
 *     20  4  head bytes
 *     24  4  number of parts
 *     28  4  bytes of all parts together
 *     32  8  per part: its bytes, its checksum
 *         .  head
 *         .  parts
 *
 * The head is small and always checked; parts are checked one by one when somebody wants them, so that a reader who
 * looks for one part in a hundred need not touch the others. A frame is real only where nonce and offset fit: bytes of
 * another file, or a record that imitates a frame, are never taken for one. The checksum of the frame before it tells
 * apart frames that were cut off once and came back when a crash undid the cut.
 *
 * The footer frame's only part belongs to the journal's owner (an index); the trailer (32 bytes) leads to it from the end:
 *
 *      0  8  "TRITONJE"
 *      8  4  segment number
 *     12  4  nonce
 *     16  4  offset of the footer frame: where the data frames end
 *     20  4  bytes of the footer frame
 *     24  4  zero
 *     28  4  checksum of bytes 0..28
 *
 * A segment without a footer is one that is being written, or was when the process died: it is scanned.
 */
import { crc32 } from 'node:zlib'
import { assert, StorageError } from '../errors.ts'

export const headerBytes = 64
export const frameHeaderBytes = 32
export const trailerBytes = 32
export const partEntryBytes = 8

/** A frame may be larger than a segment (it then has one of its own), but its offset and length must stay far below 2^32. */
export const largestFrameBytes = 256 * 1024 * 1024
/** Read as a whole before its checksum can be known, so a false claim must not cost much. */
export const largestHeadBytes = 4 * 1024 * 1024
export const largestSegmentBytes = 1024 * 1024 * 1024

export const frameMagic = Buffer.from('TJF\n', 'latin1')
export const dataKind = 0
export const footerKind = 1

const frameMagicNumber = frameMagic.readUInt32LE(0)
const headerMagic = Buffer.from('TRITONJL', 'latin1')
const trailerMagic = Buffer.from('TRITONJE', 'latin1')
const version = 1

export function segmentName(number: number): string {
  return `${String(number).padStart(10, '0')}.segment`
}

/** The number in a segment's file name, or undefined when the file is none of ours. */
export function segmentNumber(name: string): number | undefined {
  const digits = /^(\d{10})\.segment$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

export function encodeHeader(number: number, nonce: number): Buffer {
  const bytes = Buffer.alloc(headerBytes)
  headerMagic.copy(bytes)
  bytes.writeUInt32LE(version, 8)
  bytes.writeUInt32LE(number, 12)
  bytes.writeUInt32LE(nonce, 16)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28)
  bytes.copy(bytes, 32, 0, 32)
  return bytes
}

/** The nonce of segment `number`, or undefined when neither copy of the header is whole. */
export function decodeHeader(bytes: Buffer, number: number): number | undefined {
  for (let at = 0; at + 32 <= Math.min(bytes.length, headerBytes); at += 32) {
    const isWhole =
      headerMagic.compare(bytes, at, at + 8) === 0 && bytes.readUInt32LE(at + 28) === crc32(bytes.subarray(at, at + 28))
    if (isWhole && bytes.readUInt32LE(at + 8) === version && bytes.readUInt32LE(at + 12) === number)
      return bytes.readUInt32LE(at + 16)
  }
  return undefined
}

/** How long a frame will be. Throws a StorageError when there can't be one of that length. */
export function frameBytes(head: Uint8Array, parts: readonly Uint8Array[]): number {
  const bodyStart = frameHeaderBytes + head.length + parts.length * partEntryBytes
  let total = bodyStart
  for (const part of parts) total += part.length
  if (total <= largestFrameBytes && bodyStart <= largestHeadBytes) return total
  throw new StorageError(
    `cannot append a frame of ${total} bytes (${bodyStart} of them head): at most ${largestFrameBytes} (${largestHeadBytes}) are possible; split it`,
  )
}

export interface FramePlacement {
  kind: number
  nonce: number
  /** Where the frame will stand in its file. */
  offset: number
  /** Checksum of the frame before it. */
  previous: number
}

/** Writes a frame into `into` at `start`; answers its checksum. The bytes end at `start + frameBytes(head, parts)`. */
export function encodeFrame(
  into: Buffer,
  start: number,
  placement: FramePlacement,
  head: Uint8Array,
  parts: readonly Uint8Array[],
): number {
  const headStart = start + frameHeaderBytes + parts.length * partEntryBytes
  const bodyStart = headStart + head.length
  let at = bodyStart
  let entry = start + frameHeaderBytes
  for (const part of parts) {
    into.set(part, at)
    into.writeUInt32LE(part.length, entry)
    into.writeUInt32LE(crc32(part), entry + 4)
    at += part.length
    entry += partEntryBytes
  }
  into.set(head, headStart)
  into.writeUInt32LE(frameMagicNumber, start)
  into.writeUInt32LE(placement.offset, start + 8)
  into.writeUInt32LE(placement.previous, start + 12)
  into.writeUInt32LE(placement.kind, start + 16)
  into.writeUInt32LE(head.length, start + 20)
  into.writeUInt32LE(parts.length, start + 24)
  into.writeUInt32LE(at - bodyStart, start + 28)
  const checksum = crc32(into.subarray(start + 8, bodyStart), placement.nonce)
  into.writeUInt32LE(checksum, start + 4)
  return checksum
}

/**
 * What the fixed part of a frame at `start` of `bytes` claims, or undefined when it can't be a frame at file offset
 * `offset` of a file that ends at `end`. Nothing is proved before the checksum is compared.
 */
export function claimedFrame(bytes: Buffer, start: number, offset: number, end: number): FrameClaim | undefined {
  if (bytes.readUInt32LE(start) !== frameMagicNumber || bytes.readUInt32LE(start + 8) !== offset) return undefined
  const headBytes = bytes.readUInt32LE(start + 20)
  const partCount = bytes.readUInt32LE(start + 24)
  const bodyBytes = bytes.readUInt32LE(start + 28)
  const bodyStart = frameHeaderBytes + partCount * partEntryBytes + headBytes
  const totalBytes = bodyStart + bodyBytes
  if (bodyStart > largestHeadBytes || totalBytes > largestFrameBytes || offset + totalBytes > end) return undefined
  return { headBytes, partCount, bodyStart, totalBytes }
}

export interface FrameClaim {
  headBytes: number
  partCount: number
  /** From the frame's beginning to its first part. */
  bodyStart: number
  totalBytes: number
}

/** Whether header, table and head of the frame at `start` are as they were written. */
export function isProved(bytes: Buffer, start: number, claim: FrameClaim, nonce: number): boolean {
  return bytes.readUInt32LE(start + 4) === crc32(bytes.subarray(start + 8, start + claim.bodyStart), nonce)
}

export interface Trailer {
  nonce: number
  footerOffset: number
  footerBytes: number
}

export function encodeTrailer(number: number, trailer: Trailer): Buffer {
  assert(trailer.footerOffset < 0xffff_ffff, 'a segment stays below 4 GiB')
  const bytes = Buffer.alloc(trailerBytes)
  trailerMagic.copy(bytes)
  bytes.writeUInt32LE(number, 8)
  bytes.writeUInt32LE(trailer.nonce, 12)
  bytes.writeUInt32LE(trailer.footerOffset, 16)
  bytes.writeUInt32LE(trailer.footerBytes, 20)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28)
  return bytes
}

/** The trailer at the end of `bytes`, or undefined when there is none (or a damaged one). */
export function decodeTrailer(bytes: Buffer, number: number): Trailer | undefined {
  const start = bytes.length - trailerBytes
  if (start < 0 || trailerMagic.compare(bytes, start, start + 8) !== 0) return undefined
  if (bytes.readUInt32LE(start + 28) !== crc32(bytes.subarray(start, start + 28))) return undefined
  if (bytes.readUInt32LE(start + 8) !== number) return undefined
  return {
    nonce: bytes.readUInt32LE(start + 12),
    footerOffset: bytes.readUInt32LE(start + 16),
    footerBytes: bytes.readUInt32LE(start + 20),
  }
}
