import { serializationError } from '../api-error.ts'

/** The bytes of standard base64 with padding; anything else is refused with Kinesis' own words. */
export function decodeBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  // Node's decoder skips what it doesn't know and also takes the URL alphabet: text is good when nothing was skipped,
  // nothing is of the other alphabet, and the bits that padding leaves unused are zero.
  const length = text.length
  const isPlain =
    length % 4 === 0 &&
    bytes.length === (length / 4) * 3 - paddingOf(text) &&
    !text.includes('-') &&
    !text.includes('_') &&
    hasCleanEnd(text)
  if (!isPlain) throw serializationError(`'${text}' can not be converted to a Blob: ${whatIsWrong(text)}`)
  return bytes
}

function paddingOf(text: string): 0 | 1 | 2 {
  if (!text.endsWith('=')) return 0
  return text.at(-2) === '=' ? 2 : 1
}

function hasCleanEnd(text: string): boolean {
  const padding = paddingOf(text)
  if (padding === 0) return true
  return alphabet.indexOf(text.charAt(text.length - 1 - padding)) % (padding === 1 ? 4 : 16) === 0
}

function whatIsWrong(text: string): string {
  if (text.length % 4 !== 0) return `Base64 encoded length is expected a multiple of 4 bytes but found: ${text.length}`
  const odd = /[^a-zA-Z0-9+/=]|=[^=]/.exec(text)
  if (odd) return `Invalid Base64 character: '${odd[0].charAt(0)}'`
  return 'Invalid last non-pad Base64 character dectected'
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
