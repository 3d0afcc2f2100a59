import { RecordError } from '../errors.ts'
import { maxPartitionKeyLength } from '../kinesis/limits.ts'
import { python2FloatText, pythonFloatRepr } from './float-text.ts'
import { MsgpackExt } from './msgpack-ext.ts'
import { MsgpackMap } from './msgpack-map.ts'

/** Whose text of a value becomes the partition key; `partition_key_text` in triton.yaml. */
export type PartitionKeyText = 'javascript' | 'python'

/**
 * The partition key of a record: the text of its field `field`, 1..256 code points.
 *
 * Strings and safe integers have the same text in both rules, so that a fleet of old and new writers routes them alike.
 * For the rest, `javascript` is `String(value)` and `python` what py-triton computes (Python 2's `unicode(value)`).
 * The text is that of what is written: a Date counts as its ISO text, an object with `toJSON` as what that answers,
 * bytes as their UTF-8 text, and under `python` a number that is no safe integer as a float. JavaScript cannot tell `3.0` from `3`;
 * where the bytes are at hand, `partitionKeyOfBytes` can.
 */
export function partitionKeyOf(data: unknown, field: string, rule: PartitionKeyText = 'javascript'): string {
  return checkedKey(fieldOf(data, field), field, rule)
}

function fieldOf(data: unknown, field: string): unknown {
  if (typeof data !== 'object' || data === null || Array.isArray(data) || ArrayBuffer.isView(data))
    throw new RecordError(
      `the partition key cannot be read from field '${field}': the record is ${kindOf(data)}, not an object; give partitionKey with the call`,
    )
  const value =
    data instanceof MsgpackMap ? data.get(field) : Object.hasOwn(data, field) ? Reflect.get(data, field) : undefined
  if (value === undefined)
    throw new RecordError(
      `the record has no field '${field}', which is to give its partition key; add it (any text of 1 to ${maxPartitionKeyLength} characters), or give partitionKey with the call`,
    )
  return value
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return ArrayBuffer.isView(value) ? 'bytes' : typeof value === 'string' ? 'text' : `a ${typeof value}`
}

function checkedKey(value: unknown, field: string, rule: PartitionKeyText): string {
  const key = typeof value === 'string' ? value : textOf(asWritten(value), field, rule)
  return checkPartitionKey(key, `field '${field}'`)
}

/** Throws unless `key` is what Kinesis takes; `source` names for the message where it came from. */
export function checkPartitionKey(key: string, source: string): string {
  // UTF-16 units are never fewer than code points and at most twice as many.
  const length = key.length <= maxPartitionKeyLength ? key.length : codePointCount(key)
  if (length === 0)
    throw new RecordError(
      `the partition key from ${source} is empty; Kinesis takes 1 to ${maxPartitionKeyLength} characters`,
    )
  if (length > maxPartitionKeyLength)
    throw new RecordError(
      `the partition key from ${source} has ${length} characters; Kinesis takes 1 to ${maxPartitionKeyLength} (it begins with ${JSON.stringify(key.slice(0, 40))})`,
    )
  if (/\p{Surrogate}/u.test(key))
    throw new RecordError(`the partition key from ${source} holds half a surrogate pair, which UTF-8 cannot express`)
  return key
}

function codePointCount(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

/** What the encoder makes of the value, as far as its text is concerned. */
function asWritten(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  const { toJSON } = value as { toJSON?: unknown }
  return typeof toJSON === 'function' ? toJSON.call(value, '') : value
}

function textOf(value: unknown, field: string, rule: PartitionKeyText): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return utf8Text(value, field)
  if (typeof value === 'function' || typeof value === 'symbol' || value instanceof MsgpackExt || value === undefined)
    throw new RecordError(`field '${field}' is a ${typeof value}, which gives no partition key; use text or a number`)
  if (rule === 'python') return typeof value === 'number' ? pythonNumber(value) : pythonRepr(value, 0)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? '[object Object]' : String(value)
}

function utf8Text(bytes: Uint8Array, field: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new RecordError(`field '${field}' holds bytes that are not UTF-8, which give no partition key`, { cause })
  }
}

function pythonNumber(value: number): string {
  return isWrittenAsInteger(value) ? String(value) : python2FloatText(value)
}

function isWrittenAsInteger(value: number): boolean {
  return Number.isSafeInteger(value) && !Object.is(value, -0)
}

/** Python 2's `repr`; text is taken for `unicode`, bytes for `str`, and maps keep their own order where Python hashes. */
function pythonRepr(value: unknown, depth: number): string {
  if (depth > 100) throw new RecordError('a partition key is made of a value that is nested deeper than 100 levels')
  if (value === null || value === undefined) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number') return isWrittenAsInteger(value) ? String(value) : pythonFloatRepr(value)
  if (typeof value === 'bigint') return depth > 0 && !isPythonInt(value) ? `${value}L` : String(value)
  if (typeof value === 'string') return `u${quoted(value)}`
  if (value instanceof Uint8Array) return quoted(Buffer.from(value).toString('latin1'))
  if (Array.isArray(value)) return `[${value.map((each) => pythonRepr(each, depth + 1)).join(', ')}]`
  const entries = value instanceof MsgpackMap ? value.entries : Object.entries(value)
  return `{${entries.map(([key, each]) => `${pythonRepr(key, depth + 1)}: ${pythonRepr(each, depth + 1)}`).join(', ')}}`
}

/** Beyond a machine word Python 2 has a `long`, whose repr ends in L. */
function isPythonInt(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const body = text.replace(/[\\'\p{Cc}]|[^\x20-\x7e]/gu, (character) => {
    if (character === "'") return quote === "'" ? "\\'" : character
    return namedEscapes.get(character) ?? numberedEscape(character.codePointAt(0) as number)
  })
  return quote + body + quote
}

const namedEscapes = new Map([
  ['\\', '\\\\'],
  ['\t', '\\t'],
  ['\n', '\\n'],
  ['\r', '\\r'],
])

function numberedEscape(codePoint: number): string {
  const hex = codePoint.toString(16)
  if (codePoint < 0x100) return `\\x${hex.padStart(2, '0')}`
  return codePoint < 0x1_0000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}
