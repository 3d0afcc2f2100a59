import { uncompressSync } from 'snappy'
import { FormatError } from '../errors.ts'

/**
 * Decompresses a block of snappy, after a look at how long it claims to be: memory is asked for by that claim. Throws a
 * FormatError with the offset given.
 */
export function uncompressBlock(block: Buffer, mostBytes: number, offset: number): Buffer {
  const claimed = claimedLength(block)
  if (claimed === undefined || claimed > mostBytes)
    throw new FormatError(`a compressed chunk claims to hold ${claimed ?? 'more than 4 GiB of'} bytes`, offset)
  // The library refuses no bytes at all, which some writers leave behind.
  if (claimed === 0 && block.length === 1) return Buffer.alloc(0)
  try {
    return uncompressSync(block, { asBuffer: true }) as Buffer
  } catch (cause) {
    throw new FormatError('a chunk does not decompress', offset, { cause })
  }
}

/** The varint that a compressed block begins with: its plain length, at most 32 bits. */
function claimedLength(body: Uint8Array): number | undefined {
  let length = 0
  for (let i = 0; i < 5; i++) {
    const byte = body[i]
    if (byte === undefined) return undefined
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return length
  }
  return undefined
}
