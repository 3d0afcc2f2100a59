/**
 * The frame of a `.tri` file, uncompressed: Snappy's framing format with its stream identifier and plain chunks (type
 * 01), each of at most 65,536 bytes under a masked CRC-32C. What the format compresses by less than an eighth looks the
 * same, so every reader of the format reads it.
 */
export function plainTriFile(bytes: Uint8Array): Buffer {
  const pieces: Buffer[] = [identifier]
  for (let at = 0; at < bytes.length; at += maxChunkBytes) {
    const data = bytes.subarray(at, at + maxChunkBytes)
    const head = Buffer.alloc(8)
    head[0] = plainChunk
    head.writeUIntLE(data.length + 4, 1, 3)
    head.writeUInt32LE(masked(crc32c(data)), 4)
    pieces.push(head, Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  }
  return Buffer.concat(pieces)
}

const identifier = Buffer.from('ff060000734e61507059', 'hex')
const plainChunk = 0x01
const maxChunkBytes = 65_536

/** As the framing format's description says (google/snappy, framing_format.txt, section 3). */
function masked(checksum: number): number {
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0
}

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] as number)
  return (crc ^ 0xffff_ffff) >>> 0
}

/** Castagnoli's polynomial, reflected. */
const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * 0x82f63b78)
  return crc >>> 0
})
