import { crc32c } from '@node-rs/crc32'
import { compressSync } from 'snappy'

/**
 * The chunks of a `.tri` file: Snappy's framing format (google/snappy, framing_format.txt).
 *
 *     type, 1 byte | length of what follows, 3 bytes little-endian | body
 *
 *     ff  stream identifier, `sNaPpY`; begins a file and may come again
 *     00  masked CRC-32C of the plain bytes, 4 bytes little-endian | compressed bytes
 *     01  the same | plain bytes
 *     fe  padding, 80..fd skippable: passed over; 80 with `TRI` holds our positions (tri-positions.ts, tri-footer.ts)
 *     02..7f  an error
 *
 * The plain bytes of a chunk are at most 65,536. What they are, one after the other, is msgpack values back to back.
 */
export const chunkType = { compressed: 0x00, plain: 0x01, ours: 0x80, padding: 0xfe, identifier: 0xff } as const

export const chunkHeadBytes = 4
export const checksumBytes = 4
export const maxPlainBytes = 65_536
/** What a chunk's length can say. */
export const maxChunkBytes = 0xff_ffff
/** What 65,536 plain bytes may become at most when compressed (snappy's MaxCompressedLength), under their checksum. */
export const usualChunkBytes = checksumBytes + 32 + maxPlainBytes + Math.floor(maxPlainBytes / 6)

export const identifierChunk = Buffer.from('ff060000734e61507059', 'hex')

/** A data chunk of at most 65,536 bytes, compressed when that saves an eighth; head and body apart. */
export function dataChunk(plain: Uint8Array): [head: Buffer, body: Uint8Array] {
  const compressed = compressSync(plain, { copyOutputData: true })
  const isSmaller = compressed.length < plain.length - Math.floor(plain.length / 8)
  const body = isSmaller ? compressed : plain
  const head = Buffer.allocUnsafe(chunkHeadBytes + checksumBytes)
  head[0] = isSmaller ? chunkType.compressed : chunkType.plain
  head.writeUIntLE(body.length + checksumBytes, 1, 3)
  head.writeUInt32LE(maskedChecksum(plain), chunkHeadBytes)
  return [head, body]
}

/** As the framing format's description says, section 3. */
export function maskedChecksum(bytes: Uint8Array): number {
  const checksum = crc32c(bytes)
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0
}

/** A whole `.tri` file of bytes that are at hand, without positions. */
export function triFile(bytes: Uint8Array): Buffer {
  const pieces: Uint8Array[] = [identifierChunk]
  for (let at = 0; at < bytes.length; at += maxPlainBytes)
    pieces.push(...dataChunk(bytes.subarray(at, at + maxPlainBytes)))
  return Buffer.concat(pieces)
}
