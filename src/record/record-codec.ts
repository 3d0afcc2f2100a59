import { FormatError } from '../errors.ts'
import { decodeMsgpack } from './msgpack-decode.ts'
import { encodeMsgpack } from './msgpack-encode.ts'

/** What a stream's records are; `format` in triton.yaml. */
export type RecordFormat = 'msgpack' | 'json' | 'text' | 'bytes'

export interface RecordCodecOptions {
  /** Write NaN and Infinity (msgpack only). go-triton's readers stop silently at them. @default false */
  allowNonFinite?: boolean
}

/** Both directions of one stream's records. */
export interface RecordCodec {
  readonly format: RecordFormat
  /** Throws a TypeError that names the field when the format cannot carry the value. The bytes may be a view. */
  encode(data: unknown): Uint8Array
  /** Never throws: bytes that are no record of this format are an `error`. */
  decode(bytes: Uint8Array): DecodedRecord
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

/** A record is a map: other msgpack values are refused when written, and do not decode when read. */
function msgpackCodec({ allowNonFinite = false }: RecordCodecOptions): RecordCodec {
  return {
    format: 'msgpack',
    encode(data) {
      const bytes = encodeMsgpack(data, { allowNonFinite })
      if (!beginsMap(bytes)) throw new TypeError(`cannot write $: a record is an object, not ${kindOf(data)}`)
      return bytes
    },
    decode(bytes) {
      try {
        if (beginsMap(bytes)) return { data: decodeMsgpack(bytes) }
        return { error: new FormatError('a record is one msgpack map, and these bytes begin none', 0) }
      } catch (error) {
        return { error: asFormatError(error) }
      }
    },
  }
}

function beginsMap(bytes: Uint8Array): boolean {
  const head = bytes[0] as number
  return (head & 0xf0) === 0x80 || head === 0xde || head === 0xdf
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? value.constructor.name : `a ${typeof value}`
}

const jsonCodec: RecordCodec = {
  format: 'json',
  encode(data) {
    const text = JSON.stringify(data) as string | undefined
    if (text === undefined) throw new TypeError(`cannot write $: a ${typeof data} has no JSON form`)
    return Buffer.from(text)
  },
  decode(bytes) {
    try {
      return { data: JSON.parse(utf8Text(bytes)) }
    } catch (error) {
      return { error: asFormatError(error) }
    }
  },
}

const textCodec: RecordCodec = {
  format: 'text',
  encode(data) {
    if (typeof data !== 'string') throw new TypeError(`cannot write $: the stream takes text, not ${kindOf(data)}`)
    return Buffer.from(data)
  },
  decode(bytes) {
    try {
      return { data: utf8Text(bytes) }
    } catch (error) {
      return { error: asFormatError(error) }
    }
  },
}

const bytesCodec: RecordCodec = {
  format: 'bytes',
  encode(data) {
    if (data instanceof Uint8Array) return data
    throw new TypeError(`cannot write $: the stream takes bytes (Uint8Array), not ${kindOf(data)}`)
  },
  decode: (bytes) => ({ data: Buffer.from(bytes) }),
}

function utf8Text(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new FormatError('the bytes are not UTF-8', 0, { cause })
  }
}

function asFormatError(error: unknown): FormatError {
  if (error instanceof FormatError) return error
  return new FormatError(error instanceof Error ? error.message : String(error), 0, { cause: error })
}
