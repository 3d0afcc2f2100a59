import { isUtf8 } from 'node:buffer'
import type { Decode } from '../consumer/stream-record.ts'
import { FormatError } from '../errors.ts'
import { losslessJsonOf, msgpackOfLosslessJson } from '../record/lossless-json.ts'
import { decodeMsgpack } from '../record/msgpack-decode.ts'
import { encodeMsgpack } from '../record/msgpack-encode.ts'
import { msgpackOfPlainJson, plainJsonOf } from '../record/plain-json.ts'
import { type RecordFormat, recordCodec } from '../record/record-codec.ts'

/**
 * A stream's records as lines of JSON and back. Of a stream of msgpack straight from the bytes, which keeps every digit;
 * a stream of JSON is its own form in both; text is a JSON string, bytes are base64 in plain and `{"$bytes":...}` in
 * lossless JSON. In lossless JSON the two directions are inverse of one another.
 */
export interface JsonForm {
  /** Bytes into a line without its newline. Never throws: bytes that are no record of this format are an `error`. */
  toLine: Decode<string>
  /** A line into bytes; throws a FormatError or TypeError when it is no record of this format. */
  toBytes(line: string): Uint8Array
}

export function jsonForm(format: RecordFormat, isLossless: boolean): JsonForm {
  const lineOf = isLossless ? losslessJsonOf : plainJsonOf
  const msgpackOf = isLossless ? msgpackOfLosslessJson : msgpackOfPlainJson
  const codec = recordCodec(format)
  switch (format) {
    case 'msgpack':
      return {
        toLine: guarded((bytes) => (beginsMap(bytes) ? lineOf(bytes) : refuse(codec.decode(bytes).error))),
        toBytes(line) {
          const bytes = msgpackOf(line)
          return beginsMap(bytes) ? bytes : refuse(new FormatError('a record is a JSON object', 0))
        },
      }
    case 'json':
      return {
        toLine: guarded((bytes) => oneLine(textOf(bytes))),
        toBytes: (line) => Buffer.from(oneLine(line)),
      }
    case 'text':
    case 'bytes':
      return {
        toLine: guarded((bytes) => {
          const { data, error } = codec.decode(bytes)
          return error ? refuse(error) : lineOf(encodeMsgpack(data))
        }),
        toBytes(line) {
          const value = decodeMsgpack(msgpackOf(line))
          return codec.encode(format === 'bytes' && !isLossless ? bytesOfBase64(value) : value)
        },
      }
  }
}

function guarded(toLine: (bytes: Uint8Array) => string): Decode<string> {
  return (bytes) => {
    try {
      return { data: toLine(bytes) }
    } catch (error) {
      return { error: error instanceof FormatError ? error : new FormatError(String(error), 0, { cause: error }) }
    }
  }
}

function beginsMap(bytes: Uint8Array): boolean {
  const head = bytes[0] ?? 0
  return (head & 0xf0) === 0x80 || head === 0xde || head === 0xdf
}

function refuse(error: FormatError = new FormatError('a record is one msgpack map', 0)): never {
  throw error
}

function textOf(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new FormatError('the bytes are not UTF-8', 0)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

/** JSON without the white space between its parts; what its parts are, digits above all, stays as it is. */
function oneLine(json: string): string {
  try {
    JSON.parse(json)
  } catch (cause) {
    throw new FormatError(cause instanceof Error ? cause.message : String(cause), 0, { cause })
  }
  return json.replaceAll(/("(?:[^"\\]|\\.)*")|\s+/g, '$1')
}

function bytesOfBase64(value: unknown): Buffer {
  if (typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value) && value.length % 4 === 0)
    return Buffer.from(value, 'base64')
  throw new FormatError('a record of a stream of bytes is one string of base64', 0)
}
