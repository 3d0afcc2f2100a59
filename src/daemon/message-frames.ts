import { isUtf8 } from 'node:buffer'
import { FormatError } from '../errors.ts'
import { maxPartitionKeyLength } from '../kinesis/limits.ts'
import { JsonScanner } from '../record/json-scanner.ts'
import { isWellFormed } from '../record/well-formed.ts'

/*
 * A message to tritond has two frames: a header, and the record's bytes, which nobody on the way looks into.
 * The header's first byte tells its form:
 *
 *   0x04   129 bytes: 0x04, then stream name and partition key, each in 64 bytes: a length byte, at most 63 bytes of
 *          UTF-8, zeros. py-triton writes only this one.
 *   0x7b   `{`: JSON {"stream_name":"...","partition_key":"..."}. go-triton writes only this one.
 *
 * The stream name is the logical one, the key of triton.yaml. py-triton checks for 64 characters and then cuts at 63
 * bytes, so that a key may end inside a character; go-triton has no limits.
 */

/** A record on its way, and where it wants to go. */
export interface Message {
  /** The key in triton.yaml; any text, which nobody has looked up yet. */
  readonly streamName: string
  /** Any text: Kinesis may still refuse it, see `refusalOfKey`. */
  readonly partitionKey: string
  /** The record, as it will be written. */
  readonly body: Buffer
  /** The key was no UTF-8, most often cut inside a character: what could not be read is U+FFFD now. */
  readonly isKeyRepaired: boolean
  readonly refusal?: undefined
}

/** A message that can't be written anywhere, and why. */
export interface RefusedMessage {
  readonly refusal: MessageRefusal
  /** The same for people, with what was found. */
  readonly detail: string
}

export type MessageRefusal = (typeof messageRefusals)[number]

/** All there are, for counters that start at zero. */
export const messageRefusals = [
  'frame-count',
  'empty-header',
  'unknown-header-form',
  'header-length',
  'header-too-long',
  'text-length',
  'stream-name-not-utf8',
  'broken-json',
  'stream-name-missing',
  'stream-name-not-text',
  'partition-key-missing',
  'partition-key-not-text',
] as const

/** Never throws, whatever the frames hold. The body is not copied. Of a message with more than two frames the rest may be left out. */
export function decodeMessage(frames: readonly Buffer[], frameCount = frames.length): Message | RefusedMessage {
  const [header, body] = frames
  if (frameCount !== 2 || header === undefined || body === undefined)
    return refused('frame-count', `${frameCount} frames, where a message has two: header and record`)
  const first = header[0]
  if (first === binaryForm) return decodeBinary(header, body)
  if (first === jsonForm) return decodeJson(header, body)
  if (first === undefined) return refused('empty-header', 'an empty header')
  return refused('unknown-header-form', `a header that begins with byte 0x${first.toString(16).padStart(2, '0')}`)
}

/**
 * The header of a message: binary when both texts fit and the stream name is ASCII (py-triton's daemon dies of another
 * name in the binary form), else JSON. Both texts are well-formed Unicode.
 */
export function encodeHeader(streamName: string, partitionKey: string): Buffer {
  return headerEncoder(streamName)(partitionKey)
}

/** `encodeHeader` for many records of one stream. */
export function headerEncoder(streamName: string): (partitionKey: string) => Buffer {
  const jsonOf = (partitionKey: string) =>
    Buffer.from(`{"stream_name":${goJson(streamName)},"partition_key":${goJson(partitionKey)}}`)
  if (streamName.length > maxTextBytes || !isAscii(streamName)) return jsonOf
  const blank = Buffer.alloc(binaryLength)
  blank[0] = binaryForm
  blank[1] = streamName.length
  blank.write(streamName, 2, 'latin1')
  return (partitionKey) => {
    if (partitionKey.length > maxTextBytes) return jsonOf(partitionKey)
    const header = Buffer.allocUnsafe(binaryLength)
    header.set(blank)
    const keyBytes = header.write(partitionKey, keyOffset + 1, maxTextBytes, 'utf8')
    // Whole characters are left out, so that up to three bytes stay free where the next one did not fit.
    if (keyBytes > maxTextBytes - 4 && Buffer.byteLength(partitionKey) > maxTextBytes) return jsonOf(partitionKey)
    header[keyOffset] = keyBytes
    return header
  }
}

/** Why Kinesis would not take this partition key; undefined when it would. */
export function refusalOfKey(partitionKey: string): KeyRefusal | undefined {
  if (partitionKey.length === 0) return 'partition-key-empty'
  if (partitionKey.length <= maxPartitionKeyLength) return undefined
  if (partitionKey.length > 2 * maxPartitionKeyLength) return 'partition-key-too-long'
  return [...partitionKey].length > maxPartitionKeyLength ? 'partition-key-too-long' : undefined
}

export type KeyRefusal = (typeof keyRefusals)[number]
export const keyRefusals = ['partition-key-empty', 'partition-key-too-long'] as const

const binaryForm = 0x04
const jsonForm = 0x7b
const binaryLength = 129
const keyOffset = 65
const maxTextBytes = 63
/** Names and keys that Kinesis takes need no 4 KiB, all of it escaped; the rest is room for fields of others. */
const maxJsonBytes = 65_536

function decodeBinary(header: Buffer, body: Buffer): Message | RefusedMessage {
  if (header.length !== binaryLength)
    return refused('header-length', `a binary header of ${header.length} bytes, where it has ${binaryLength}`)
  const nameBytes = header[1] as number
  const keyBytes = header[keyOffset] as number
  if (nameBytes > maxTextBytes || keyBytes > maxTextBytes)
    return refused('text-length', `a text of ${Math.max(nameBytes, keyBytes)} bytes, where ${maxTextBytes} have room`)
  const nameEnd = 2 + nameBytes
  const streamName = header.toString('utf8', 2, nameEnd)
  // U+FFFD may have been written, or stand for what could not be read.
  if (streamName.includes('\ufffd') && !isUtf8(header.subarray(2, nameEnd)))
    return refused('stream-name-not-utf8', `a stream name that is not UTF-8: ${JSON.stringify(streamName)}`)
  const keyStart = keyOffset + 1
  const keyEnd = keyStart + keyBytes
  const partitionKey = header.toString('utf8', keyStart, keyEnd)
  const isKeyRepaired = partitionKey.includes('\ufffd') && !isUtf8(header.subarray(keyStart, keyEnd))
  return { streamName, partitionKey, body, isKeyRepaired }
}

function decodeJson(header: Buffer, body: Buffer): Message | RefusedMessage {
  if (header.length > maxJsonBytes)
    return refused('header-too-long', `a JSON header of ${header.length} bytes, where ${maxJsonBytes} are enough`)
  if (!isUtf8(header)) return refused('broken-json', 'a JSON header that is not UTF-8')
  const text = header.toString()
  let fields: object
  try {
    // It begins with `{`: when it is JSON at all, it is an object.
    fields = JSON.parse(text) as object
  } catch (error) {
    return refused('broken-json', `a header that is not JSON: ${(error as Error).message}`)
  }
  const streamName = own(fields, 'stream_name')
  const key = own(fields, 'partition_key')
  if (streamName === undefined) return refused('stream-name-missing', 'a JSON header without stream_name')
  if (key === undefined) return refused('partition-key-missing', 'a JSON header without partition_key')
  if (typeof streamName !== 'string')
    return refused('stream-name-not-text', `a JSON header whose stream_name is ${kindOf(streamName)}, not text`)
  if (typeof key !== 'string' && typeof key !== 'number')
    return refused('partition-key-not-text', `a JSON header whose partition_key is ${kindOf(key)}, not text`)
  if (!isWellFormed(streamName))
    return refused('stream-name-not-utf8', 'a stream name with half a surrogate pair, which UTF-8 cannot express')
  const keyText = typeof key === 'string' ? key : numberText(text, 'partition_key')
  if (keyText === undefined) return refused('broken-json', 'a JSON header with half a surrogate pair beside the key')
  if (isWellFormed(keyText)) return { streamName, partitionKey: keyText, body, isKeyRepaired: false }
  return { streamName, partitionKey: repaired(keyText), body, isKeyRepaired: true }
}

/** The number's digits as they were written: `1.0` and integers of 20 digits have no such text after JSON.parse. */
function numberText(json: string, field: string): string | undefined {
  const scanner = new JsonScanner(json)
  let found: string | undefined
  let depth = 0
  let isField = false
  try {
    // The text is known to be JSON, so that a walk over its tokens suffices.
    for (let next = scanner.peek(); next !== ''; next = scanner.peek()) {
      if (next === '"') {
        const text = scanner.readString()
        isField = scanner.peek() === ':' && depth === 1 && text === field
      } else if (next === '-' || (next >= '0' && next <= '9')) {
        const text = scanner.readNumber()
        if (isField) found = text
        isField = false
      } else {
        if (next === '{' || next === '[') depth++
        if (next === '}' || next === ']') depth--
        if (next !== ':') isField = false
        scanner.position++
      }
    }
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
  return found
}

/** As go's encoder writes text, which escapes what HTML and JavaScript of old take for more than text. */
function goJson(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return true
}

function own(fields: object, name: string): unknown {
  return Object.hasOwn(fields, name) ? Reflect.get(fields, name) : undefined
}

/** Halves of surrogate pairs become U+FFFD on their way through UTF-8. */
function repaired(text: string): string {
  return Buffer.from(text).toString()
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a map' : `a ${typeof value}`
}

function refused(refusal: MessageRefusal, detail: string): RefusedMessage {
  return { refusal, detail }
}
