import { FormatError } from '../errors.ts'
import { shorten } from './field-path.ts'
import { floatText } from './float-text.ts'
import type { JsonScanner } from './json-scanner.ts'
import { jsonToMsgpack, writeIntegerText, writeJsonValue } from './json-to-msgpack.ts'
import { MsgpackExt } from './msgpack-ext.ts'
import { joined, joinedPairs, msgpackToText, type TextStyle } from './msgpack-to-text.ts'
import { closeMap, openContainer, writeBin, writeExt, writeFloat } from './msgpack-writer.ts'

/**
 * Lossless JSON: a msgpack value as one line of JSON that says everything, so that a record can go through a text pipe
 * unharmed. It is plain JSON, except:
 *
 *     {"$bytes":"<base64>"}                       bin, and raw that is not UTF-8
 *     {"$int":"<decimal>"}                        an integer outside +-(2^53-1)
 *     {"$float":"NaN"|"Infinity"|"-Infinity"}
 *     3.0                                         a whole float
 *     {"$ext":{"type":N,"data":"<base64>"}}       an extension; type 5 of 12 bytes also has `seconds` and `nanoseconds`
 *     {"$map":[[key,value],...]}                  a map with a key that is not text, comes twice, or begins with `$`
 *
 * Keys keep their order on the wire. The two directions are inverse of one another, except that of several forms that
 * msgpack has for one value (raw and bin, widths of integers, float32) the shortest current one is written.
 *
 * Throws a FormatError when the bytes are not exactly one value.
 */
export function losslessJsonOf(bytes: Uint8Array): string {
  return msgpackToText(bytes, losslessStyle)
}

/**
 * The msgpack bytes of lossless JSON. Integers outside the safe range may also stand as plain digits, and members of a
 * `$` form in any order (jq sorts them). Throws a FormatError with the place.
 */
export function msgpackOfLosslessJson(text: string): Buffer {
  return jsonToMsgpack(text, writeSpecial)
}

const losslessStyle: TextStyle = {
  nil: 'null',
  boolean: String,
  integer: (value) => (typeof value === 'bigint' ? `{"$int":"${value}"}` : String(value)),
  float: (value) => (Number.isFinite(value) ? floatText(value) : `{"$float":"${value}"}`),
  text: jsonString,
  bytes: bytesForm,
  ext(value) {
    const { seconds, nanoseconds } = value
    const time =
      seconds === undefined ? '' : `,"seconds":${losslessStyle.integer(seconds)},"nanoseconds":${nanoseconds}`
    return `{"$ext":{"type":${value.type},"data":"${base64(value.data)}"${time}}}`
  },
  array: (items) => `[${joined(items, ',')}]`,
  map(keys, values) {
    if (!isOdd(keys)) return `{${joinedPairs(keys, values, ':', ',')}}`
    return keys.length === 0 ? '{}' : `{"$map":[[${joinedPairs(keys, values, ',', '],[')}]]}`
  },
}

/** Most text needs no escapes, and to see that is faster than to have them made. Control characters are all of Cc. */
export function jsonString(text: string): string {
  return /["\\\p{Cc}]/u.test(text) ? JSON.stringify(text) : `"${text}"`
}

/** Bytes of any origin in the form that `losslessJsonOf` gives a bin value. */
export function bytesForm(bytes: Uint8Array): string {
  return `{"$bytes":"${base64(bytes)}"}`
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}

/** The JSON text of a key that is text begins with a quote. */
function isOdd(keys: readonly string[]): boolean {
  for (const key of keys) if (!key.startsWith('"') || key.startsWith('"$')) return true
  return keys.length > 1 && new Set(keys).size < keys.length
}

function writeSpecial(scanner: JsonScanner, form: string, depth: number): void {
  scanner.peek()
  const start = scanner.position
  switch (form) {
    case '$bytes':
      writeBin(bytesOfBase64(scanner.readString(), start))
      break
    case '$int':
      writeSpecialInteger(scanner.readString(), start)
      break
    case '$float':
      writeFloat(floatNamed(scanner.readString(), start))
      break
    case '$ext': {
      const ext = readExt(scanner)
      writeExt(ext.type, ext.data)
      break
    }
    case '$map':
      writeEntries(scanner, depth)
      break
    default:
      throw new FormatError(
        `${JSON.stringify(shorten(form))} before character ${start} is none of $bytes, $int, $float, $ext and $map; a map whose own key begins with $ is written as {"$map":[[key,value]]}`,
        start,
      )
  }
  scanner.expect('}')
}

/** Strict: what Node would skip or read in part is refused. */
export function bytesOfBase64(text: string, position: number): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text)
    throw new FormatError(`the string at character ${position} is not base64`, position)
  return bytes
}

function writeSpecialInteger(digits: string, position: number): void {
  if (!/^-?(?:0|[1-9][0-9]{0,30})$/.test(digits))
    throw new FormatError(`${JSON.stringify(shorten(digits))} at character ${position} is no integer`, position)
  writeIntegerText(digits, position)
}

function floatNamed(name: string, position: number): number {
  if (name === 'NaN' || name === 'Infinity' || name === '-Infinity') return Number(name)
  throw new FormatError(
    `${JSON.stringify(shorten(name))} at character ${position} is none of NaN, Infinity and -Infinity`,
    position,
  )
}

function readExt(scanner: JsonScanner): MsgpackExt {
  scanner.peek()
  const start = scanner.position
  const members = new Map<string, string>()
  scanner.expect('{')
  do {
    const key = scanner.readString()
    scanner.expect(':')
    members.set(key, readExtMember(scanner))
  } while (scanner.accept(','))
  scanner.expect('}')

  const { type, data, ...time } = Object.fromEntries(members)
  if (
    type === undefined ||
    data === undefined ||
    !/^(?:-?[1-9][0-9]{0,2}|0)$/.test(type) ||
    Math.abs(Number(type) + 0.5) > 128
  )
    throw new FormatError(`$ext at character ${start} needs a type of -128..127 and data in base64`, start)
  const ext = new MsgpackExt(Number(type), bytesOfBase64(data, start))
  // They repeat what data says; who changed them in a pipe would otherwise wonder why nothing changes.
  for (const [name, value] of Object.entries(time))
    if ((name !== 'seconds' && name !== 'nanoseconds') || value !== String(ext[name]))
      throw new FormatError(`${name} of the $ext at character ${start} is not what its data says`, start)
  return ext
}

/** The text of a string, of a number, or of the digits in `{"$int":"..."}`. */
function readExtMember(scanner: JsonScanner): string {
  if (scanner.peek() === '"') return scanner.readString()
  if (!scanner.accept('{')) return scanner.readNumber()
  const start = scanner.position
  if (scanner.readString() !== '$int') throw new FormatError(`$int is expected at character ${start}`, start)
  scanner.expect(':')
  const digits = scanner.readString()
  scanner.expect('}')
  return digits
}

function writeEntries(scanner: JsonScanner, depth: number): void {
  const opened = openContainer()
  let count = 0
  scanner.expect('[')
  if (!scanner.accept(']')) {
    do {
      scanner.expect('[')
      writeJsonValue(scanner, depth + 1, writeSpecial)
      scanner.expect(',')
      writeJsonValue(scanner, depth + 1, writeSpecial)
      scanner.expect(']')
      count++
    } while (scanner.accept(','))
    scanner.expect(']')
  }
  closeMap(opened, count)
}
