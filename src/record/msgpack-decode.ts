import { FormatError } from '../errors.ts'
import { isKnowable, type KnownKey } from './key-cache.ts'
import { MsgpackMap } from './msgpack-map.ts'
import {
  beginReading,
  beginRecord,
  endReading,
  endRecord,
  isArrayHead,
  isMapHead,
  isRawHead,
  readAgainFrom,
  readArrayCount,
  readFirstKey,
  readHead,
  readingPosition,
  readMapCount,
  readNextKey,
  readRaw,
  readScalar,
  topKey,
  unknownKey,
  unreadKey,
} from './msgpack-reader.ts'

/**
 * The one msgpack value that these bytes are, with nothing lost: integers outside the safe range as bigint, raw bytes
 * that are not UTF-8 and bin as Buffer, an extension as `MsgpackExt`, a map as a plain object, or as `MsgpackMap` when
 * a key is not text or comes twice. `__proto__` is an own property like any other. Everything handed out is a copy.
 *
 * What an object cannot show is which number was a float on the wire (`3.0` is `3`), and the order of keys that look
 * like array indexes; lossless JSON, which is made from the bytes, has both.
 *
 * Throws a FormatError when the bytes are not exactly one value, or are nested deeper than 1,024 levels.
 */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  beginReading(bytes)
  const value = readValue(topKey, 0)
  endReading()
  return value
}

/**
 * The values that lie back to back from `start` to the last of `ends`, each as `decodeMsgpack` gives it. Stops at the
 * first that does not decode, with its FormatError.
 */
export function decodeRecords(
  bytes: Uint8Array,
  start: number,
  ends: readonly number[],
): { values: unknown[]; error?: FormatError } {
  const values: unknown[] = []
  const last = ends[ends.length - 1] ?? start
  const whole = start === 0 && last === bytes.length ? bytes : bytes.subarray(start, last)
  beginReading(whole)
  let from = 0
  try {
    for (let i = 0; i < ends.length; i++) {
      const to = (ends[i] as number) - start
      beginRecord(from, to)
      values.push(readValue(topKey, 0))
      endRecord()
      from = to
    }
    endReading()
    return { values }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    // Where in the record, not in the block.
    const offset = Math.max(0, error.offset - from)
    return {
      values: values.slice(
        0,
        ends.findIndex((end) => end - start > from),
      ),
      error: new FormatError(error.message, offset),
    }
  }
}

/** `key` is the one under which the value lies: if it is a map, its keys are probably those of last time. */
function readValue(key: KnownKey, depth: number): unknown {
  const head = readHead()
  if (head < 0x80) return head
  if (head >= 0xa0 && head < 0xc0) return readRaw(head & 0x1f)
  if (isMapHead(head)) return readMap(readMapCount(head, depth), key, depth)
  if (isArrayHead(head)) return readArray(readArrayCount(head, depth), key, depth)
  return readScalar(head)
}

/** The array grows as its items come: a thousand nested arrays that claim a million items each cost nothing. */
function readArray(count: number, key: KnownKey, depth: number): unknown[] {
  const items: unknown[] = []
  for (let i = 0; i < count; i++) items.push(readValue(key, depth + 1))
  return items
}

function readMap(count: number, parent: KnownKey, depth: number): Record<string, unknown> | MsgpackMap {
  const map: Record<string, unknown> = {}
  let previous: KnownKey | undefined
  let seenBits = 0
  for (let i = 0; i < count; i++) {
    const key = previous === undefined ? readFirstKey(parent) : readNextKey(previous)
    if (key === undefined) {
      // No key's bit is known from here on, so that each is looked up in the map.
      seenBits = -1
      const text = readPlainKey(map)
      if (text === undefined) return readRest(map, count - i, depth)
      map[text] = readValue(unknownKey, depth + 1)
      continue
    }
    if ((seenBits & key.bit) !== 0 && Object.hasOwn(map, key.text)) {
      unreadKey(key)
      return readRest(map, count - i, depth)
    }
    seenBits |= key.bit
    map[key.text] = readValue(key, depth + 1)
    previous = key
  }
  return map
}

/** A key of text that is new to `map`, and that an object takes by assignment and lists last; otherwise nothing is read. */
function readPlainKey(map: Record<string, unknown>): string | undefined {
  const start = readingPosition()
  const head = readHead()
  // Asked first, so that nothing nested is ever read twice.
  if (isRawHead(head)) {
    const key = readScalar(head)
    if (typeof key === 'string' && isKnowable(key) && !Object.hasOwn(map, key)) return key
  }
  readAgainFrom(start)
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
    const key = readValue(unknownKey, depth + 1)
    const value = readValue(unknownKey, depth + 1)
    entries.push([key, value])
    if (typeof key !== 'string' || Object.hasOwn(map, key)) isOdd = true
    else if (key === '__proto__')
      Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true })
    else map[key] = value
  }
  return isOdd ? new MsgpackMap(entries) : map
}
