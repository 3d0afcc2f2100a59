import { FormatError } from '../errors.ts'
import { shorten } from './field-path.ts'
import { JsonScanner } from './json-scanner.ts'
import { maxDepth } from './msgpack-reader.ts'
import {
  beginBytes,
  closeArray,
  closeMap,
  dropBytes,
  endBytes,
  openContainer,
  writeBigint,
  writeBoolean,
  writeFloat,
  writeInteger,
  writeMapHead,
  writeNil,
  writeText,
} from './msgpack-writer.ts'

/**
 * Writes what an object stands for whose first key begins with `$`. The scanner stands behind that key's colon, and is
 * to be left behind the object's closing brace.
 */
export type WriteSpecial = (scanner: JsonScanner, key: string, depth: number) => void

/**
 * JSON text as msgpack, without objects in between: a number without fraction and exponent is an integer and keeps all
 * its digits, any other one a float64. Without `writeSpecial`, keys that begin with `$` are keys like any other.
 *
 * Throws a FormatError with the place for what is not JSON, for integers beyond 64 bits, for floats that would be
 * infinite, for a key that comes twice in one object, and for more than 1,024 levels.
 */
export function jsonToMsgpack(text: string, writeSpecial?: WriteSpecial): Buffer {
  const scanner = new JsonScanner(text)
  beginBytes()
  try {
    writeJsonValue(scanner, 0, writeSpecial)
    scanner.expectEnd()
    return endBytes()
  } catch (error) {
    dropBytes()
    throw error
  }
}

export function writeJsonValue(scanner: JsonScanner, depth: number, writeSpecial: WriteSpecial | undefined): void {
  switch (scanner.peek()) {
    case '"':
      writeText(scanner.readString())
      break
    case '{':
      writeObject(scanner, depth, writeSpecial)
      break
    case '[':
      writeArray(scanner, depth, writeSpecial)
      break
    case 't':
      scanner.expectWord('true')
      writeBoolean(true)
      break
    case 'f':
      scanner.expectWord('false')
      writeBoolean(false)
      break
    case 'n':
      scanner.expectWord('null')
      writeNil()
      break
    default:
      writeNumber(scanner)
  }
}

function writeNumber(scanner: JsonScanner): void {
  scanner.peek()
  const start = scanner.position
  const text = scanner.readNumber()
  if (!/[.eE]/.test(text)) {
    writeIntegerText(text, start)
    return
  }
  const value = Number(text)
  if (!Number.isFinite(value)) throw new FormatError(`${shorten(text)} is too large for a float64`, start)
  writeFloat(value)
}

/** An integer of any length, as decimal digits; `position` is where it stands, for the message. */
export function writeIntegerText(digits: string, position: number): void {
  if (digits.length < 16) writeInteger(Number(digits) + 0)
  else if (digits.length > 20 || !writeBigint(BigInt(digits)))
    throw new FormatError(`the integer ${shorten(digits)} fits neither int64 nor uint64`, position)
}

function writeObject(scanner: JsonScanner, depth: number, writeSpecial: WriteSpecial | undefined): void {
  checkDepth(scanner, depth)
  scanner.expect('{')
  if (scanner.accept('}')) {
    writeMapHead(0)
    return
  }
  let key = readKey(scanner)
  if (key.startsWith('$') && writeSpecial !== undefined) {
    writeSpecial(scanner, key, depth)
    return
  }
  const opened = openContainer()
  const keys = new Set<string>()
  for (;;) {
    if (keys.has(key)) throw badKey(scanner, key, 'comes twice')
    if (key.startsWith('$') && writeSpecial !== undefined) throw badKey(scanner, key, 'begins with $, behind another')
    keys.add(key)
    writeText(key)
    writeJsonValue(scanner, depth + 1, writeSpecial)
    if (scanner.accept('}')) break
    if (!scanner.accept(',')) throw scanner.unexpected("',' or '}'")
    key = readKey(scanner)
  }
  closeMap(opened, keys.size)
}

function readKey(scanner: JsonScanner): string {
  const key = scanner.readString()
  scanner.expect(':')
  return key
}

function badKey(scanner: JsonScanner, key: string, problem: string): FormatError {
  return new FormatError(
    `key ${JSON.stringify(shorten(key))} before character ${scanner.position} ${problem}`,
    scanner.position,
  )
}

function writeArray(scanner: JsonScanner, depth: number, writeSpecial: WriteSpecial | undefined): void {
  checkDepth(scanner, depth)
  scanner.expect('[')
  const opened = openContainer()
  let count = 0
  if (!scanner.accept(']')) {
    for (;;) {
      writeJsonValue(scanner, depth + 1, writeSpecial)
      count++
      if (scanner.accept(']')) break
      if (!scanner.accept(',')) throw scanner.unexpected("',' or ']'")
    }
  }
  closeArray(opened, count)
}

function checkDepth(scanner: JsonScanner, depth: number): void {
  if (depth >= maxDepth) throw new FormatError(`it is nested deeper than ${maxDepth} levels`, scanner.position)
}
