import fc from 'fast-check'
import { MsgpackExt } from '../../src/record/msgpack-ext.ts'
import { MsgpackMap } from '../../src/record/msgpack-map.ts'

/**
 * A second, naive description of msgpack, to compare ours with: values as they lie on the wire, their bytes in the
 * shortest form, what they are in JavaScript, and a reader of bytes, all as close to the specification's tables as can be.
 */
export type Wire =
  | { kind: 'nil' }
  | { kind: 'boolean'; value: boolean }
  | { kind: 'integer'; value: bigint }
  | { kind: 'float'; value: number }
  | { kind: 'text'; value: string }
  | { kind: 'bin'; value: Buffer }
  | { kind: 'ext'; type: number; data: Buffer }
  | { kind: 'array'; items: Wire[] }
  | { kind: 'map'; entries: [Wire, Wire][] }

/** In the shortest form of the current specification. */
export function bytesOf(wire: Wire): Buffer {
  switch (wire.kind) {
    case 'nil':
      return Buffer.of(0xc0)
    case 'boolean':
      return Buffer.of(wire.value ? 0xc3 : 0xc2)
    case 'integer':
      return integerBytes(wire.value)
    case 'float': {
      const bytes = Buffer.alloc(9, 0xcb)
      bytes.writeDoubleBE(wire.value, 1)
      return bytes
    }
    case 'text': {
      const bytes = Buffer.from(wire.value)
      const head = bytes.length < 32 ? Buffer.of(0xa0 + bytes.length) : sized(bytes.length, [0xd9, 0xda, 0xdb])
      return Buffer.concat([head, bytes])
    }
    case 'bin':
      return Buffer.concat([sized(wire.value.length, [0xc4, 0xc5, 0xc6]), wire.value])
    case 'ext': {
      const fix = [1, 2, 4, 8, 16].indexOf(wire.data.length)
      const head = fix >= 0 ? Buffer.of(0xd4 + fix) : sized(wire.data.length, [0xc7, 0xc8, 0xc9])
      return Buffer.concat([head, Buffer.of(wire.type & 0xff), wire.data])
    }
    case 'array':
      return Buffer.concat([counted(wire.items.length, 0x90, [0xdc, 0xdd]), ...wire.items.map(bytesOf)])
    case 'map': {
      const head = counted(wire.entries.length, 0x80, [0xde, 0xdf])
      return Buffer.concat([head, ...wire.entries.flat().map(bytesOf)])
    }
  }
}

function integerBytes(value: bigint): Buffer {
  if (value >= -32n && value < 128n) return Buffer.of(Number(value) & 0xff)
  const widths = [1, 2, 4, 8]
  for (const [index, width] of widths.entries()) {
    const bits = 8 * width
    const fits = value >= 0n ? BigInt.asUintN(bits, value) === value : BigInt.asIntN(bits, value) === value
    if (!fits) continue
    const hex = BigInt.asUintN(bits, value)
      .toString(16)
      .padStart(2 * width, '0')
    return Buffer.from(((value >= 0n ? 0xcc : 0xd0) + index).toString(16) + hex, 'hex')
  }
  throw new Error(`no msgpack integer: ${value}`)
}

function sized(length: number, heads: [number, number, number]): Buffer {
  if (length < 0x100) return Buffer.of(heads[0], length)
  if (length < 0x10000) return Buffer.of(heads[1], length >> 8, length & 0xff)
  return Buffer.of(heads[2], length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff)
}

function counted(count: number, fixHead: number, heads: [number, number]): Buffer {
  if (count < 16) return Buffer.of(fixHead + count)
  if (count < 0x10000) return Buffer.of(heads[0], count >> 8, count & 0xff)
  return Buffer.of(heads[1], count >>> 24, (count >> 16) & 0xff, (count >> 8) & 0xff, count & 0xff)
}

/** What a reader should hand out. */
export function valueIn(wire: Wire): unknown {
  switch (wire.kind) {
    case 'nil':
      return null
    case 'integer':
      return wire.value >= -(2n ** 53n) + 1n && wire.value <= 2n ** 53n - 1n ? Number(wire.value) : wire.value
    case 'ext':
      return new MsgpackExt(wire.type, wire.data)
    case 'array':
      return wire.items.map(valueIn)
    case 'map':
      return mapOf(wire.entries.map(([key, value]) => [valueIn(key), valueIn(value)]))
    default:
      return wire.value
  }
}

function mapOf(entries: [unknown, unknown][]): unknown {
  const keys = entries.map(([key]) => key)
  if (keys.some((key) => typeof key !== 'string') || new Set(keys).size < keys.length) return new MsgpackMap(entries)
  // Object.fromEntries defines properties: `__proto__` becomes one like any other.
  return Object.fromEntries(entries as [string, unknown][])
}

/** The value that these bytes are; throws when they are none, are more than one, or are nested deeper than 1,024 levels. */
export function readNaively(bytes: Buffer): unknown {
  let position = 0
  const take = (length: number): Buffer => {
    if (length > bytes.length - position) throw new Error('truncated')
    position += length
    return bytes.subarray(position - length, position)
  }
  const unsigned = (width: number): bigint => BigInt(`0x${take(width).toString('hex')}`)
  const size = (width: number): number => Number(unsigned(width))
  const safe = (value: bigint): unknown => valueIn({ kind: 'integer', value })
  const raw = (length: number): unknown => {
    const content = Buffer.from(take(length))
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
    } catch {
      return content
    }
  }
  const ext = (length: number): unknown => new MsgpackExt(take(1).readInt8(), Buffer.from(take(length)))
  const many = (count: number, levels: number, perItem: number): unknown[] => {
    if (levels === 0) throw new Error('too deep')
    if (count * perItem > bytes.length - position) throw new Error('truncated')
    return Array.from({ length: count * perItem }, () => read(levels - 1))
  }
  const map = (count: number, levels: number): unknown => {
    const flat = many(count, levels, 2)
    return mapOf(Array.from({ length: count }, (_, i) => [flat[2 * i], flat[2 * i + 1]]))
  }
  const read = (levels: number): unknown => {
    const head = take(1).readUInt8()
    if (head <= 0x7f) return head
    if (head <= 0x8f) return map(head - 0x80, levels)
    if (head <= 0x9f) return many(head - 0x90, levels, 1)
    if (head <= 0xbf) return raw(head - 0xa0)
    if (head >= 0xe0) return head - 0x100
    if (head === 0xc0) return null
    if (head === 0xc2 || head === 0xc3) return head === 0xc3
    if (head >= 0xc4 && head <= 0xc6) return Buffer.from(take(size(2 ** (head - 0xc4))))
    if (head >= 0xc7 && head <= 0xc9) return ext(size(2 ** (head - 0xc7)))
    if (head === 0xca) return take(4).readFloatBE()
    if (head === 0xcb) return take(8).readDoubleBE()
    if (head >= 0xcc && head <= 0xcf) return safe(unsigned(2 ** (head - 0xcc)))
    if (head >= 0xd0 && head <= 0xd3) {
      const width = 2 ** (head - 0xd0)
      return safe(BigInt.asIntN(8 * width, unsigned(width)))
    }
    if (head >= 0xd4 && head <= 0xd8) return ext(2 ** (head - 0xd4))
    if (head >= 0xd9 && head <= 0xdb) return raw(size(2 ** (head - 0xd9)))
    if (head === 0xdc || head === 0xdd) return many(size(head === 0xdc ? 2 : 4), levels, 1)
    if (head === 0xde || head === 0xdf) return map(size(head === 0xde ? 2 : 4), levels)
    throw new Error('0xc1')
  }
  const value = read(1024)
  if (position !== bytes.length) throw new Error('left over')
  return value
}

const trickyText = fc.constantFrom(
  '',
  '__proto__',
  'constructor',
  'toString',
  '0',
  '10',
  '$',
  '$map',
  'é',
  '☃',
  '😀',
  '\ufeffbom',
  '\ufffd',
  'a',
  'b',
  'id',
)
/** Sizes around the borders of the heads. */
const sizes = fc.constantFrom(0, 1, 15, 16, 31, 32, 48, 49, 255, 256)
export const wireText = fc.oneof(
  trickyText,
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  sizes.map((size) => 'x'.repeat(size)),
  sizes.map((size) => `${'y'.repeat(size)}é`),
)
const wireBytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  sizes.map((size) => Buffer.alloc(size, 0xff)),
)
const wireInteger = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.integer({ min: -70_000, max: 70_000 }).map(BigInt),
  fc
    .tuple(
      fc.constantFrom(5n, 7n, 8n, 15n, 16n, 31n, 32n, 53n, 63n),
      fc.constantFrom(-2n, -1n, 0n, 1n, 2n),
      fc.boolean(),
    )
    .map(([bits, off, isNegative]) => (isNegative ? -(2n ** bits) : 2n ** bits) + off)
    .filter((value) => value >= -(2n ** 63n) && value < 2n ** 64n),
)

export interface WireOptions {
  /** Only what encodeMsgpack writes by itself: no NaN or infinity, no extension, text keys that come once. */
  isOrdinary?: boolean
}

/** Any value on the wire, with what troubles JavaScript in it. */
export function anyWire({ isOrdinary = false }: WireOptions = {}): fc.Arbitrary<Wire> {
  const text = wireText.map((value): Wire => ({ kind: 'text', value }))
  const float = (isOrdinary ? fc.double({ noNaN: true, noDefaultInfinity: true }) : fc.double()).map(
    (value): Wire => ({ kind: 'float', value: Number.isNaN(value) ? Number.NaN : value }),
  )
  const leaves: fc.Arbitrary<Wire>[] = [
    fc.constant<Wire>({ kind: 'nil' }),
    fc.boolean().map((value): Wire => ({ kind: 'boolean', value })),
    wireInteger.map((value): Wire => ({ kind: 'integer', value })),
    float,
    text,
    wireBytes.map((value): Wire => ({ kind: 'bin', value })),
  ]
  if (!isOrdinary)
    leaves.push(
      fc
        .tuple(fc.integer({ min: -128, max: 127 }), wireBytes)
        .map(([type, data]): Wire => ({ kind: 'ext', type, data })),
      fc
        .uint8Array({ minLength: 12, maxLength: 12 })
        .map((data): Wire => ({ kind: 'ext', type: 5, data: Buffer.from(data) })),
    )
  return fc.letrec<{ value: Wire }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      ...leaves,
      fc.array(tie('value'), { maxLength: 18 }).map((items): Wire => ({ kind: 'array', items })),
      mapWire(text, tie('value')),
      ...(isOrdinary
        ? []
        : [
            mapWire(
              fc.oneof({ weight: 5, arbitrary: text }, { weight: 1, arbitrary: tie('value') }),
              tie('value'),
              true,
            ),
          ]),
    ),
  })).value
}

/** A record: a map with text keys that come once. */
export function anyRecord(options: WireOptions = {}): fc.Arbitrary<Wire> {
  return mapWire(
    wireText.map((value): Wire => ({ kind: 'text', value })),
    anyWire(options),
  )
}

function mapWire(key: fc.Arbitrary<Wire>, value: fc.Arbitrary<Wire>, mayRepeat = false): fc.Arbitrary<Wire> {
  const entry = fc.tuple(key, value)
  const entries = mayRepeat
    ? fc.array(entry, { maxLength: 6 })
    : fc.uniqueArray(entry, { maxLength: 18, selector: ([each]) => bytesOf(each).toString('hex') })
  return entries.map((all): Wire => ({ kind: 'map', entries: all }))
}
