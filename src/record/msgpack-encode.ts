import { types } from 'node:util'
import { fieldPath, kindOf, shorten } from './field-path.ts'

import { MsgpackExt } from './msgpack-ext.ts'
import { MsgpackMap } from './msgpack-map.ts'
import { maxDepth } from './msgpack-reader.ts'
import {
  beginBytes,
  closeMap,
  dropBytes,
  endBytes,
  openContainer,
  writeArrayHead,
  writeBigint,
  writeBin,
  writeBoolean,
  writeExt,
  writeFloat,
  writeInteger,
  writeMapHead,
  writeNil,
  writeText,
} from './msgpack-writer.ts'

export interface EncodeOptions {
  /** Write NaN and Infinity. go-triton's readers stop silently at them. @default false */
  allowNonFinite?: boolean
}

/**
 * A value as msgpack of the current specification, each thing in its shortest form.
 *
 * - Numbers: a safe integer is written as an integer, every other number (`-0` too) as float64; a bigint keeps all its
 *   digits and must fit int64 or uint64.
 * - As in JSON, a member that is `undefined` is left out, `undefined` in an array becomes nil, symbol keys and members
 *   that are not enumerable or inherited are not seen, and `toJSON` is asked once.
 * - Date becomes its ISO 8601 text in UTC, Uint8Array (Buffer) a bin. `MsgpackExt` and `MsgpackMap`, which reading
 *   gives for what JavaScript has no word for, are written as they were read.
 * - Everything else has no msgpack form and is a TypeError that names the field: function, symbol, class instance
 *   without `toJSON`, cyclic or too deep value, integer beyond 64 bits, text with half a surrogate pair (no UTF-8 can
 *   hold it, and a replaced character would be a silent loss), NaN and Infinity unless allowed.
 *
 * The bytes may be a view into a larger buffer; nobody writes to them again.
 */
export function encodeMsgpack(value: unknown, options?: EncodeOptions): Buffer {
  // A toJSON or getter may call this function again: what belongs to this call is put back behind it.
  const outerPath = path
  const outerRoot = root
  const outerAllowNonFinite = allowNonFinite
  if (root !== undefined) path = []
  root = value
  allowNonFinite = options?.allowNonFinite === true
  beginBytes()
  try {
    if (value === undefined) fail('undefined has no msgpack form', undefined, 0)
    writeValue(value, undefined, 0)
    return endBytes()
  } catch (error) {
    dropBytes()
    throw error
  } finally {
    path = outerPath
    root = outerRoot
    allowNonFinite = outerAllowNonFinite
  }
}

type Key = string | number | undefined

/** `path[d]` is the key under which the container at depth d lies. Deeper entries are left from earlier fields. */
let path: Key[] = []
let root: unknown
let allowNonFinite = false

function writeValue(value: unknown, key: Key, depth: number): void {
  switch (typeof value) {
    case 'string':
      if (!writeText(value)) failAtHalfPair(key, depth)
      break
    case 'number':
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) writeInteger(value)
      else if (Number.isFinite(value) || allowNonFinite) writeFloat(value)
      else fail(`${value} has no JSON form and stops old readers; set allowNonFinite to write it`, key, depth)
      break
    case 'object':
      if (value === null) writeNil()
      else writeObject(value, key, depth, true)
      break
    case 'boolean':
      writeBoolean(value)
      break
    case 'bigint':
      if (!writeBigint(value)) fail(`the integer ${shorten(String(value))} fits neither int64 nor uint64`, key, depth)
      break
    case 'undefined':
      writeNil()
      break
    default:
      fail(`${kindOf(value)} has no msgpack form`, key, depth)
  }
}

function writeObject(value: object, key: Key, depth: number, mayAskToJson: boolean): void {
  if (depth >= maxDepth) failTooDeep(key, depth)
  path[depth] = key
  if (Array.isArray(value)) writeArray(value, depth)
  else if (Object.getPrototypeOf(value) === Object.prototype && (value as { toJSON?: unknown }).toJSON === undefined)
    writeMap(value as Record<string, unknown>, depth)
  else writeInstance(value, key, depth, mayAskToJson)
}

function writeArray(items: readonly unknown[], depth: number): void {
  const count = items.length
  writeArrayHead(count)
  for (let i = 0; i < count; i++) writeValue(items[i], i, depth + 1)
}

/** The engine makes `for in` with `hasOwnProperty` a walk over the object's shape, without a list of keys or look-ups. */
function writeMap(map: Record<string, unknown>, depth: number): void {
  const opened = openContainer()
  let count = 0
  for (const key in map) {
    if (!isOwn.call(map, key)) continue
    const value = map[key]
    if (value === undefined) continue
    if (!writeText(key)) failAtHalfPair(key, depth + 1)
    writeValue(value, key, depth + 1)
    count++
  }
  closeMap(opened, count)
}

const isOwn = Object.prototype.hasOwnProperty

function writeInstance(value: object, key: Key, depth: number, mayAskToJson: boolean): void {
  if (types.isUint8Array(value)) writeBin(value)
  else if (value instanceof MsgpackExt) writeExt(value.type, value.data)
  else if (value instanceof MsgpackMap) writeEntries(value, depth)
  else if (types.isDate(value)) writeDate(value, key, depth)
  else if (mayAskToJson && hasToJson(value)) {
    const answer: unknown = value.toJSON(key === undefined ? '' : String(key))
    if (answer === undefined) fail('its toJSON answered undefined', key, depth)
    if (typeof answer === 'object' && answer !== null) writeObject(answer, key, depth, false)
    else writeValue(answer, key, depth)
  } else if (isPlain(value)) writeMap(value as Record<string, unknown>, depth)
  else fail(`${kindOf(value)} has no msgpack form; give it a toJSON method`, key, depth)
}

function hasToJson(value: object): value is { toJSON: (key: string) => unknown } {
  return typeof (value as { toJSON?: unknown }).toJSON === 'function'
}

/** Also a plain object of another realm (node:vm, a test runner), which has that realm's Object.prototype. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function writeDate(date: Date, key: Key, depth: number): void {
  if (Number.isNaN(date.getTime())) fail('the date is invalid', key, depth)
  writeText(date.toISOString())
}

function writeEntries(map: MsgpackMap, depth: number): void {
  writeMapHead(map.entries.length)
  let index = 0
  for (const [key, value] of map.entries) {
    const place = typeof key === 'string' || typeof key === 'number' ? key : `entry ${index}`
    writeValue(key, place, depth + 1)
    writeValue(value, place, depth + 1)
    index++
  }
}

function failAtHalfPair(key: Key, depth: number): never {
  fail('the text holds half a surrogate pair, which UTF-8 cannot express', key, depth)
}

/** Most often a value that holds itself: then the path ends where it comes the second time. */
function failTooDeep(key: Key, depth: number): never {
  const keys = keysTo(key, depth)
  const above = new Set([root])
  let value = root
  for (const [index, each] of keys.entries()) {
    value = typeof value === 'object' && value !== null ? Reflect.get(value, each) : undefined
    if (typeof value !== 'object' || value === null) break
    if (above.has(value)) failAt(keys.slice(0, index + 1), 'it is cyclic: it lies inside itself')
    above.add(value)
  }
  failAt(keys, `it is nested deeper than ${maxDepth} levels`)
}

function fail(problem: string, key: Key, depth: number): never {
  failAt(keysTo(key, depth), problem)
}

function keysTo(key: Key, depth: number): (string | number)[] {
  return depth === 0 ? [] : [...path.slice(1, depth), key].map((each) => each ?? '')
}

function failAt(keys: readonly (string | number)[], problem: string): never {
  throw new TypeError(`cannot write ${fieldPath(keys)}: ${problem}`)
}
