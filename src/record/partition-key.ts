import { isUtf8 } from 'node:buffer'
import { RecordError } from '../errors.ts'
import { maxPartitionKeyLength } from '../kinesis/limits.ts'
import { kindOf, shorten } from './field-path.ts'
import { decodeMsgpack } from './msgpack-decode.ts'
import { encodeMsgpack } from './msgpack-encode.ts'
import { MsgpackExt } from './msgpack-ext.ts'
import { MsgpackMap } from './msgpack-map.ts'
import {
  beginReading,
  endReading,
  isMapHead,
  isRawHead,
  readAgainFrom,
  readHead,
  readingPosition,
  readMapCount,
  readScalar,
  skipValue,
} from './msgpack-reader.ts'
import { pythonTextOf } from './python-text.ts'
import { isWellFormed } from './well-formed.ts'

/** Whose text of a value becomes the partition key; `partition_key_text` in triton.yaml. */
export type PartitionKeyText = 'javascript' | 'python'

/**
 * The partition key of a record: the text of its field `field`, 1..256 code points.
 *
 * Strings and safe integers have the same text in both rules, so that a fleet of old and new writers routes them alike.
 * For the rest, `javascript` is `String(value)`, and `python` is what py-triton computes (Python 2's `unicode(value)`).
 * The text is that of the value as it is written: a Date counts as its ISO text, an object with `toJSON` as the answer,
 * bytes as the UTF-8 text they are; a number that is no safe integer is a float, and one that is has lost whether it
 * was `3.0` somewhere: where the bytes are at hand, `partitionKeyOfBytes` can tell.
 *
 * Throws a RecordError that names the field when there is no such text.
 */
export function partitionKeyOf(data: unknown, field: string, rule: PartitionKeyText = 'javascript'): string {
  const value = asWritten(fieldOf(asWritten(data), field))
  if (typeof value === 'string') return checkPartitionKey(value, field)
  if (rule === 'python')
    return partitionKeyOfBytes(encodeMsgpack({ [field]: value }, { allowNonFinite: true }), field, rule)
  return checkPartitionKey(javascriptText(value, field), field)
}

/**
 * The same, of a record in msgpack: `python` sees here what was a float on the wire, and `javascript` gives the text of
 * the decoded value. When the field comes twice, the last one counts, as it does for the readers.
 */
export function partitionKeyOfBytes(bytes: Uint8Array, field: string, rule: PartitionKeyText = 'javascript'): string {
  const valueBytes = fieldOfBytes(bytes, field)
  const value = decodeMsgpack(valueBytes)
  if (rule === 'javascript' || value instanceof Uint8Array || value instanceof MsgpackExt)
    return checkPartitionKey(javascriptText(value, field), field)
  return checkPartitionKey(pythonTextOf(valueBytes), field)
}

/** Throws unless Kinesis takes this text as partition key; `field` is where it came from, for the message. */
export function checkPartitionKey(key: string, field?: string): string {
  const source = field === undefined ? '' : ` from field '${shorten(field)}'`
  // There are never more code points than UTF-16 units.
  const length = key.length <= maxPartitionKeyLength ? key.length : codePointCount(key)
  if (length === 0) throw new RecordError(`the partition key${source} is empty; ${whatIsRight}`)
  if (length > maxPartitionKeyLength)
    throw new RecordError(`the partition key${source} (${shorten(key)}) has ${length} characters; ${whatIsRight}`)
  if (!isWellFormed(key))
    throw new RecordError(`the partition key${source} holds half a surrogate pair, which UTF-8 cannot express`)
  return key
}

const whatIsRight = `Kinesis takes 1 to ${maxPartitionKeyLength} characters`

function codePointCount(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

function fieldOf(data: unknown, field: string): unknown {
  if (typeof data !== 'object' || data === null || Array.isArray(data) || data instanceof Uint8Array)
    throw noFields(kindOf(data), field)
  const value =
    data instanceof MsgpackMap ? data.get(field) : Object.hasOwn(data, field) ? Reflect.get(data, field) : undefined
  if (value === undefined) throw missing(field)
  return value
}

function fieldOfBytes(bytes: Uint8Array, field: string): Uint8Array {
  beginReading(bytes)
  const head = readHead()
  if (!isMapHead(head)) throw noFields('not a map', field)
  let found: Uint8Array | undefined
  for (let left = readMapCount(head, 0); left > 0; left--) {
    const isField = readIsText(field)
    const start = readingPosition()
    skipValue()
    if (isField) found = bytes.subarray(start, readingPosition())
  }
  endReading()
  if (found === undefined) throw missing(field)
  return found
}

/** Passes a key, and answers whether it is the text `wanted`. */
function readIsText(wanted: string): boolean {
  const start = readingPosition()
  const head = readHead()
  if (isRawHead(head)) return readScalar(head) === wanted
  readAgainFrom(start)
  skipValue()
  return false
}

function missing(field: string): RecordError {
  return new RecordError(
    `the record has no field '${shorten(field)}', whose text is to be its partition key; add the field, or give a partitionKey of its own to this put`,
  )
}

function noFields(kind: string, field: string): RecordError {
  return new RecordError(
    `the partition key is to come from field '${shorten(field)}', but the record is ${kind} and has no fields; give a partitionKey to this put`,
  )
}

/** What the encoder makes of a value that has a say in it. */
function asWritten(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  const { toJSON } = value as { toJSON?: unknown }
  return typeof toJSON === 'function' ? toJSON.call(value, '') : value
}

function javascriptText(value: unknown, field: string): string {
  if (value instanceof Uint8Array) {
    if (isUtf8(value)) return Buffer.from(value).toString()
    throw new RecordError(`field '${shorten(field)}' holds bytes that are not UTF-8, which give no partition key`)
  }
  if (typeof value === 'function' || typeof value === 'symbol' || value instanceof MsgpackExt)
    throw new RecordError(
      `field '${shorten(field)}' is ${kindOf(value)}, which gives no partition key; use text or a number`,
    )
  try {
    return String(value)
  } catch (cause) {
    throw new RecordError(`field '${shorten(field)}' has no text that could be a partition key; use text or a number`, {
      cause,
    })
  }
}
