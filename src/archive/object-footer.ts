import { crc32c } from '@node-rs/crc32'
import { FormatError } from '../errors.ts'
import { chunkHeadBytes } from '../record/tri-chunks.ts'
import { payloadChunk, payloadOverheadBytes, readPayload } from '../record/tri-payload.ts'
import type { ArchiveStore } from './archive-store.ts'

/** What an object of ours says about itself at its end: that it is whole, and where the next one goes on. */
export interface ObjectFooter {
  /** The stream's name in Kinesis. */
  stream: string
  client: string
  /** `undecodable`: the side object of one, its records as `{"$raw": bytes}`. */
  kind: 'records' | 'undecodable'
  recordCount: number
  /** Of the records, decompressed. */
  plainBytes: number
  /** Records of the same stretch that lie in the side object, since they are not one msgpack map. */
  undecodableCount: number
  /** Epoch milliseconds, of both kinds of records. */
  firstArrivedMs: number
  lastArrivedMs: number
  /**
   * Every shard that the client has a position in, also those that nothing came from: the newest footer alone says where
   * to go on.
   */
  shards: ShardSpan[]
}

export interface ShardSpan {
  shardId: string
  /** Where the object before left this shard; absent when it is the first of this shard. */
  after?: string
  /** Of this object's records; absent when nothing came from the shard. */
  first?: string
  /** The last record stored of this shard, in this object or before it. Absent while nothing was. */
  last?: string
  /** In this object and its side object. */
  count: number
  /** The shard is closed and all of it is stored. */
  isFinished: boolean
}

/** The chunks that end a file: the footer, then a chunk of fixed size that says where it begins. */
export function footerChunks(footer: ObjectFooter, fileBytes: number): Uint8Array[] {
  const text = Buffer.from(JSON.stringify(footer))
  const chunks: Buffer[] = []
  for (let at = 0; at < text.length; at += maxFooterContent)
    chunks.push(payloadChunk('footer', text.subarray(at, at + maxFooterContent)))
  const tail = Buffer.alloc(tailContentBytes)
  tail.writeBigUInt64LE(BigInt(fileBytes), 0)
  tail.writeUInt32LE(text.length, 8)
  tail.writeUInt32LE(crc32c(text), 12)
  return [...chunks, payloadChunk('tail', tail)]
}

/**
 * The footer of an object, from a read of its last bytes; undefined when it has none: an older program wrote it, or it
 * was never completed. Throws a FormatError when there is one that can't be read.
 */
export async function readFooter(
  store: ArchiveStore,
  object: { key: string; bytes: number },
  signal?: AbortSignal,
): Promise<ObjectFooter | undefined> {
  const begin = Math.max(0, object.bytes - usualTailBytes)
  const end = await bytesOf(store, object, begin, signal)
  const tail = tailOf(end, begin)
  if (tail === undefined) return undefined
  const { footerOffset, textBytes, checksum } = tail
  const length = object.bytes - tailChunkBytes - footerOffset
  if (footerOffset > object.bytes - tailChunkBytes || length > textBytes + 1024 * payloadOverheadBytes)
    throw new FormatError(`${object.key}: its last chunk points outside of the file`, object.bytes)
  const bytes =
    footerOffset >= begin ? end.subarray(footerOffset - begin) : await bytesOf(store, object, footerOffset, signal)
  return parseFooter(textIn(bytes.subarray(0, length), object.key, footerOffset), checksum, object.key, footerOffset)
}

/** From the content of the footer's chunks, when a file is read from front to back. */
export function parseFooter(text: Buffer, checksum: number, file: string, offset: number): ObjectFooter {
  if (crc32c(text) !== checksum) throw new FormatError(`${file}: the footer's checksum does not match`, offset)
  return JSON.parse(text.toString()) as ObjectFooter
}

/** What the tail's content says. */
export function parseTail(content: Buffer): { footerOffset: number; textBytes: number; checksum: number } {
  return {
    footerOffset: Number(content.readBigUInt64LE(0)),
    textBytes: content.readUInt32LE(8),
    checksum: content.readUInt32LE(12),
  }
}

const tailContentBytes = 16
export const tailChunkBytes = payloadOverheadBytes + tailContentBytes
const maxFooterContent = 60_000
/** Enough for the footer of a stream of about 300 shards. */
const usualTailBytes = 64 * 1024

function tailOf(bytes: Buffer, offset: number): ReturnType<typeof parseTail> | undefined {
  if (bytes.length < tailChunkBytes) return undefined
  const chunk = bytes.subarray(bytes.length - tailChunkBytes)
  if (chunk[0] !== 0x80 || chunk.readUIntLE(1, 3) !== tailChunkBytes - chunkHeadBytes) return undefined
  try {
    const payload = readPayload(chunk.subarray(chunkHeadBytes), offset)
    return payload?.kind === 'tail' ? parseTail(payload.content) : undefined
  } catch {
    // The bytes of some other file may look like that.
    return undefined
  }
}

function textIn(bytes: Buffer, key: string, offset: number): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + chunkHeadBytes + (at + chunkHeadBytes <= bytes.length ? bytes.readUIntLE(at + 1, 3) : 0)
    const payload = readPayload(bytes.subarray(at + chunkHeadBytes, end), offset + at)
    if (payload?.kind !== 'footer' || end > bytes.length)
      throw new FormatError(`${key}: where the footer should be is something else`, offset + at)
    parts.push(payload.content)
    at = end
  }
  return Buffer.concat(parts)
}

async function bytesOf(
  store: ArchiveStore,
  object: { key: string; bytes: number },
  start: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of store.read(object.key, { start, end: object.bytes }, signal)) pieces.push(piece)
  return Buffer.concat(pieces)
}
