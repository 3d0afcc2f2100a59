import { isUtf8 } from 'node:buffer'
import { recordCodec } from '../../record/record-codec.ts'

/** A record's data as people read it. */
export interface ShownData {
  kind: 'msgpack' | 'json' | 'text' | 'aggregate' | 'bytes' | 'empty'
  /** Without characters that could hide or move others. */
  text: string
  byteCount: number
  /** Whether there is more than `text` shows. */
  isCut: boolean
}

/** Larger data is not decoded: nobody reads it to its end here, and the engine has better to do. */
const mostDecodedBytes = 64 * 1024
const mostTextLength = 2_000
const mostHexBytes = 256

/** With these bytes begins what the KPL makes of several records. */
const aggregateStart = Buffer.from('f3899ac2', 'hex')

/** Never throws, whatever the bytes are. */
export function showData(data: Buffer): ShownData {
  const byteCount = data.length
  const shown = (kind: ShownData['kind'], text: string): ShownData => {
    const isCut = text.length > mostTextLength
    return { kind, text: visible(isCut ? text.slice(0, mostTextLength) : text), byteCount, isCut }
  }
  if (byteCount === 0) return shown('empty', '')
  if (data.subarray(0, 4).equals(aggregateStart)) return { ...hex(data), kind: 'aggregate' }
  if (byteCount > mostDecodedBytes) {
    const start = data.subarray(0, mostTextLength)
    // The last character may be cut in the middle.
    return isUtf8(start.subarray(0, -4)) ? { ...shown('text', start.toString()), isCut: true } : hex(data)
  }
  const json = attempt(() => recordCodec('json').toPlainJson(data))
  if (json !== undefined && /^\s*[{[]/.test(json)) return shown('json', json)
  const msgpack = attempt(() => recordCodec('msgpack').toPlainJson(data))
  if (msgpack !== undefined) return shown('msgpack', msgpack)
  return isUtf8(data) ? shown('text', data.toString()) : hex(data)
}

/** Control characters, and those that turn the direction of writing, as `\\u....`: what one sees is what is there. */
export function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, '0')}`,
  )
}

function hex(data: Buffer): ShownData {
  const isCut = data.length > mostHexBytes
  const digits = data.toString('hex', 0, mostHexBytes).match(/../g) ?? []
  return { kind: 'bytes', text: digits.join(' '), byteCount: data.length, isCut }
}

function attempt(decode: () => string): string | undefined {
  try {
    return decode()
  } catch {
    return undefined
  }
}
