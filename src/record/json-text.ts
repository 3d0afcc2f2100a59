import { FormatError } from '../errors.ts'
import { JsonScanner } from './json-scanner.ts'
import { maxDepth } from './msgpack-reader.ts'

/**
 * The value of JSON text as `JSON.parse` gives it, except that integers outside the safe range are bigints and keep
 * their digits. Throws a FormatError for what is not JSON, and for such integers deeper than 1,024 levels.
 */
export function parseJson(text: string): unknown {
  const value = checkJson(text)
  // An integer of fewer than 16 digits is safe.
  return /[0-9]{16}/.test(text) ? readValue(new JsonScanner(text), 0) : value
}

/** JSON text on one line: as it stands, without the white space between its tokens. */
export function compactJson(text: string): string {
  checkJson(text)
  let compact = ''
  let kept = 0
  let isInString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) isInString = !isInString
    else if (code === 0x5c) at++
    else if (code <= 0x20 && !isInString) {
      compact += text.slice(kept, at)
      kept = at + 1
    }
  }
  return compact + text.slice(kept)
}

function checkJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new FormatError(`it is not JSON: ${message}`, Number(/position ([0-9]+)/.exec(message)?.[1] ?? 0), { cause })
  }
}

/** The text is known to be JSON. */
function readValue(scanner: JsonScanner, depth: number): unknown {
  if (depth > maxDepth) throw new FormatError(`it is nested deeper than ${maxDepth} levels`, scanner.position)
  switch (scanner.peek()) {
    case '{':
      return readObject(scanner, depth)
    case '[':
      return readArray(scanner, depth)
    case '"':
      return scanner.readString()
    case 't':
      scanner.expectWord('true')
      return true
    case 'f':
      scanner.expectWord('false')
      return false
    case 'n':
      scanner.expectWord('null')
      return null
    default:
      return numberOf(scanner.readNumber())
  }
}

function readObject(scanner: JsonScanner, depth: number): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  scanner.expect('{')
  while (!scanner.accept('}')) {
    const key = scanner.readString()
    scanner.expect(':')
    const value = readValue(scanner, depth + 1)
    // Assigning `__proto__` would not make a property.
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
    scanner.accept(',')
  }
  return object
}

function readArray(scanner: JsonScanner, depth: number): unknown[] {
  const items: unknown[] = []
  scanner.expect('[')
  while (!scanner.accept(']')) {
    items.push(readValue(scanner, depth + 1))
    scanner.accept(',')
  }
  return items
}

function numberOf(text: string): number | bigint {
  const value = Number(text)
  // Reading a bigint takes time that grows faster than its length.
  return /[.eE]/.test(text) || Number.isSafeInteger(value) || text.length > 1000 ? value : BigInt(text)
}
