import { types } from 'node:util'
import { MsgpackExt } from './msgpack-ext.ts'
import { MsgpackMap } from './msgpack-map.ts'

export interface EncodeOptions {
  /** Write NaN and Infinity. go-triton's readers stop silently at them. @default false */
  allowNonFinite?: boolean
}

/** Levels of nesting that are written and read; deeper is a TypeError here and a FormatError there. */
export const maxDepth = 1024

/**
 * A value as msgpack of the current specification, each thing in its shortest form.
 *
 * - Numbers: a safe integer is written as an integer, every other number (`-0` too) as float64; a bigint keeps all its
 *   digits and must fit int64 or uint64.
 * - As in JSON, a member that is `undefined` is left out, `undefined` in an array becomes nil, symbol keys and members
 *   that are not enumerable are not seen, and `toJSON` is asked once.
 * - Date becomes its ISO 8601 text in UTC, Uint8Array (Buffer) a bin. `MsgpackExt` and `MsgpackMap`, which reading
 *   gives for what JavaScript has no word for, are written as they were read.
 * - Everything else has no msgpack form and is a TypeError that names the field: function, symbol, class instance
 *   without `toJSON`, cyclic or too deep value, integer beyond 64 bits, text with half a surrogate pair (no UTF-8 can
 *   hold it, and a replaced character would be a silent loss), NaN and Infinity unless allowed.
 *
 * The bytes may be a view into a larger buffer.
 */
export function encodeMsgpack(value: unknown, options?: EncodeOptions): Uint8Array {
  if (isWriting) return encodeInside(value, options)
  isWriting = true
  recordStart = position
  allowNonFinite = options?.allowNonFinite === true
  try {
    if (value === undefined) fail('undefined has no msgpack form', undefined, 0)
    writeValue(value, undefined, 0)
    return slab.subarray(recordStart, position)
  } catch (error) {
    position = recordStart
    throw error
  } finally {
    isWriting = false
  }
}

/** Records are written one behind the other into a slab and handed out as views, which spares a copy of each. */
const slabBytes = 64 * 1024

let slab = Buffer.allocUnsafeSlow(slabBytes)
let view = new DataView(slab.buffer)
let position = 0
let recordStart = 0
let isWriting = false
let allowNonFinite = false
/** `path[d]` is the key under which the container at depth d lies; only what is left of the failing depth is meant. */
let path: Key[] = []

type Key = string | number | undefined

/** A `toJSON` or getter encodes something itself while a record is being written: that goes into a slab of its own. */
function encodeInside(value: unknown, options: EncodeOptions | undefined): Uint8Array {
  const outer = { slab, view, position, recordStart, allowNonFinite, path }
  slab = Buffer.allocUnsafeSlow(1024)
  view = new DataView(slab.buffer)
  position = 0
  path = []
  isWriting = false
  try {
    return encodeMsgpack(value, options)
  } finally {
    ;({ slab, view, position, recordStart, allowNonFinite, path } = outer)
    isWriting = true
  }
}

/** Makes room for `byteCount` more bytes; the record begun so far moves into the new slab. */
function grow(byteCount: number): void {
  const written = position - recordStart
  const larger = Buffer.allocUnsafeSlow(Math.max(slabBytes, 2 * (written + byteCount)))
  larger.set(slab.subarray(recordStart, position))
  slab = larger
  view = new DataView(slab.buffer)
  position = written
  recordStart = 0
}

function reserve(byteCount: number): void {
  if (position + byteCount > slab.length) grow(byteCount)
}

function writeValue(value: unknown, key: Key, depth: number): void {
  switch (typeof value) {
    case 'string':
      return writeText(value, key, depth)
    case 'number':
      return writeNumber(value, key, depth)
    case 'object':
      if (value === null) return writeByte(0xc0)
      return writeObject(value, key, depth, true)
    case 'boolean':
      return writeByte(value ? 0xc3 : 0xc2)
    case 'bigint':
      return writeBigint(value, key, depth)
    case 'undefined':
      return writeByte(0xc0)
    default:
      return fail(`a ${typeof value} has no msgpack form`, key, depth)
  }
}

function writeByte(byte: number): void {
  reserve(1)
  slab[position++] = byte
}

function writeNumber(value: number, key: Key, depth: number): void {
  reserve(9)
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return writeInteger(value)
  if (!Number.isFinite(value) && !allowNonFinite)
    fail(`${value} has no JSON form and stops old readers; set allowNonFinite to write it`, key, depth)
  slab[position++] = 0xcb
  view.setFloat64(position, value)
  position += 8
}

function writeInteger(value: number): void {
  if (value >= 0) {
    if (value < 0x80) slab[position++] = value
    else if (value <= 0xff) {
      slab[position++] = 0xcc
      slab[position++] = value
    } else if (value <= 0xffff) {
      slab[position++] = 0xcd
      view.setUint16(position, value)
      position += 2
    } else if (value <= 0xffffffff) {
      slab[position++] = 0xce
      view.setUint32(position, value)
      position += 4
    } else write64(0xcf, value)
  } else if (value >= -0x20) slab[position++] = value + 0x100
  else if (value >= -0x80) {
    slab[position++] = 0xd0
    slab[position++] = value + 0x100
  } else if (value >= -0x8000) {
    slab[position++] = 0xd1
    view.setInt16(position, value)
    position += 2
  } else if (value >= -0x80000000) {
    slab[position++] = 0xd2
    view.setInt32(position, value)
    position += 4
  } else write64(0xd3, value)
}

function write64(head: number, value: number): void {
  slab[position++] = head
  view.setInt32(position, Math.floor(value / 0x1_0000_0000))
  view.setUint32(position + 4, value >>> 0)
  position += 8
}

function writeBigint(value: bigint, key: Key, depth: number): void {
  reserve(9)
  if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) return writeInteger(Number(value))
  if (BigInt.asIntN(64, value) === value && value < 0n) {
    slab[position++] = 0xd3
    view.setBigInt64(position, value)
  } else if (BigInt.asUintN(64, value) === value) {
    slab[position++] = 0xcf
    view.setBigUint64(position, value)
  } else fail(`the integer ${shorten(String(value))} fits neither int64 nor uint64`, key, depth)
  position += 8
}

/** Up to this length a loop over the characters beats the call into Node. */
const shortTextLength = 48

function writeText(text: string, key: Key, depth: number): void {
  const length = text.length
  if (length > shortTextLength) return writeLongText(text, key, depth)
  reserve(length + 2)
  const bytes = slab
  const start = position
  let at = start + 1
  if (length > 31) at = start + 2
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return writeLongText(text, key, depth)
    bytes[at++] = code
  }
  if (length > 31) {
    bytes[start] = 0xd9
    bytes[start + 1] = length
  } else bytes[start] = 0xa0 | length
  position = at
}

function writeLongText(text: string, key: Key, depth: number): void {
  const byteLength = Buffer.byteLength(text, 'utf8')
  if (byteLength !== text.length && /\p{Surrogate}/u.test(text))
    fail('the text holds half a surrogate pair, which UTF-8 cannot express', key, depth)
  reserve(byteLength + 5)
  if (byteLength < 32) slab[position++] = 0xa0 | byteLength
  else writeLength(byteLength, 0xd9)
  position += slab.write(text, position, 'utf8')
}

/** Head and length of str (first head 0xd9), bin (0xc4) and ext (0xc7); room is reserved already. */
function writeLength(byteLength: number, head: number): void {
  if (byteLength <= 0xff) {
    slab[position++] = head
    slab[position++] = byteLength
  } else if (byteLength <= 0xffff) {
    slab[position++] = head + 1
    view.setUint16(position, byteLength)
    position += 2
  } else {
    slab[position++] = head + 2
    view.setUint32(position, byteLength)
    position += 4
  }
}

/** Head and length of a map (fix 0x80, first head 0xde) or an array (0x90, 0xdc). */
function writeCount(count: number, fixHead: number, head: number): void {
  reserve(5)
  if (count < 16) slab[position++] = fixHead | count
  else if (count <= 0xffff) {
    slab[position++] = head
    view.setUint16(position, count)
    position += 2
  } else {
    slab[position++] = head + 1
    view.setUint32(position, count)
    position += 4
  }
}

function writeObject(value: object, key: Key, depth: number, mayAskToJson: boolean): void {
  if (depth >= maxDepth) fail(tooDeep(), key, depth)
  path[depth] = key
  if (Array.isArray(value)) return writeArray(value, depth)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype && (value as { toJSON?: unknown }).toJSON === undefined)
    return writeMap(value as Record<string, unknown>, depth)
  writeInstance(value, prototype, key, depth, mayAskToJson)
}

function writeArray(values: readonly unknown[], depth: number): void {
  const count = values.length
  writeCount(count, 0x90, 0xdc)
  for (let i = 0; i < count; i++) writeValue(values[i], i, depth + 1)
}

function writeMap(map: Record<string, unknown>, depth: number): void {
  const keys = Object.keys(map)
  const start = position - recordStart
  writeCount(keys.length, 0x80, 0xde)
  let leftOut = 0
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string
    const value = map[key]
    if (value === undefined) {
      leftOut++
      continue
    }
    writeText(key, key, depth + 1)
    writeValue(value, key, depth + 1)
  }
  if (leftOut > 0) rewriteMapCount(recordStart + start, keys.length, keys.length - leftOut)
}

/** Members were left out, so that the count is smaller than the head says; its shortest form may be shorter too. */
function rewriteMapCount(start: number, writtenCount: number, count: number): void {
  const end = position
  const bodyStart = start + countBytes(writtenCount)
  position = start
  writeCount(count, 0x80, 0xde)
  slab.copyWithin(position, bodyStart, end)
  position += end - bodyStart
}

function countBytes(count: number): number {
  return count < 16 ? 1 : count <= 0xffff ? 3 : 5
}

function writeInstance(value: object, prototype: unknown, key: Key, depth: number, mayAskToJson: boolean): void {
  if (types.isUint8Array(value)) return writeBytes(value)
  if (value instanceof MsgpackExt) return writeExt(value)
  if (value instanceof MsgpackMap) return writeEntries(value, depth)
  if (types.isDate(value)) {
    if (Number.isNaN(value.getTime())) fail('the date is invalid', key, depth)
    return writeText(value.toISOString(), key, depth)
  }
  const { toJSON } = value as { toJSON?: unknown }
  if (typeof toJSON === 'function' && mayAskToJson) {
    const answer: unknown = toJSON.call(value, key === undefined ? '' : String(key))
    if (typeof answer === 'object' && answer !== null) return writeObject(answer, key, depth, false)
    if (answer === undefined) fail('toJSON answered undefined', key, depth)
    return writeValue(answer, key, depth)
  }
  // A plain object of another realm (node:vm, a test runner) has that realm's Object.prototype.
  if (prototype === null || Object.getPrototypeOf(prototype) === null)
    return writeMap(value as Record<string, unknown>, depth)
  fail(`an instance of ${nameOfClass(value)} has no msgpack form; give it a toJSON method`, key, depth)
}

function writeBytes(bytes: Uint8Array): void {
  reserve(bytes.length + 5)
  writeLength(bytes.length, 0xc4)
  slab.set(bytes, position)
  position += bytes.length
}

function writeExt(ext: MsgpackExt): void {
  const { type, data } = ext
  reserve(data.length + 6)
  const fixHead = { 1: 0xd4, 2: 0xd5, 4: 0xd6, 8: 0xd7, 16: 0xd8 }[data.length]
  if (fixHead !== undefined) slab[position++] = fixHead
  else writeLength(data.length, 0xc7)
  view.setInt8(position++, type)
  slab.set(data, position)
  position += data.length
}

function writeEntries(map: MsgpackMap, depth: number): void {
  writeCount(map.entries.length, 0x80, 0xde)
  let index = 0
  for (const [key, value] of map.entries) {
    const place = typeof key === 'string' || typeof key === 'number' ? key : `entry ${index}`
    writeValue(key, place, depth + 1)
    writeValue(value, place, depth + 1)
    index++
  }
}

function fail(problem: string, key: Key, depth: number): never {
  const keys = depth === 0 ? [] : [...path.slice(1, depth), key]
  throw new TypeError(`cannot write ${fieldPath(keys)}: ${problem}`)
}

function tooDeep(): string {
  return `it is cyclic, or nested deeper than ${maxDepth} levels`
}

/** `$.a.b[3]["odd key"]`, shortened in the middle when it is long. */
function fieldPath(keys: readonly Key[]): string {
  const shown = keys.length > 20 ? [...keys.slice(0, 10), '...', ...keys.slice(-10)] : keys
  return `$${shown.map(step).join('')}`
}

function step(key: Key): string {
  if (typeof key === 'number') return `[${key}]`
  const name = key ?? ''
  if (name === '...') return ' ... '
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? `.${name}` : `[${JSON.stringify(shorten(name))}]`
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 50)}...` : text
}

function nameOfClass(value: object): string {
  const { constructor } = value as { constructor?: unknown }
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'an unnamed class'
}
