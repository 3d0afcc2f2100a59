import {
  arrayKind,
  bytesKind,
  falseByte,
  float64Byte,
  mapKind,
  negativeKind,
  nullByte,
  tagKind,
  textKind,
  trueByte,
  unsignedKind,
} from './cbor-heads.ts'

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

// Array.isArray alone does not tell a readonly array from a map.
function isList(value: CborInput): value is readonly CborInput[] {
  return Array.isArray(value)
}
