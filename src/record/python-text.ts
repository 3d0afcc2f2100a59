import { RecordError } from '../errors.ts'
import { python2FloatText, pythonFloatRepr } from './float-text.ts'
import { isArrayHead, isMapHead } from './msgpack-reader.ts'
import { joined, joinedPairs, msgpackToText, type TextStyle } from './msgpack-to-text.ts'

/**
 * Python 2's text of a msgpack value, `unicode(value)`: what py-triton computes as partition key. `True`, `None`,
 * `3.0`, `0.3` (12 digits), `1e+16`, `[1, u'a']`. Text inside a list or dict is taken for `unicode`, bytes for `str`;
 * a dict's entries stand in the order of the wire, where Python has an order of its own.
 */
export function pythonTextOf(bytes: Uint8Array): string {
  const head = bytes[0] as number
  return msgpackToText(bytes, isMapHead(head) || isArrayHead(head) ? reprStyle : textStyle)
}

/** Inside a list or dict everything stands as its `repr`. */
const reprStyle: TextStyle = {
  nil: 'None',
  boolean: (value) => (value ? 'True' : 'False'),
  integer: (value) => (isPythonLong(value) ? `${value}L` : String(value)),
  float: pythonFloatRepr,
  text: (value) => `u${quoted(value)}`,
  bytes: (value) => quoted(value.toString('latin1')),
  ext() {
    throw new RecordError('an extension value has no text in Python, and gives no partition key')
  },
  array: (items) => `[${joined(items, ', ')}]`,
  map: (keys, values) => `{${joinedPairs(keys, values, ': ', ', ')}}`,
}

const textStyle: TextStyle = {
  ...reprStyle,
  integer: String,
  float: python2FloatText,
  text: (value) => value,
  bytes: (value) => value.toString(),
}

/** Beyond a machine word Python 2 has a `long`, whose repr ends in L. */
function isPythonLong(value: number | bigint): boolean {
  return typeof value === 'bigint' && BigInt.asIntN(64, value) !== value
}

/** In single quotes, unless only single ones are inside; all but printable ASCII is escaped. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const body = text.replace(/[\\']|[^\x20-\x7e]/gu, (character) => {
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
