import { isUtf8 } from 'node:buffer'
import { FormatError } from '../errors.ts'
import { KeyCache, type KnownKey } from './key-cache.ts'
import { MsgpackExt } from './msgpack-ext.ts'

/**
 * Reads msgpack from front to back: a cursor over the bytes given to `beginReading`. What it answers for containers is
 * their count only, so that one reader serves those who make objects and those who make text. Nothing here calls
 * anybody else's code, so that one cursor suffices.
 *
 * Every function throws a FormatError where the bytes end too early or are no msgpack.
 */

/** Levels of nesting that are read and written; deeper is a FormatError here and a TypeError in the encoder. */
export const maxDepth = 1024

/**
 * The bytes are copied here first. That costs 10 ns and gives one buffer and one DataView for all records, and room
 * behind the last byte, so that keys can be compared in words of four bytes.
 */
const usualSourceBytes = 64 * 1024
const largestKeptSource = 1024 * 1024
const bytesBehind = 64

let source = Buffer.allocUnsafeSlow(usualSourceBytes + bytesBehind)
let view = new DataView(source.buffer)
let position = 0
/** Where the record under way begins and ends. */
let begin = 0
let end = 0
/**
 * A short record as Latin-1 text, made in one call when its first string comes: ASCII strings are cut out of it, which
 * is several times faster than a call into Node for each. A string that is cut out holds on to all of it: of a long
 * record each string is made by itself.
 */
let text = ''
const longestSharedText = 4096

const keys = new KeyCache()
/** Stands above the record: its first key is looked for among those that came first in records. */
export const topKey = keys.top
/** Stands for every key that the cache does not know. */
export const unknownKey = keys.unknown

export function beginReading(bytes: Uint8Array): void {
  if (bytes.length + bytesBehind > source.length) replaceSource(bytes.length + bytesBehind)
  source.set(bytes)
  beginRecord(0, bytes.length)
}

/** Of bytes given to `beginReading`, which hold many records, the one from `start` to `stop`. */
export function beginRecord(start: number, stop: number): void {
  position = start
  begin = start
  end = stop
  text = ''
}

/** Throws when anything is left. */
export function endReading(): void {
  if (source.length > largestKeptSource) replaceSource(usualSourceBytes)
  endRecord()
}

/** Throws when anything of the record is left. */
export function endRecord(): void {
  if (position !== end) throw new FormatError(`${end - position} bytes are left over after the value`, position)
}

function replaceSource(byteLength: number): void {
  source = Buffer.allocUnsafeSlow(byteLength)
  view = new DataView(source.buffer)
}

export function readingPosition(): number {
  return position
}

/** Goes back to where `readingPosition` was before. */
export function readAgainFrom(earlier: number): void {
  position = earlier
}

/** The byte that says what comes; the function for what it is comes next. */
export function readHead(): number {
  if (position >= end) throw truncated(1)
  return source[position++] as number
}

export function isMapHead(head: number): boolean {
  return head < 0x90 ? head >= 0x80 : head === 0xde || head === 0xdf
}

export function isArrayHead(head: number): boolean {
  return head < 0xa0 ? head >= 0x90 : head === 0xdc || head === 0xdd
}

export function isFloatHead(head: number): boolean {
  return head === 0xca || head === 0xcb
}

/** Fixstr and str8..32: text, if it is UTF-8. */
export function isRawHead(head: number): boolean {
  return (head & 0xe0) === 0xa0 || (head >= 0xd9 && head <= 0xdb)
}

/**
 * How many pairs of key and value come; `depth` containers lie around the map. A container is entered only where its
 * items can be: 2^32 items that are claimed and not there are refused before they cost memory.
 */
export function readMapCount(head: number, depth: number): number {
  const count = head < 0x90 ? head & 0x0f : readLength(head - 0xdd)
  return enter(count, 2 * count, depth)
}

/** How many items come; see `readMapCount`. */
export function readArrayCount(head: number, depth: number): number {
  const count = head < 0xa0 ? head & 0x0f : readLength(head - 0xdb)
  return enter(count, count, depth)
}

function enter(count: number, leastBytes: number, depth: number): number {
  if (depth >= maxDepth) throw new FormatError(`it is nested deeper than ${maxDepth} levels`, position)
  if (leastBytes > end - position) throw truncated(leastBytes)
  return count
}

/** Any value but a map or an array. */
export function readScalar(head: number): string | number | bigint | boolean | null | Buffer | MsgpackExt {
  if (head < 0x80) return head
  if (head < 0xc0) return readRaw(head & 0x1f)
  if (head >= 0xe0) return head - 0x100
  switch (head) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return readBytes(readLength(head - 0xc4))
    case 0xc7:
    case 0xc8:
    case 0xc9:
      return readExt(readLength(head - 0xc7))
    case 0xca:
      return view.getFloat32(take(4))
    case 0xcb:
      return view.getFloat64(take(8))
    case 0xcc:
      return view.getUint8(take(1))
    case 0xcd:
      return view.getUint16(take(2))
    case 0xce:
      return view.getUint32(take(4))
    case 0xcf:
      return asSafeNumber(view.getBigUint64(take(8)))
    case 0xd0:
      return view.getInt8(take(1))
    case 0xd1:
      return view.getInt16(take(2))
    case 0xd2:
      return view.getInt32(take(4))
    case 0xd3:
      return asSafeNumber(view.getBigInt64(take(8)))
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return readExt(1 << (head - 0xd4))
    case 0xd9:
    case 0xda:
    case 0xdb:
      return readRaw(readLength(head - 0xd9))
    default:
      throw new FormatError('byte 0xc1 begins no msgpack value', position - 1)
  }
}

/** The first key of a map that lies under `parent`, if the cache knows it; otherwise nothing is read. */
export function readFirstKey(parent: KnownKey): KnownKey | undefined {
  const key = keys.first(parent, source, view, position, end)
  if (key !== undefined) position += 1 + key.byteLength
  return key
}

/** The key that comes after `previous`, if the cache knows it; otherwise nothing is read. */
export function readNextKey(previous: KnownKey): KnownKey | undefined {
  const key = keys.after(previous, source, view, position, end)
  if (key !== undefined) position += 1 + key.byteLength
  return key
}

/** Goes back to before the known key that was read last. */
export function unreadKey(key: KnownKey): void {
  position -= 1 + key.byteLength
}

/** Passes one value and all that lies in it. */
export function skipValue(): void {
  for (let left = 1; left > 0; left--) {
    const head = readHead()
    if (isMapHead(head)) left += 2 * readMapCount(head, 0)
    else if (isArrayHead(head)) left += readArrayCount(head, 0)
    else readScalar(head)
  }
}

/** Passes `byteLength` bytes and answers where they begin. */
function take(byteLength: number): number {
  const start = position
  if (byteLength > end - start) throw truncated(byteLength)
  position = start + byteLength
  return start
}

function truncated(byteLength: number): FormatError {
  return new FormatError(
    `the bytes end inside a value: it needs ${byteLength} more bytes here, and ${end - position} are left`,
    position,
  )
}

/** A length or count of 1, 2 or 4 bytes for width 0, 1, 2. */
function readLength(width: number): number {
  if (width === 0) return view.getUint8(take(1))
  return width === 1 ? view.getUint16(take(2)) : view.getUint32(take(4))
}

function asSafeNumber(integer: bigint): number | bigint {
  const rounded = Number(integer)
  return Number.isSafeInteger(rounded) ? rounded : integer
}

export function readRaw(byteLength: number): string | Buffer {
  const start = take(byteLength)
  if (!isAscii(start, position)) return readNotAscii(start, position)
  if (end - begin > longestSharedText) return source.toString('latin1', start, position)
  if (text === '') text = source.toString('latin1', begin, end)
  return text.slice(start - begin, position - begin)
}

function isAscii(start: number, stop: number): boolean {
  let at = start
  for (; at + 4 <= stop; at += 4) if ((view.getInt32(at) & 0x80808080) !== 0) return false
  for (; at < stop; at++) if ((source[at] as number) > 0x7f) return false
  return true
}

function readNotAscii(start: number, stop: number): string | Buffer {
  const decoded = source.toString('utf8', start, stop)
  // Node puts U+FFFD where bytes are not UTF-8; text may hold that character honestly, too.
  if (!decoded.includes('\ufffd') || isUtf8(source.subarray(start, stop))) return decoded
  return copyOf(start, stop)
}

function readBytes(byteLength: number): Buffer {
  return copyOf(take(byteLength), position)
}

function copyOf(start: number, stop: number): Buffer {
  return Buffer.from(source.subarray(start, stop))
}

function readExt(byteLength: number): MsgpackExt {
  const type = view.getInt8(take(1))
  return new MsgpackExt(type, readBytes(byteLength))
}
