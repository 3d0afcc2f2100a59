/**
 * How records lie in a block of the stream's log, back to back, little-endian:
 *
 *     key length   u16, 0xffff when the record was put without a key
 *     data length  u32
 *     key          UTF-8
 *     data
 */
export const packedHeaderBytes = 6
export const noKey = 0xffff

/** Writes one record and answers the offset behind it. */
export function packRecord(block: Buffer, offset: number, key: Uint8Array | undefined, data: Uint8Array): number {
  block.writeUInt16LE(key === undefined ? noKey : key.length, offset)
  block.writeUInt32LE(data.length, offset + 2)
  let at = offset + packedHeaderBytes
  if (key !== undefined) {
    block.set(key, at)
    at += key.length
  }
  block.set(data, at)
  return at + data.length
}

export function packedLength(keyBytes: number, dataBytes: number): number {
  return packedHeaderBytes + keyBytes + dataBytes
}

/** Key length of the packed record at `offset`; 0 for a record without a key. */
export function keyLengthAt(block: Buffer, offset: number): number {
  const length = (block[offset] as number) | ((block[offset + 1] as number) << 8)
  return length === noKey ? 0 : length
}

export function hasKeyAt(block: Buffer, offset: number): boolean {
  return block[offset] !== 0xff || block[offset + 1] !== 0xff
}

export function dataLengthAt(block: Buffer, offset: number): number {
  return (
    ((block[offset + 2] as number) |
      ((block[offset + 3] as number) << 8) |
      ((block[offset + 4] as number) << 16) |
      ((block[offset + 5] as number) << 24)) >>>
    0
  )
}
