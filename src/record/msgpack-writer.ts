import { isWellFormed } from './well-formed.ts'

/**
 * Writes msgpack of the current specification, each thing in its shortest form. Values are written between `beginBytes`
 * and `endBytes`, one set of bytes behind the other, and handed out as views into a slab, which spares an allocation
 * and a copy for each.
 *
 * A `toJSON` or a getter may write something itself in between: an inner pair of begin and end gets a slab of its own.
 */
const slabBytes = 64 * 1024

let slab = Buffer.allocUnsafeSlow(slabBytes)
let view = new DataView(slab.buffer)
let position = 0
/** Where in the slab the bytes begin that are being written; below 0 while nothing is. */
let beginning = -1
const interrupted: { slab: Buffer<ArrayBuffer>; view: DataView<ArrayBuffer>; position: number; beginning: number }[] =
  []

/** Every `beginBytes` is followed by one `endBytes` or `dropBytes`. */
export function beginBytes(): void {
  if (beginning >= 0) {
    interrupted.push({ slab, view, position, beginning })
    slab = Buffer.allocUnsafeSlow(1024)
    view = new DataView(slab.buffer)
    position = 0
  }
  beginning = position
}

export function endBytes(): Buffer {
  const bytes = slab.subarray(beginning, position)
  leave()
  return bytes
}

/** Forgets what was written since `beginBytes`. */
export function dropBytes(): void {
  position = beginning
  leave()
}

function leave(): void {
  beginning = -1
  const outer = interrupted.pop()
  if (outer !== undefined) ({ slab, view, position, beginning } = outer)
}

function reserve(byteCount: number): void {
  if (position + byteCount > slab.length) grow(byteCount)
}

/** The bytes begun so far move into a new slab; those handed out keep the old one. */
function grow(byteCount: number): void {
  const written = position - beginning
  const larger = Buffer.allocUnsafeSlow(Math.max(slabBytes, 2 * (written + byteCount)))
  larger.set(slab.subarray(beginning, position))
  slab = larger
  view = new DataView(slab.buffer)
  position = written
  beginning = 0
}

export function writeNil(): void {
  writeByte(0xc0)
}

export function writeBoolean(value: boolean): void {
  writeByte(value ? 0xc3 : 0xc2)
}

function writeByte(byte: number): void {
  reserve(1)
  slab[position++] = byte
}

export function writeFloat(value: number): void {
  reserve(9)
  slab[position++] = 0xcb
  view.setFloat64(position, value)
  position += 8
}

/** `value` is a safe integer. */
export function writeInteger(value: number): void {
  reserve(9)
  if (value >= 0) {
    if (value < 0x80) slab[position++] = value
    else if (value <= 0xff) {
      slab[position++] = 0xcc
      slab[position++] = value
    } else if (value <= 0xffff) {
      slab[position++] = 0xcd
      view.setUint16(position, value)
      position += 2
    } else if (value <= 0xffffffff) {
      slab[position++] = 0xce
      view.setUint32(position, value)
      position += 4
    } else writeWide(0xcf, value)
  } else if (value >= -0x20) slab[position++] = value + 0x100
  else if (value >= -0x80) {
    slab[position++] = 0xd0
    slab[position++] = value + 0x100
  } else if (value >= -0x8000) {
    slab[position++] = 0xd1
    view.setInt16(position, value)
    position += 2
  } else if (value >= -0x80000000) {
    slab[position++] = 0xd2
    view.setInt32(position, value)
    position += 4
  } else writeWide(0xd3, value)
}

function writeWide(head: number, value: number): void {
  slab[position++] = head
  view.setInt32(position, Math.floor(value / 0x1_0000_0000))
  view.setUint32(position + 4, value >>> 0)
  position += 8
}

/** Answers false, and writes nothing, when the integer fits neither int64 nor uint64. */
export function writeBigint(value: bigint): boolean {
  if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) {
    writeInteger(Number(value))
    return true
  }
  if (value < 0n ? BigInt.asIntN(64, value) !== value : BigInt.asUintN(64, value) !== value) return false
  reserve(9)
  slab[position++] = value < 0n ? 0xd3 : 0xcf
  view.setBigUint64(position, BigInt.asUintN(64, value))
  position += 8
  return true
}

/** Up to this length a loop over the characters beats a call into Node, and 255 bytes are enough. */
const shortTextLength = 80

/** Answers false when the text holds half a surrogate pair, which UTF-8 cannot express. */
export function writeText(text: string): boolean {
  const { length } = text
  if (length > shortTextLength) return writeLongText(text)
  reserve(3 * length + 2)
  const bytes = slab
  const start = position
  let at = length > 31 ? start + 2 : start + 1
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return writeShortText(text)
    bytes[at++] = code
  }
  if (length > 31) {
    bytes[start] = 0xd9
    bytes[start + 1] = length
  } else bytes[start] = 0xa0 | length
  position = at
  return true
}

/** Not all ASCII: how many bytes it has is known behind it only, so it is written behind the longer of two heads. */
function writeShortText(text: string): boolean {
  const { length } = text
  const bytes = slab
  const start = position
  let at = start + 2
  for (let i = 0; i < length; i++) {
    let code = text.charCodeAt(i)
    if (code < 0x80) {
      bytes[at++] = code
      continue
    }
    if (code < 0x800) bytes[at++] = 0xc0 | (code >> 6)
    else {
      if ((code & 0xf800) === 0xd800) {
        const low = text.charCodeAt(++i)
        if (code >= 0xdc00 || (low & 0xfc00) !== 0xdc00) return false
        code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00)
        bytes[at++] = 0xf0 | (code >> 18)
        bytes[at++] = 0x80 | ((code >> 12) & 0x3f)
      } else bytes[at++] = 0xe0 | (code >> 12)
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f)
    }
    bytes[at++] = 0x80 | (code & 0x3f)
  }
  const byteLength = at - start - 2
  if (byteLength > 31) {
    bytes[start] = 0xd9
    bytes[start + 1] = byteLength
    position = at
  } else {
    bytes[start] = 0xa0 | byteLength
    bytes.copyWithin(start + 1, start + 2, at)
    position = at - 1
  }
  return true
}

function writeLongText(text: string): boolean {
  if (!isWellFormed(text)) return false
  const byteLength = Buffer.byteLength(text, 'utf8')
  reserve(byteLength + 5)
  writeLength(byteLength, 0xd9)
  position += slab.write(text, position, 'utf8')
  return true
}

export function writeBin(bytes: Uint8Array): void {
  reserve(bytes.length + 5)
  writeLength(bytes.length, 0xc4)
  writeRest(bytes)
}

export function writeExt(type: number, data: Uint8Array): void {
  reserve(data.length + 6)
  const fixHead = fixExtHeads.get(data.length)
  if (fixHead !== undefined) slab[position++] = fixHead
  else writeLength(data.length, 0xc7)
  view.setInt8(position++, type)
  writeRest(data)
}

const fixExtHeads = new Map([
  [1, 0xd4],
  [2, 0xd5],
  [4, 0xd6],
  [8, 0xd7],
  [16, 0xd8],
])

function writeRest(bytes: Uint8Array): void {
  slab.set(bytes, position)
  position += bytes.length
}

/** Head and length of str (first head 0xd9), bin (0xc4) and ext (0xc7); room is reserved already. */
function writeLength(byteLength: number, head: number): void {
  if (byteLength <= 0xff) {
    slab[position++] = head
    slab[position++] = byteLength
  } else if (byteLength <= 0xffff) {
    slab[position++] = head + 1
    view.setUint16(position, byteLength)
    position += 2
  } else {
    slab[position++] = head + 2
    view.setUint32(position, byteLength)
    position += 4
  }
}

/** Its `count` items are written next. */
export function writeArrayHead(count: number): void {
  reserve(5)
  writeCount(count, 0x90, 0xdc)
}

/** Its `count` keys and values are written next, in turn. */
export function writeMapHead(count: number): void {
  reserve(5)
  writeCount(count, 0x80, 0xde)
}

/** Head and count of a map (fix 0x80, first head 0xde) or an array (0x90, 0xdc); room is reserved already. */
function writeCount(count: number, fixHead: number, head: number): void {
  if (count < 16) slab[position++] = fixHead | count
  else if (count <= 0xffff) {
    slab[position++] = head
    view.setUint16(position, count)
    position += 2
  } else {
    slab[position++] = head + 1
    view.setUint32(position, count)
    position += 4
  }
}

/**
 * A container whose count is known behind its last entry only: one byte is left for the head, and where that is too
 * little `closeMap` and `closeArray` move the entries. Answers what they want to be given.
 */
export function openContainer(): number {
  reserve(1)
  return position++ - beginning
}

export function closeMap(opened: number, count: number): void {
  if (count < 16) slab[beginning + opened] = 0x80 | count
  else insertCount(opened, count, 0xde)
}

export function closeArray(opened: number, count: number): void {
  if (count < 16) slab[beginning + opened] = 0x90 | count
  else insertCount(opened, count, 0xdc)
}

function insertCount(opened: number, count: number, head: number): void {
  const countBytes = count <= 0xffff ? 2 : 4
  reserve(countBytes)
  const start = beginning + opened
  const stop = position + countBytes
  slab.copyWithin(start + 1 + countBytes, start + 1, position)
  position = start
  writeCount(count, 0, head)
  position = stop
}
