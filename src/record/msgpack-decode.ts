import { isUtf8 } from 'node:buffer'
import { FormatError } from '../errors.ts'
import { isKnowable, KeyCache, type KnownKey } from './key-cache.ts'
import { MsgpackExt } from './msgpack-ext.ts'
import { MsgpackMap } from './msgpack-map.ts'

/** Levels of nesting that are read and written; deeper is a FormatError here and a TypeError there. */
export const maxDepth = 1024

/**
 * The one msgpack value that these bytes are, with nothing lost: integers outside the safe range as bigint, raw bytes
 * that are not UTF-8 and bin as Buffer, an extension as `MsgpackExt`, a map as a plain object, or as `MsgpackMap` when
 * a key is not text or comes twice. `__proto__` is an own property like any other. Everything handed out is a copy.
 *
 * What an object cannot show is which number was a float on the wire (`3.0` is `3`), and the order of keys that look
 * like array indexes; lossless JSON, which is made from the bytes, has both.
 *
 * Throws a FormatError when the bytes are not exactly one value, or are nested deeper than `maxDepth`.
 */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  load(bytes)
  const value = readValue(keys.top, 0)
  if (position !== end) throw new FormatError(`${end - position} bytes are left over after the value`, position)
  if (source.length > largestKeptSource) replaceSource(usualSourceBytes)
  return value
}

/**
 * Each record is copied here first. That costs 10 ns and gives one buffer and one DataView for all records, and room
 * behind the last byte, so that keys can be compared in words of four bytes.
 */
const usualSourceBytes = 64 * 1024
const largestKeptSource = 1024 * 1024
const bytesBehind = 64

let source = Buffer.allocUnsafeSlow(usualSourceBytes)
let view = new DataView(source.buffer)
let position = 0
let end = 0
/**
 * A short record as Latin-1 text, made in one call when its first string comes: ASCII strings are cut out of it, which
 * is several times faster than a call into Node for each. A string that is cut out holds on to all of it: of a long
 * record each string is made by itself.
 */
let text = ''
const longestSharedText = 4096

const keys = new KeyCache()

function load(bytes: Uint8Array): void {
  if (bytes.length + bytesBehind > source.length) replaceSource(bytes.length + bytesBehind)
  source.set(bytes)
  position = 0
  end = bytes.length
  text = ''
}

function replaceSource(byteLength: number): void {
  source = Buffer.allocUnsafeSlow(byteLength)
  view = new DataView(source.buffer)
}

/** `known` is the key under which the value lies: where it is a map, its keys are probably those of last time. */
function readValue(known: KnownKey, depth: number): unknown {
  if (position >= end) throw truncated(1)
  const head = source[position++] as number
  if (head < 0x80) return head
  if (head < 0x90) return readMap(head & 0x0f, known, depth)
  if (head < 0xa0) return readArray(head & 0x0f, known, depth)
  if (head < 0xc0) return readRaw(head & 0x1f)
  if (head >= 0xe0) return head - 0x100
  return readLonger(head, known, depth)
}

function readLonger(head: number, known: KnownKey, depth: number): unknown {
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
    case 0xdc:
    case 0xdd:
      return readArray(readLength(head - 0xdb), known, depth)
    case 0xde:
    case 0xdf:
      return readMap(readLength(head - 0xdd), known, depth)
    default:
      throw new FormatError('byte 0xc1 begins no msgpack value', position - 1)
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

function readRaw(byteLength: number): string | Buffer {
  const start = take(byteLength)
  if (!isAscii(start, position)) return readNotAscii(start, position)
  if (end > longestSharedText) return source.toString('latin1', start, position)
  if (text === '') text = source.toString('latin1', 0, end)
  return text.slice(start, position)
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

/** A container is entered only where its entries can be: one of 2^32 claimed entries is refused before it costs memory. */
function enter(leastBytes: number, depth: number): void {
  if (depth >= maxDepth) throw new FormatError(`nested deeper than ${maxDepth} levels`, position)
  if (leastBytes > end - position) throw truncated(leastBytes)
}

function readArray(count: number, known: KnownKey, depth: number): unknown[] {
  enter(count, depth)
  const values: unknown[] = []
  for (let i = 0; i < count; i++) values.push(readValue(known, depth + 1))
  return values
}

function readMap(count: number, known: KnownKey, depth: number): Record<string, unknown> | MsgpackMap {
  enter(2 * count, depth)
  const map: Record<string, unknown> = {}
  let previous: KnownKey | undefined
  let seenBits = 0
  for (let i = 0; i < count; i++) {
    const key =
      previous === undefined
        ? keys.first(known, source, view, position, end)
        : keys.after(previous, source, view, position, end)
    if (key !== undefined) {
      if ((seenBits & key.bit) !== 0 && Object.hasOwn(map, key.text)) return readRest(map, count - i, depth)
      seenBits |= key.bit
      position += 1 + key.byteLength
      map[key.text] = readValue(key, depth + 1)
      previous = key
    } else {
      const text = readPlainKey(map)
      if (text === undefined) return readRest(map, count - i, depth)
      map[text] = readValue(keys.unknown, depth + 1)
      // Nobody knows this key's bit: from here on each key is looked up in the map.
      seenBits = -1
    }
  }
  return map
}

/** A key of text that is new to `map` and that an object lists last; otherwise nothing is read. */
function readPlainKey(map: Record<string, unknown>): string | undefined {
  const start = position
  const head = start < end ? (source[start] as number) : 0
  // Asked first, so that nothing nested is ever read twice.
  if ((head < 0xa0 || head >= 0xc0) && (head < 0xd9 || head > 0xdb)) return undefined
  const text = readValue(keys.unknown, 0)
  if (typeof text === 'string' && isKnowable(text) && !Object.hasOwn(map, text)) return text
  position = start
  return undefined
}

/**
 * The last `count` entries of a map, which begin with an unusual key. `map` holds the entries before them, in their
 * order: no key that an object would put elsewhere came so far.
 */
function readRest(map: Record<string, unknown>, count: number, depth: number): Record<string, unknown> | MsgpackMap {
  const entries: [key: unknown, value: unknown][] = Object.entries(map)
  let isOdd = false
  for (let i = 0; i < count; i++) {
    const key = readValue(keys.unknown, depth + 1)
    const value = readValue(keys.unknown, depth + 1)
    entries.push([key, value])
    if (typeof key !== 'string' || Object.hasOwn(map, key)) isOdd = true
    else if (key === '__proto__')
      Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true })
    else map[key] = value
  }
  return isOdd ? new MsgpackMap(entries) : map
}
