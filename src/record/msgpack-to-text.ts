import type { MsgpackExt } from './msgpack-ext.ts'
import {
  beginReading,
  endReading,
  isArrayHead,
  isFloatHead,
  isMapHead,
  readArrayCount,
  readHead,
  readMapCount,
  readScalar,
} from './msgpack-reader.ts'

/** How each kind of value is written in one kind of text. */
export interface TextStyle {
  nil: string
  boolean(value: boolean): string
  /** A bigint outside the safe range. */
  integer(value: number | bigint): string
  float(value: number): string
  text(value: string): string
  bytes(value: Buffer): string
  ext(value: MsgpackExt): string
  /** The items' texts. */
  array(items: readonly string[]): string
  /** The texts of keys and values, in the order of the wire. */
  map(keys: readonly string[], values: readonly string[]): string
}

/** The one msgpack value that these bytes are, as text, without objects in between: a float is known from an integer. */
export function msgpackToText(bytes: Uint8Array, style: TextStyle): string {
  beginReading(bytes)
  const text = readValue(style, 0)
  endReading()
  return text
}

function readValue(style: TextStyle, depth: number): string {
  const head = readHead()
  if (isMapHead(head)) return readMap(readMapCount(head, depth), style, depth)
  if (isArrayHead(head)) return readArray(readArrayCount(head, depth), style, depth)
  const value = readScalar(head)
  switch (typeof value) {
    case 'string':
      return style.text(value)
    case 'number':
      return isFloatHead(head) ? style.float(value) : style.integer(value)
    case 'bigint':
      return style.integer(value)
    case 'boolean':
      return style.boolean(value)
    default:
      if (value === null) return style.nil
      return value instanceof Uint8Array ? style.bytes(value) : style.ext(value)
  }
}

function readArray(count: number, style: TextStyle, depth: number): string {
  const items: string[] = []
  for (let i = 0; i < count; i++) items.push(readValue(style, depth + 1))
  return style.array(items)
}

function readMap(count: number, style: TextStyle, depth: number): string {
  const keys: string[] = []
  const values: string[] = []
  for (let i = 0; i < count; i++) {
    keys.push(readValue(style, depth + 1))
    values.push(readValue(style, depth + 1))
  }
  return style.map(keys, values)
}

/** Like `join`, which would copy deeply nested text once for each level: this lets the engine put off the copying. */
export function joined(texts: readonly string[], separator: string): string {
  let all = ''
  for (let i = 0; i < texts.length; i++) all += i === 0 ? texts[i] : separator + texts[i]
  return all
}

/** Keys and values in turn: `key:value,key:value`. */
export function joinedPairs(keys: readonly string[], values: readonly string[], colon: string, comma: string): string {
  let all = ''
  for (let i = 0; i < keys.length; i++) all += (i === 0 ? '' : comma) + keys[i] + colon + values[i]
  return all
}
