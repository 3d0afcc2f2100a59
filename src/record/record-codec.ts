import { isUtf8 } from 'node:buffer'
import { FormatError } from '../errors.ts'
import { kindOf } from './field-path.ts'
import { compactJson, parseJson } from './json-text.ts'
import { base64, bytesForm, bytesOfBase64, jsonString, losslessJsonOf, msgpackOfLosslessJson } from './lossless-json.ts'
import { decodeMsgpack } from './msgpack-decode.ts'
import { encodeMsgpack } from './msgpack-encode.ts'
import { isMapHead } from './msgpack-reader.ts'
import { msgpackOfPlainJson, plainJsonOf } from './plain-json.ts'
import { isWellFormed } from './well-formed.ts'

/** What a stream's records are; `format` in triton.yaml. */
export type RecordFormat = 'msgpack' | 'json' | 'text' | 'bytes'

export interface RecordCodecOptions {
  /** Write NaN and Infinity (msgpack only). go-triton's readers stop silently at them. @default false */
  allowNonFinite?: boolean
}

/** The records of one stream, between data, bytes and the two JSON forms that commands print and read. */
export interface RecordCodec {
  readonly format: RecordFormat
  /** Throws a TypeError that names the field when the format cannot carry the value. The bytes may be a view. */
  encode(data: unknown): Uint8Array
  /** Never throws: bytes that are no record of this format are an `error`. What it hands out is a copy. */
  decode(bytes: Uint8Array): DecodedRecord
  /** One line that `fromLosslessJson` turns into the same record again. Throws a FormatError where `decode` gives one. */
  toLosslessJson(bytes: Uint8Array): string
  /** One line for people and `jq`. Throws a FormatError where `decode` gives one. */
  toPlainJson(bytes: Uint8Array): string
  /** Throws a FormatError with the place when the text stands for no record of this format. */
  fromLosslessJson(text: string): Uint8Array
  fromPlainJson(text: string): Uint8Array
}

export type DecodedRecord = { data: unknown; error?: undefined } | { error: FormatError; data?: undefined }

export function recordCodec(format: RecordFormat, options: RecordCodecOptions = {}): RecordCodec {
  switch (format) {
    case 'msgpack':
      return msgpackCodec(options)
    case 'json':
      return jsonCodec
    case 'text':
      return textCodec
    case 'bytes':
      return bytesCodec
  }
}

/** A record is a map: other msgpack values are refused when they are written, and do not decode. */
function msgpackCodec({ allowNonFinite = false }: RecordCodecOptions): RecordCodec {
  const options = { allowNonFinite }
  return {
    format: 'msgpack',
    encode(data) {
      const bytes = encodeMsgpack(data, options)
      if (!isMapHead(bytes[0] as number))
        throw new TypeError(`cannot write $: a record is an object, not ${kindOf(data)}`)
      return bytes
    },
    decode(bytes) {
      // Every record that is read comes here: no closure for each.
      try {
        return { data: decodeMsgpack(checkMap(bytes)) }
      } catch (error) {
        return undecodable(error)
      }
    },
    toLosslessJson: (bytes) => losslessJsonOf(checkMap(bytes)),
    toPlainJson: (bytes) => plainJsonOf(checkMap(bytes)),
    fromLosslessJson: (text) => checkMap(msgpackOfLosslessJson(text)),
    fromPlainJson: (text) => checkMap(msgpackOfPlainJson(text)),
  }
}

function checkMap<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
  if (bytes.length > 0 && isMapHead(bytes[0] as number)) return bytes
  throw new FormatError(bytes.length === 0 ? 'the record is empty' : 'the record is no map', 0)
}

/** The value is written through msgpack, so that what cannot be written is found and named the same way. */
const jsonCodec: RecordCodec = {
  format: 'json',
  encode: (data) => Buffer.from(plainJsonOf(encodeMsgpack(data))),
  decode: (bytes) => decoded(() => parseJson(utf8Text(bytes))),
  toLosslessJson: (bytes) => compactJson(utf8Text(bytes)),
  toPlainJson: (bytes) => compactJson(utf8Text(bytes)),
  fromLosslessJson: (text) => Buffer.from(compactJson(text)),
  fromPlainJson: (text) => Buffer.from(compactJson(text)),
}

const textCodec: RecordCodec = {
  format: 'text',
  encode(data) {
    if (typeof data !== 'string')
      throw new TypeError(`cannot write $: the stream's records are text, not ${kindOf(data)}`)
    if (!isWellFormed(data)) throw new TypeError('cannot write $: the text holds half a surrogate pair')
    return Buffer.from(data)
  },
  decode: (bytes) => decoded(() => utf8Text(bytes)),
  toLosslessJson: (bytes) => jsonString(utf8Text(bytes)),
  toPlainJson: (bytes) => jsonString(utf8Text(bytes)),
  fromLosslessJson: (text) => Buffer.from(stringOf(text)),
  fromPlainJson: (text) => Buffer.from(stringOf(text)),
}

const bytesCodec: RecordCodec = {
  format: 'bytes',
  encode(data) {
    if (data instanceof Uint8Array) return data
    throw new TypeError(`cannot write $: the stream's records are bytes (Uint8Array), not ${kindOf(data)}`)
  },
  decode: (bytes) => ({ data: Buffer.from(bytes) }),
  toLosslessJson: bytesForm,
  toPlainJson: (bytes) => `"${base64(bytes)}"`,
  fromLosslessJson(text) {
    const value = decodeMsgpack(msgpackOfLosslessJson(text))
    if (value instanceof Uint8Array) return value
    throw new FormatError(`{"$bytes":"<base64>"} is expected, not ${kindOf(value)}`, 0)
  },
  fromPlainJson: (text) => bytesOfBase64(stringOf(text), 0),
}

function decoded(decode: () => unknown): DecodedRecord {
  try {
    return { data: decode() }
  } catch (error) {
    return undecodable(error)
  }
}

function undecodable(error: unknown): { error: FormatError } {
  if (error instanceof FormatError) return { error }
  return { error: new FormatError(error instanceof Error ? error.message : String(error), 0, { cause: error }) }
}

function utf8Text(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new FormatError('the record is not UTF-8', 0)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
}

function stringOf(json: string): string {
  const value = decodeMsgpack(msgpackOfPlainJson(json))
  if (typeof value === 'string') return value
  throw new FormatError(`a JSON string is expected, not ${kindOf(value)}`, 0)
}
