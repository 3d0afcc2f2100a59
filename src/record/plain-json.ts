import { floatText } from './float-text.ts'
import { jsonToMsgpack } from './json-to-msgpack.ts'
import { base64, jsonString } from './lossless-json.ts'
import type { MsgpackExt } from './msgpack-ext.ts'
import { joined, joinedPairs, msgpackToText, type TextStyle } from './msgpack-to-text.ts'

/**
 * A msgpack value as JSON for people and `jq`, one compact line, keys in their order on the wire: bytes as base64 text,
 * integers with all their digits, NaN and infinities as `null`, every key as text (`1`, `null`, of a list its JSON). A
 * go-triton time is its RFC 3339 text, any other extension `{"type":N,"data":"<base64>"}`. A whole float keeps its `.0`.
 *
 * Throws a FormatError when the bytes are not exactly one value.
 */
export function plainJsonOf(bytes: Uint8Array): string {
  return msgpackToText(bytes, plainStyle)
}

/**
 * The msgpack bytes of any JSON text. Integers keep all their digits, every other number is a float64. Throws a
 * FormatError with the place, also for a key that comes twice in one object.
 */
export function msgpackOfPlainJson(text: string): Buffer {
  return jsonToMsgpack(text)
}

const plainStyle: TextStyle = {
  nil: 'null',
  boolean: String,
  integer: String,
  float: (value) => (Number.isFinite(value) ? floatText(value) : 'null'),
  text: jsonString,
  bytes: (value) => `"${base64(value)}"`,
  ext: (value) => timeText(value) ?? `{"type":${value.type},"data":"${base64(value.data)}"}`,
  array: (items) => `[${joined(items, ',')}]`,
  map: (keys, values) => `{${joinedPairs(keys.map(asKey), values, ':', ',')}}`,
}

function asKey(json: string): string {
  return json.startsWith('"') ? json : jsonString(json)
}

/** As Go's RFC3339Nano writes it: no trailing zeros in the fraction. Nothing for what RFC 3339 has no date for. */
function timeText({ seconds, nanoseconds }: MsgpackExt): string | undefined {
  if (seconds === undefined || nanoseconds === undefined || nanoseconds > 999_999_999) return undefined
  const date = new Date(Number(seconds) * 1000)
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() < 0 || date.getUTCFullYear() > 9999) return undefined
  const fraction = nanoseconds === 0 ? '' : `.${String(nanoseconds).padStart(9, '0').replace(/0+$/, '')}`
  return `"${date.toISOString().slice(0, 19)}${fraction}Z"`
}
