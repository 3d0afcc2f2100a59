import { isUtf8 } from 'node:buffer'
import { FormatError } from '../errors.ts'
import { maxDepth } from './msgpack-encode.ts'
import { MsgpackExt } from './msgpack-ext.ts'
import { MsgpackMap } from './msgpack-map.ts'

/**
 * One msgpack value of exactly these bytes, with nothing lost: integers outside the safe range as bigint, raw bytes
 * that are not UTF-8 and bin as Buffer, an extension as `MsgpackExt`, a map as a plain object, or as `MsgpackMap` when
 * a key is not text or comes twice. `__proto__` is an own property like any other.
 *
 * What an object cannot show is which number was a float on the wire (`3.0` is `3`), and the order of keys that look
 * like array indexes; lossless JSON, made from the bytes, has both.
 */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes)
  const value = reader.readValue(0)
  if (reader.position !== bytes.length)
    throw new FormatError(`${bytes.length - reader.position} bytes are left over after the value`, reader.position)
  return value
}

class Reader {
  position = 0
  readonly bytes: Buffer
  readonly view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  readValue(depth: number): unknown {
    const start = this.take(1)
    const head = this.bytes[start] as number
    if (head < 0x80) return head
    if (head < 0x90) return this.readMap(head & 0x0f, depth)
    if (head < 0xa0) return this.readArray(head & 0x0f, depth)
    if (head < 0xc0) return this.readRaw(head & 0x1f)
    if (head >= 0xe0) return head - 0x100
    switch (head) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.readBytes(this.readLength(head - 0xc4))
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.readExt(this.readLength(head - 0xc7))
      case 0xca:
        return this.view.getFloat32(this.take(4))
      case 0xcb:
        return this.view.getFloat64(this.take(8))
      case 0xcc:
        return this.view.getUint8(this.take(1))
      case 0xcd:
        return this.view.getUint16(this.take(2))
      case 0xce:
        return this.view.getUint32(this.take(4))
      case 0xcf:
        return safely(this.view.getBigUint64(this.take(8)))
      case 0xd0:
        return this.view.getInt8(this.take(1))
      case 0xd1:
        return this.view.getInt16(this.take(2))
      case 0xd2:
        return this.view.getInt32(this.take(4))
      case 0xd3:
        return safely(this.view.getBigInt64(this.take(8)))
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.readExt(1 << (head - 0xd4))
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.readRaw(this.readLength(head - 0xd9))
      case 0xdc:
      case 0xdd:
        return this.readArray(this.readLength(head - 0xdb), depth)
      case 0xde:
      case 0xdf:
        return this.readMap(this.readLength(head - 0xdd), depth)
      default:
        throw new FormatError('byte 0xc1 begins no msgpack value', start)
    }
  }

  private take(byteLength: number): number {
    const start = this.position
    if (byteLength > this.bytes.length - start)
      throw new FormatError(`the value needs ${byteLength} bytes here and ${this.bytes.length - start} are left`, start)
    this.position = start + byteLength
    return start
  }

  private readLength(width: number): number {
    if (width === 0) return this.view.getUint8(this.take(1))
    return width === 1 ? this.view.getUint16(this.take(2)) : this.view.getUint32(this.take(4))
  }

  private readRaw(byteLength: number): string | Buffer {
    const start = this.take(byteLength)
    const raw = this.bytes.subarray(start, this.position)
    return isUtf8(raw) ? raw.toString('utf8') : Buffer.from(raw)
  }

  private readBytes(byteLength: number): Buffer {
    const start = this.take(byteLength)
    return Buffer.from(this.bytes.subarray(start, this.position))
  }

  private readExt(byteLength: number): MsgpackExt {
    const type = this.view.getInt8(this.take(1))
    return new MsgpackExt(type, this.readBytes(byteLength))
  }

  private enter(leastBytes: number, depth: number): void {
    if (depth >= maxDepth) throw new FormatError(`nested deeper than ${maxDepth} levels`, this.position)
    if (leastBytes > this.bytes.length - this.position)
      throw new FormatError(
        `the value needs at least ${leastBytes} bytes here and ${this.bytes.length - this.position} are left`,
        this.position,
      )
  }

  private readArray(count: number, depth: number): unknown[] {
    this.enter(count, depth)
    const values: unknown[] = []
    for (let i = 0; i < count; i++) values.push(this.readValue(depth + 1))
    return values
  }

  private readMap(count: number, depth: number): Record<string, unknown> | MsgpackMap {
    this.enter(2 * count, depth)
    const entries: [unknown, unknown][] = []
    const map: Record<string, unknown> = {}
    let isOdd = false
    for (let i = 0; i < count; i++) {
      const key = this.readValue(depth + 1)
      const value = this.readValue(depth + 1)
      entries.push([key, value])
      if (typeof key !== 'string' || Object.hasOwn(map, key)) isOdd = true
      else if (key === '__proto__')
        Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true })
      else map[key] = value
    }
    return isOdd ? new MsgpackMap(entries) : map
  }
}

function safely(integer: bigint): number | bigint {
  const rounded = Number(integer)
  return Number.isSafeInteger(rounded) ? rounded : integer
}
