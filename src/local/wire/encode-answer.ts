import type { BodyFormat } from '../shapes/read-input.ts'

/** What an operation answers: members as in the service model; undefined members are left out. */
export type AnswerValue =
  | string
  | number
  | boolean
  | undefined
  | Timestamp
  | readonly AnswerValue[]
  | { readonly [member: string]: AnswerValue }

export interface AnswerObject {
  readonly [member: string]: AnswerValue
}

/** A time in an answer: seconds with up to three decimals in JSON, whole milliseconds in CBOR. */
export class Timestamp {
  readonly epochMs: number

  constructor(epochMs: number) {
    this.epochMs = epochMs
  }

  toJSON(): number {
    return this.epochMs / 1000
  }
}

export function encodeAnswer(answer: AnswerObject, format: BodyFormat): Buffer {
  return format === 'json' ? Buffer.from(JSON.stringify(answer)) : encodeCbor(answer)
}

/** CBOR of an answer, with definite lengths. */
export function encodeCbor(value: AnswerValue): Buffer {
  const parts: Buffer[] = []
  writeValue(value, parts)
  return Buffer.concat(parts)
}

function writeValue(value: AnswerValue, parts: Buffer[]): void {
  if (typeof value === 'string') writeText(value, parts)
  else if (typeof value === 'number') writeNumber(value, parts)
  else if (typeof value === 'boolean') parts.push(Buffer.of(value ? 0xf5 : 0xf4))
  else if (value instanceof Timestamp) writeNumber(Math.round(value.epochMs), parts)
  else if (isList(value)) {
    parts.push(head(4, value.length))
    for (const item of value) writeValue(item, parts)
  } else {
    const members = Object.entries(value ?? {}).filter(([, member]) => member !== undefined)
    parts.push(head(5, members.length))
    for (const [name, member] of members) {
      writeText(name, parts)
      writeValue(member, parts)
    }
  }
}

function isList(value: AnswerValue): value is readonly AnswerValue[] {
  return Array.isArray(value)
}

function writeText(text: string, parts: Buffer[]): void {
  const bytes = Buffer.from(text)
  parts.push(head(3, bytes.length), bytes)
}

function writeNumber(value: number, parts: Buffer[]): void {
  if (Number.isSafeInteger(value)) {
    parts.push(value >= 0 ? head(0, value) : head(1, -1 - value))
    return
  }
  const float = Buffer.alloc(9)
  float[0] = 0xfb
  float.writeDoubleBE(value, 1)
  parts.push(float)
}

function head(major: number, argument: number): Buffer {
  const kind = major << 5
  if (argument < 24) return Buffer.of(kind | argument)
  if (argument < 0x100) return Buffer.of(kind | 24, argument)
  if (argument < 0x1_0000) return Buffer.of(kind | 25, argument >> 8, argument & 0xff)
  if (argument < 0x1_0000_0000) {
    const bytes = Buffer.alloc(5)
    bytes[0] = kind | 26
    bytes.writeUInt32BE(argument, 1)
    return bytes
  }
  const bytes = Buffer.alloc(9)
  bytes[0] = kind | 27
  bytes.writeBigUInt64BE(BigInt(argument), 1)
  return bytes
}
