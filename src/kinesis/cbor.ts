import { FormatError } from '../errors.ts'

/**
 * CBOR (RFC 8949) as the Kinesis API uses it: unsigned and negative integers, byte and text strings, arrays, maps,
 * floats, true, false, null, and tags, which carry no meaning here but for timestamps. Definite and indefinite lengths
 * are read; definite ones are written.
 *
 * An item is a head and what follows it. The head's first byte holds the kind (its high 3 bits) and either the argument
 * itself (0..23) or the size of the argument that follows: 24 -> 1 byte, 25 -> 2, 26 -> 4, 27 -> 8, 31 -> indefinite.
 */
const unsignedKind = 0
const negativeKind = 1
const bytesKind = 2
const textKind = 3
const arrayKind = 4
const mapKind = 5
const tagKind = 6

const falseByte = 0xf4
const trueByte = 0xf5
const nullByte = 0xf6
const undefinedByte = 0xf7
const float16Byte = 0xf9
const float32Byte = 0xfa
const float64Byte = 0xfb
const breakByte = 0xff

/** What a reader makes of one item: integers beyond 2^53 become bigints, bytes stay views into the source. */
export type CborValue = null | boolean | number | bigint | string | Uint8Array | CborValue[] | CborMap
export interface CborMap {
  [name: string]: CborValue
}

/** What can be written; members that are undefined are left out, a Date becomes tag 1 and milliseconds. */
export type CborInput =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | readonly CborInput[]
  | { readonly [name: string]: CborInput | undefined }

/** Writes items into one buffer that grows as needed; a good `sizeHint` saves the growing. */
export class CborWriter {
  #buffer: Buffer
  #end = 0

  constructor(sizeHint = 256) {
    this.#buffer = Buffer.allocUnsafe(sizeHint)
  }

  /** What was written so far, as a view: write no more afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#end)
  }

  mapHead(memberCount: number): void {
    this.#head(mapKind, memberCount)
  }

  arrayHead(itemCount: number): void {
    this.#head(arrayKind, itemCount)
  }

  bytes(value: Uint8Array): void {
    this.#head(bytesKind, value.length)
    this.#reserve(value.length)
    this.#buffer.set(value, this.#end)
    this.#end += value.length
  }

  text(value: string): void {
    // Names, keys and shard ids are short ASCII nearly always: a loop beats the call into native code.
    if (value.length <= 64) {
      const rewind = this.#end
      this.#head(textKind, value.length)
      this.#reserve(value.length)
      if (this.#ascii(value)) return
      this.#end = rewind
    }
    const byteCount = Buffer.byteLength(value)
    this.#head(textKind, byteCount)
    this.#reserve(byteCount)
    this.#end += this.#buffer.write(value, this.#end, 'utf8')
  }

  number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#reserve(9)
      this.#buffer[this.#end] = float64Byte
      this.#end = this.#buffer.writeDoubleBE(value, this.#end + 1)
    } else if (value >= 0) this.#head(unsignedKind, value)
    else this.#head(negativeKind, -1 - value)
  }

  bigint(value: bigint): void {
    const argument = value >= 0n ? value : -1n - value
    if (argument > 0xffff_ffff_ffff_ffffn) throw new RangeError(`CBOR has no integer as large as ${value}`)
    this.#reserve(9)
    this.#buffer[this.#end] = ((value >= 0n ? unsignedKind : negativeKind) << 5) | 27
    this.#end = this.#buffer.writeBigUInt64BE(argument, this.#end + 1)
  }

  /** Tag 1 and milliseconds, as AWS's own clients write it (against the RFC, which says seconds). */
  timestamp(epochMs: number): void {
    this.#head(tagKind, 1)
    this.number(epochMs)
  }

  value(value: CborInput): void {
    if (value === null) this.#byte(nullByte)
    else if (typeof value === 'boolean') this.#byte(value ? trueByte : falseByte)
    else if (typeof value === 'number') this.number(value)
    else if (typeof value === 'bigint') this.bigint(value)
    else if (typeof value === 'string') this.text(value)
    else if (value instanceof Uint8Array) this.bytes(value)
    else if (value instanceof Date) this.timestamp(value.getTime())
    else if (isList(value)) {
      this.arrayHead(value.length)
      for (const item of value) this.value(item)
    } else {
      const members = Object.entries(value)
      let memberCount = 0
      for (const [, member] of members) if (member !== undefined) memberCount++
      this.mapHead(memberCount)
      for (const [name, member] of members) {
        if (member === undefined) continue
        this.text(name)
        this.value(member)
      }
    }
  }

  /** Copies items that were encoded before, such as a name that every record carries. */
  raw(encoded: Uint8Array): void {
    this.#reserve(encoded.length)
    for (let index = 0; index < encoded.length; index++) this.#buffer[this.#end + index] = encoded[index] as number
    this.#end += encoded.length
  }

  #byte(value: number): void {
    this.#reserve(1)
    this.#buffer[this.#end++] = value
  }

  #head(kind: number, argument: number): void {
    this.#reserve(9)
    const buffer = this.#buffer
    const first = kind << 5
    if (argument < 24) {
      buffer[this.#end++] = first | argument
    } else if (argument < 0x100) {
      buffer[this.#end++] = first | 24
      buffer[this.#end++] = argument
    } else if (argument < 0x1_0000) {
      buffer[this.#end++] = first | 25
      buffer[this.#end++] = argument >>> 8
      buffer[this.#end++] = argument & 0xff
    } else if (argument < 0x1_0000_0000) {
      buffer[this.#end++] = first | 26
      this.#end = buffer.writeUInt32BE(argument, this.#end)
    } else {
      buffer[this.#end++] = first | 27
      this.#end = buffer.writeBigUInt64BE(BigInt(argument), this.#end)
    }
  }

  /** Writes text whose every character is one byte; false, and nothing counts, when one is not. */
  #ascii(value: string): boolean {
    const buffer = this.#buffer
    const start = this.#end
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index)
      if (code > 0x7f) return false
      buffer[start + index] = code
    }
    this.#end = start + value.length
    return true
  }

  #reserve(byteCount: number): void {
    const needed = this.#end + byteCount
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(grown, 0, 0, this.#end)
    this.#buffer = grown
  }
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

// Array.isArray alone does not tell a readonly array from a map.
function isList(value: CborInput): value is readonly CborInput[] {
  return Array.isArray(value)
}
