import { crc32c } from '@node-rs/crc32'
import { FormatError } from '../errors.ts'
import { chunkHeadBytes, chunkType } from './tri-chunks.ts'

/**
 * A chunk of ours in a `.tri` file, of a type that readers of the framing format pass over. Its payload:
 *
 *     `TRI` | version, 1 byte, 1 | kind, 1 byte | content | CRC-32C of all before it, 4 bytes little-endian
 */
export type PayloadKind = 'positions' | 'footer' | 'tail'

export interface TriPayload {
  kind: PayloadKind
  /** A view. */
  content: Buffer
}

const kinds: Record<PayloadKind, number> = { positions: 0x50, footer: 0x46, tail: 0x54 }
const kindOf = new Map(Object.entries(kinds).map(([kind, byte]) => [byte, kind as PayloadKind]))
const magic = Buffer.from('TRI\x01', 'latin1')
const beforeContent = magic.length + 1
const afterContent = 4

/** What content of this length takes as a chunk. */
export const payloadOverheadBytes = chunkHeadBytes + beforeContent + afterContent

/** The whole chunk. */
export function payloadChunk(kind: PayloadKind, content: Uint8Array): Buffer {
  const chunk = Buffer.allocUnsafe(payloadOverheadBytes + content.length)
  chunk[0] = chunkType.ours
  chunk.writeUIntLE(chunk.length - chunkHeadBytes, 1, 3)
  magic.copy(chunk, chunkHeadBytes)
  chunk[chunkHeadBytes + magic.length] = kinds[kind]
  chunk.set(content, chunkHeadBytes + beforeContent)
  const end = chunk.length - afterContent
  chunk.writeUInt32LE(crc32c(chunk.subarray(chunkHeadBytes, end)), end)
  return chunk
}

/**
 * What stands in a chunk of type 80; undefined when it is somebody else's, or of a version or kind that is not known yet.
 * Throws a FormatError, with the chunk's offset, when it is ours and damaged.
 */
export function readPayload(payload: Uint8Array, offset: number): TriPayload | undefined {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  if (bytes.length < beforeContent + afterContent || !magic.equals(bytes.subarray(0, magic.length))) return undefined
  const end = bytes.length - afterContent
  if (crc32c(bytes.subarray(0, end)) !== bytes.readUInt32LE(end))
    throw new FormatError('the checksum of a chunk of positions does not match', offset)
  const kind = kindOf.get(bytes[magic.length] as number)
  return kind && { kind, content: bytes.subarray(beforeContent, end) }
}
