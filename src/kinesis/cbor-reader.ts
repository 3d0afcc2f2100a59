import { FormatError } from '../errors.ts'
import {
  arrayKind,
  breakByte,
  bytesKind,
  falseByte,
  float16Byte,
  float32Byte,
  float64Byte,
  mapKind,
  negativeKind,
  nullByte,
  tagKind,
  textKind,
  trueByte,
  undefinedByte,
  unsignedKind,
} from './cbor-heads.ts'

/** What a reader makes of one item: integers beyond 2^53 become bigints, bytes stay views into the source. */
export type CborValue = null | boolean | number | bigint | string | Uint8Array | CborValue[] | CborMap
export interface CborMap {
  [name: string]: CborValue
}

/**
 * Reads items one after the other, by their expected type or as they come (`value`). Whatever does not fit is a
 * `FormatError` with its offset; nothing is read beyond the end.
 *
 * Arrays and maps are walked so, for both kinds of length:
 * ```ts
 * for (let left = reader.mapLength(); reader.hasMore(left); left--) { reader.name() ... }
 * ```
 */
export class CborReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(source: Uint8Array) {
    this.#buffer = Buffer.isBuffer(source) ? source : Buffer.from(source.buffer, source.byteOffset, source.byteLength)
  }

  get offset(): number {
    return this.#at
  }

  /** Goes on behind items that somebody else read. */
  moveTo(offset: number): void {
    this.#at = offset
  }

  get isAtEnd(): boolean {
    return this.#at === this.#buffer.length
  }

  /** Members of the map that begins here; below 0 when only a break will end it. */
  mapLength(): number {
    return this.#length(mapKind, 'a map')
  }

  /** Items of the array that begins here; below 0 when only a break will end it. */
  arrayLength(): number {
    return this.#length(arrayKind, 'an array')
  }

  /** Whether another item follows; `left` is the length that was read, counted down by the caller. */
  hasMore(left: number): boolean {
    if (left >= 0) return left > 0
    if (this.#peek() !== breakByte) return true
    this.#at++
    return false
  }

  /** A text that comes again and again, such as a member's name or a shard's id: equal ones are the same string. */
  name(): string {
    const first = this.#peek()
    const length = first - (textKind << 5)
    if (length < 1 || length > 24) return this.text()
    const start = length === 24 ? this.#at + 2 : this.#at + 1
    const count = length === 24 ? (this.#buffer[this.#at + 1] ?? 0) : length
    const end = start + count
    if (count > 40 || count === 0 || end > this.#buffer.length) return this.text()
    const slot = rememberedNames.slotOf(this.#buffer, start, end)
    const known = rememberedNames.get(slot, this.#buffer, start, end)
    if (known === undefined) {
      const text = this.text()
      rememberedNames.set(slot, this.#buffer, start, end, text)
      return text
    }
    this.#at = end
    return known
  }

  text(): string {
    const first = this.#peek()
    if (first === ((textKind << 5) | 31)) return this.#chunks(textKind).toString('utf8')
    const { start, end } = this.#span(textKind, 'text')
    return end - start > 512 || !isAscii(this.#buffer, start, end)
      ? this.#buffer.toString('utf8', start, end)
      : this.#buffer.toString('latin1', start, end)
  }

  /** A text that is ASCII by its nature, such as a sequence number: it is not looked through for anything else. */
  asciiText(): string {
    if (this.#peek() === ((textKind << 5) | 31)) return this.text()
    const { start, end } = this.#span(textKind, 'text')
    return this.#buffer.toString('latin1', start, end)
  }

  /** A view into the source (a copy only when it came in pieces). */
  bytes(): Uint8Array {
    if (this.#peek() === ((bytesKind << 5) | 31)) return this.#chunks(bytesKind)
    const { start, end } = this.#span(bytesKind, 'bytes')
    return this.#buffer.subarray(start, end)
  }

  number(): number {
    this.#skipTags()
    const value = this.#scalar()
    if (typeof value === 'number') return value
    if (typeof value === 'bigint') return Number(value)
    throw this.#unexpected('a number')
  }

  /**
   * Epoch milliseconds. Kinesis answers with milliseconds; a value below 10^11 would be before 1973 and can only be the
   * seconds that other servers write.
   */
  timestamp(): number {
    return timestampMs(this.number())
  }

  /** The next item, whatever it is. */
  value(depth = 0): CborValue {
    if (depth > deepest) throw new FormatError(`CBOR nested deeper than ${deepest} levels`, this.#at)
    this.#skipTags()
    switch (this.#peek() >>> 5) {
      case bytesKind:
        return this.bytes()
      case textKind:
        return this.text()
      case arrayKind: {
        const items: CborValue[] = []
        for (let left = this.arrayLength(); this.hasMore(left); left--) items.push(this.value(depth + 1))
        return items
      }
      case mapKind: {
        // Without a prototype, a member called __proto__ is a member like any other.
        const members: CborMap = Object.create(null)
        for (let left = this.mapLength(); this.hasMore(left); left--) {
          const name = this.value(depth + 1)
          if (typeof name !== 'string' && typeof name !== 'number') throw this.#unexpected('a member name before')
          members[name] = this.value(depth + 1)
        }
        return members
      }
      default:
        return this.#scalar()
    }
  }

  /** Steps over the next item. */
  skip(depth = 0): void {
    if (depth > deepest) throw new FormatError(`CBOR nested deeper than ${deepest} levels`, this.#at)
    this.#skipTags()
    switch (this.#peek() >>> 5) {
      case bytesKind:
        this.bytes()
        return
      case textKind:
        if (this.#peek() === ((textKind << 5) | 31)) this.#chunks(textKind)
        else this.#span(textKind, 'text')
        return
      case arrayKind:
        for (let left = this.arrayLength(); this.hasMore(left); left--) this.skip(depth + 1)
        return
      case mapKind:
        for (let left = this.mapLength(); this.hasMore(left); left--) {
          this.skip(depth + 1)
          this.skip(depth + 1)
        }
        return
      default:
        this.#scalar()
    }
  }

  /** Whether the next item is null or undefined; it is then consumed. */
  isNull(): boolean {
    const first = this.#peek()
    if (first !== nullByte && first !== undefinedByte) return false
    this.#at++
    return true
  }

  #length(kind: number, what: string): number {
    this.#skipTags()
    const first = this.#peek()
    if (first >>> 5 !== kind) throw this.#unexpected(what)
    if ((first & 31) === 31) {
      this.#at++
      return -1
    }
    const length = this.#argument()
    // Every item takes a byte at least: a length beyond that is damage, not a reason to allocate.
    if (length > this.#buffer.length - this.#at) throw this.#torn()
    return length
  }

  #span(kind: number, what: string): { start: number; end: number } {
    this.#skipTags()
    if (this.#peek() >>> 5 !== kind) throw this.#unexpected(what)
    const length = this.#argument()
    const start = this.#at
    const end = start + length
    if (end > this.#buffer.length) throw this.#torn()
    this.#at = end
    return { start, end }
  }

  #chunks(kind: number): Buffer {
    const pieces: Buffer[] = []
    this.#at++
    while (this.hasMore(-1)) {
      const { start, end } = this.#span(kind, 'a piece of the same kind')
      pieces.push(this.#buffer.subarray(start, end))
    }
    return Buffer.concat(pieces)
  }

  #scalar(): null | boolean | number | bigint {
    const first = this.#peek()
    switch (first) {
      case falseByte:
      case trueByte:
        this.#at++
        return first === trueByte
      case nullByte:
      case undefinedByte:
        this.#at++
        return null
      case float16Byte:
        this.#need(3)
        this.#at += 3
        return float16(this.#buffer.readUInt16BE(this.#at - 2))
      case float32Byte:
        this.#need(5)
        this.#at += 5
        return this.#buffer.readFloatBE(this.#at - 4)
      case float64Byte:
        this.#need(9)
        this.#at += 9
        return this.#buffer.readDoubleBE(this.#at - 8)
    }
    const kind = first >>> 5
    if (kind !== unsignedKind && kind !== negativeKind) throw this.#unexpected('a scalar')
    if ((first & 31) === 27) {
      this.#need(9)
      const wide = this.#buffer.readBigUInt64BE(this.#at + 1)
      const value = kind === unsignedKind ? wide : -1n - wide
      this.#at += 9
      const narrow = Number(value)
      return Number.isSafeInteger(narrow) ? narrow : value
    }
    const argument = this.#argument()
    return kind === unsignedKind ? argument : -1 - argument
  }

  #skipTags(): void {
    while (this.#peek() >>> 5 === tagKind) this.#argument()
  }

  /** The argument of the head that begins here; lengths beyond 2^53 can't be. */
  #argument(): number {
    const size = this.#peek() & 31
    if (size < 24) {
      this.#at++
      return size
    }
    const start = this.#at + 1
    switch (size) {
      case 24:
        this.#need(2)
        this.#at += 2
        return this.#buffer[start] as number
      case 25:
        this.#need(3)
        this.#at += 3
        return ((this.#buffer[start] as number) << 8) | (this.#buffer[start + 1] as number)
      case 26:
        this.#need(5)
        this.#at += 5
        return this.#buffer.readUInt32BE(start)
      case 27:
        this.#need(9)
        this.#at += 9
        return Number(this.#buffer.readBigUInt64BE(start))
      default:
        throw new FormatError(`CBOR argument size ${size} is not defined (at byte ${this.#at})`, this.#at)
    }
  }

  #peek(): number {
    const byte = this.#buffer[this.#at]
    if (byte === undefined) throw this.#torn()
    return byte
  }

  #need(byteCount: number): void {
    if (this.#at + byteCount > this.#buffer.length) throw this.#torn()
  }

  #torn(): FormatError {
    return new FormatError(`CBOR ends in the middle of an item (after ${this.#buffer.length} bytes)`, this.#at)
  }

  #unexpected(what: string): FormatError {
    const byte = this.#buffer[this.#at] ?? 0
    return new FormatError(`CBOR: expected ${what} at byte ${this.#at}, found 0x${byte.toString(16)}`, this.#at)
  }
}

/** The same for a number that was read before. */
export function timestampMs(value: number): number {
  return value < 1e11 ? Math.round(value * 1000) : Math.trunc(value)
}

/** Far deeper than any Kinesis answer, far shallower than the stack. */
const deepest = 64

/** Short texts seen before, found by their bytes: a lookup costs a third of making the string again. */
const rememberedNames = {
  bytes: new Array<Buffer | undefined>(256),
  texts: new Array<string>(256),

  slotOf(buffer: Buffer, start: number, end: number): number {
    const length = end - start
    const first = buffer[start] as number
    const last = buffer[end - 1] as number
    const before = buffer[end - 2] as number
    return (length * 37 + first * 11 + last + before * 10) & 255
  },

  get(slot: number, buffer: Buffer, start: number, end: number): string | undefined {
    const known = this.bytes[slot]
    if (known === undefined || known.length !== end - start) return undefined
    for (let index = 0; index < known.length; index++) if (known[index] !== buffer[start + index]) return undefined
    return this.texts[slot]
  },

  set(slot: number, buffer: Buffer, start: number, end: number, text: string): void {
    this.bytes[slot] = Buffer.from(buffer.subarray(start, end))
    this.texts[slot] = text
  },
}

function isAscii(buffer: Buffer, start: number, end: number): boolean {
  for (let index = start; index < end; index++) if ((buffer[index] as number) > 0x7f) return false
  return true
}

function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * 2 ** -24 * fraction
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * 2 ** (exponent - 25) * (fraction + 1024)
}
