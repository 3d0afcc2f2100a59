import { isUtf8 } from 'node:buffer'
import { digitCountOf, writeDigits, writeFloat } from './float-digits.ts'
import { floatText } from './float-text.ts'
import { plainJsonOf } from './plain-json.ts'

/**
 * Records as plain JSON in UTF-8, a line each, in one growing buffer: for who prints millions. What records mostly are
 * (maps of text keys, text, numbers, booleans, nil, arrays, bytes) goes from bytes to bytes without a string or an object
 * in between; a record with anything else in it is written by `plainJsonOf`, whose text this always is.
 */
export class JsonLines {
  #bytes = Buffer.allocUnsafeSlow(256 * 1024)
  #view = dataViewOf(this.#bytes)
  #length = 0
  /** Of the record under way. */
  #source: Buffer = this.#bytes
  #sourceView = dataViewOf(this.#bytes)
  #at = 0
  #end = 0

  /** The block whose records come next. */
  begin(source: Buffer): void {
    this.#source = source
    this.#sourceView = dataViewOf(source)
  }

  /** The record from `start` to `end`. Throws as `plainJsonOf` does; then nothing of it is added. */
  add(start: number, end: number): void {
    const before = this.#length
    this.#at = start
    this.#end = end
    // Text of a large record is made in one go: the room that its bytes might need is not asked for beforehand.
    const isWritten =
      end - start <= largestDirect && this.#reserve(mostBytesPerByte * (end - start) + 64) && this.#value(0)
    if (!isWritten || this.#at !== end) {
      this.#length = before
      this.addText(plainJsonOf(this.#source.subarray(start, end)))
      return
    }
    this.#bytes[this.#length++] = 0x0a
  }

  /** A line that was made elsewhere. */
  addText(line: string): void {
    this.#reserve(Buffer.byteLength(line) + 1)
    this.#length += this.#bytes.write(line, this.#length)
    this.#bytes[this.#length++] = 0x0a
  }

  /** What was added since; a copy. */
  take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length))
    this.#length = 0
    return taken
  }

  #reserve(byteLength: number): true {
    if (this.#length + byteLength <= this.#bytes.length) return true
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#length + byteLength))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
    this.#view = dataViewOf(larger)
    return true
  }

  /** False at what is not written here, or is no msgpack: `plainJsonOf` says what it is. */
  #value(depth: number): boolean {
    if (this.#at >= this.#end) return false
    const head = this.#source[this.#at++] as number
    if (head < 0x80) return this.#integer(head)
    if (head >= 0xe0) return this.#integer(head - 0x100)
    if (head >= 0xa0 && head < 0xc0) return this.#text(head & 0x1f)
    if (head < 0x90) return this.#map(head & 0x0f, depth)
    if (head < 0xa0) return this.#array(head & 0x0f, depth)
    const at = this.#at
    const view = this.#sourceView
    const width = widths[head - 0xc0] as number
    if (width === 0 || at + width - 1 > this.#end) return false
    this.#at = at + width - 1
    switch (head) {
      case 0xc0:
        return this.#ascii('null')
      case 0xc2:
        return this.#ascii('false')
      case 0xc3:
        return this.#ascii('true')
      case 0xc4:
        return this.#base64(view.getUint8(at))
      case 0xc5:
        return this.#base64(view.getUint16(at))
      case 0xca:
        return this.#float(view.getFloat32(at))
      case 0xcb:
        return this.#float(view.getFloat64(at))
      case 0xcc:
        return this.#integer(view.getUint8(at))
      case 0xcd:
        return this.#integer(view.getUint16(at))
      case 0xce:
        return this.#integer(view.getUint32(at))
      case 0xcf:
        return this.#integer(view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4))
      case 0xd0:
        return this.#integer(view.getInt8(at))
      case 0xd1:
        return this.#integer(view.getInt16(at))
      case 0xd2:
        return this.#integer(view.getInt32(at))
      case 0xd3:
        return this.#integer(view.getInt32(at) * 0x1_0000_0000 + view.getUint32(at + 4))
      case 0xd9:
        return this.#text(view.getUint8(at))
      case 0xda:
        return this.#text(view.getUint16(at))
      case 0xdc:
        return this.#array(view.getUint16(at), depth)
      case 0xde:
        return this.#map(view.getUint16(at), depth)
      default:
        return false
    }
  }

  #map(count: number, depth: number): boolean {
    if (depth > deepest) return false
    this.#bytes[this.#length++] = 0x7b
    for (let i = 0; i < count; i++) {
      if (i > 0) this.#bytes[this.#length++] = 0x2c
      const head = this.#source[this.#at] as number
      if (this.#at >= this.#end || !((head >= 0xa0 && head < 0xc0) || head === 0xd9)) return false
      // Bytes that are not text are no key as they stand.
      const before = this.#length
      if (!this.#value(depth) || this.#bytes[before] !== 0x22) return false
      this.#bytes[this.#length++] = 0x3a
      if (!this.#value(depth + 1)) return false
    }
    this.#bytes[this.#length++] = 0x7d
    return true
  }

  #array(count: number, depth: number): boolean {
    if (depth > deepest) return false
    this.#bytes[this.#length++] = 0x5b
    for (let i = 0; i < count; i++) {
      if (i > 0) this.#bytes[this.#length++] = 0x2c
      if (!this.#value(depth + 1)) return false
    }
    this.#bytes[this.#length++] = 0x5d
    return true
  }

  /** Text of UTF-8 goes as it is, but for what JSON escapes: four bytes at a time up to the first that is not plain ASCII. */
  #text(byteLength: number): boolean {
    const source = this.#source
    const bytes = this.#bytes
    const start = this.#at
    const end = start + byteLength
    if (end > this.#end) return false
    this.#at = end
    let length = this.#length
    bytes[length++] = 0x22
    let at = start
    const sourceView = this.#sourceView
    const view = this.#view
    for (; at + 4 <= end; at += 4) {
      const word = sourceView.getInt32(at, true)
      if (!isPlainAscii(word)) break
      view.setInt32(length, word, true)
      length += 4
    }
    let high = 0
    for (; at < end; at++) {
      const byte = source[at] as number
      high |= byte
      if (isPlain[byte] === 1) bytes[length++] = byte
      else length += bytes.write(JSON.stringify(String.fromCharCode(byte)).slice(1, -1), length, 'latin1')
    }
    if (high > 0x7f && !isUtf8(source.subarray(start, end))) return false
    bytes[length++] = 0x22
    this.#length = length
    return true
  }

  #integer(value: number): boolean {
    if (!Number.isSafeInteger(value)) return false
    if (value < 0) {
      this.#bytes[this.#length++] = 0x2d
      return this.#digits(-value)
    }
    return this.#digits(value)
  }

  #digits(value: number): boolean {
    if (value > 0x7fff_ffff) return this.#ascii(String(value))
    this.#length = writeDigits(this.#bytes, this.#length, value, digitCountOf(value))
    return true
  }

  #float(value: number): boolean {
    const end = writeFloat(this.#bytes, this.#length, value)
    if (end < 0) return this.#ascii(Number.isFinite(value) ? floatText(value) : 'null')
    this.#length = end
    return true
  }

  #base64(byteLength: number): boolean {
    const end = this.#at + byteLength
    if (end > this.#end) return false
    const text = this.#source.toString('base64', this.#at, end)
    this.#at = end
    this.#bytes[this.#length++] = 0x22
    this.#length += this.#bytes.write(text, this.#length, 'latin1')
    this.#bytes[this.#length++] = 0x22
    return true
  }

  #ascii(text: string): boolean {
    const bytes = this.#bytes
    let length = this.#length
    for (let i = 0; i < text.length; i++) bytes[length++] = text.charCodeAt(i)
    this.#length = length
    return true
  }
}

/** `false,` of one byte, `\\u0000` of one byte. */
const mostBytesPerByte = 7
const largestDirect = 1024 * 1024

/** Levels that are followed here; deeper records are rare and go the other way. */
const deepest = 64

/** Of the heads from 0xc0 on: the head and the bytes of fixed length behind it; 0 where they are not written here. */
const widths = Uint8Array.of(
  ...[1, 0, 1, 1, 2, 3, 0, 0, 0, 0, 5, 9, 2, 3, 5, 9],
  ...[2, 3, 5, 9, 0, 0, 0, 0, 0, 2, 3, 0, 3, 0, 3, 0],
)

/** Whether none of the word's bytes is below a space, a quote, a backslash or beyond ASCII. */
function isPlainAscii(word: number): boolean {
  const found =
    (word - 0x2020_2020) | ((word ^ 0x2222_2222) - 0x0101_0101) | ((word ^ 0x5c5c_5c5c) - 0x0101_0101) | word
  return (found & 0x8080_8080) === 0
}

const isPlain = Uint8Array.from({ length: 256 }, (_, byte) => (byte < 0x20 || byte === 0x22 || byte === 0x5c ? 0 : 1))

function dataViewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
