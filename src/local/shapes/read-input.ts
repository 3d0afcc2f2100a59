import { serializationError } from '../api-error.ts'
import { TaggedTime } from '../wire/cbor-decode.ts'
import { decodeBase64 } from './decode-base64.ts'
import type { InputOf, Shape, StructureShape } from './shape.ts'

/** JSON writes times in seconds and blobs as base64; CBOR writes milliseconds and byte strings. */
export type BodyFormat = 'json' | 'cbor'

/**
 * The members that the shape names, each with the type that it asks for; unknown members and nulls are left out.
 * A wrong type is refused with Kinesis' own words; constraints are not looked at.
 */
export function readInput<S extends StructureShape>(shape: S, body: unknown, format: BodyFormat): InputOf<S> {
  return readStructure(shape, body, format) as InputOf<S>
}

const truncatingNumber = 'class com.amazon.coral.value.json.numbers.TruncatingBigNumber'
const listNotExpected = 'Start of list found where not expected'
const mapNotExpected = 'Start of structure or map found where not expected.'

function readValue(shape: Shape, value: unknown, format: BodyFormat): unknown {
  if (value === null || value === undefined) return undefined
  switch (shape.type) {
    case 'String':
      if (typeof value === 'string') return value
      throw wrongScalar(value, 'to an String')
    case 'Integer':
    case 'Long':
      return readInteger(shape.type, value)
    case 'Boolean':
      if (typeof value === 'boolean') return value
      if (typeof value === 'string')
        throw serializationError(`'${value.toUpperCase()}' can not be converted to an Boolean`)
      throw wrongScalar(value, 'to an Boolean')
    case 'Blob':
      if (Buffer.isBuffer(value)) return value
      if (typeof value === 'string') return decodeBase64(value)
      throw wrongScalar(value, 'to a Blob')
    case 'Timestamp':
      return readTimestamp(value, format)
    case 'List':
      return readList(shape.member, value, format)
    case 'Map':
      return readMap(value)
    case 'Structure':
      return readStructure(shape, value, format)
  }
}

function readInteger(type: 'Integer' | 'Long', value: unknown): number {
  if (typeof value !== 'number' && typeof value !== 'bigint') throw wrongScalar(value, `to an ${type}`)
  const whole = Math.floor(Number(value))
  return type === 'Integer' ? Math.min(whole, 2_147_483_647) : whole
}

function readTimestamp(value: unknown, format: BodyFormat): number {
  if (value instanceof TaggedTime) return value.epochMs
  if (typeof value !== 'number' && typeof value !== 'bigint') throw wrongScalar(value, 'to milliseconds since epoch')
  return format === 'json' ? Number(value) * 1000 : Number(value)
}

function readList(member: Shape, value: unknown, format: BodyFormat): unknown[] {
  if (Array.isArray(value)) return value.map((item) => readValue(member, item, format))
  throw serializationError(isContainer(value) ? mapNotExpected : 'Expected list or null')
}

function readMap(value: unknown): Map<string, string> {
  if (Array.isArray(value)) throw serializationError(listNotExpected)
  if (!isContainer(value)) throw serializationError('Expected map or null')
  const entries = new Map<string, string>()
  for (const [key, item] of Object.entries(value)) {
    if (item === null || item === undefined) continue
    if (typeof item !== 'string') throw wrongScalar(item, 'to an String')
    entries.set(key, item)
  }
  return entries
}

function readStructure(shape: StructureShape, value: unknown, format: BodyFormat): Record<string, unknown> {
  if (Array.isArray(value)) throw serializationError(listNotExpected)
  if (!isContainer(value)) throw serializationError('Expected null')
  const input: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(shape.members)) {
    // Own members only: a body may bring `__proto__` or lean on what every object inherits.
    const item = Object.hasOwn(value, name) ? readValue(member, value[name], format) : undefined
    if (item !== undefined) input[name] = item
  }
  return input
}

function wrongScalar(value: unknown, target: string): Error {
  if (Array.isArray(value)) return serializationError(listNotExpected)
  if (typeof value === 'boolean') return serializationError(`class java.lang.Boolean can not be converted ${target}`)
  if (typeof value === 'string') return serializationError(`class java.lang.String can not be converted ${target}`)
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof TaggedTime)
    return serializationError(`${truncatingNumber} can not be converted ${target}`)
  return serializationError(mapNotExpected)
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Buffer.isBuffer(value) && !(value instanceof TaggedTime)
}
