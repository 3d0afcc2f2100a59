import { FormatError } from '../errors.ts'
import {
  checksumBytes,
  chunkHeadBytes,
  chunkType,
  identifierChunk,
  maskedChecksum,
  maxPlainBytes,
  usualChunkBytes,
} from './tri-chunks.ts'
import { uncompressBlock } from './uncompress-block.ts'

/** What a `.tri` file holds, chunk by chunk. */
export type TriChunk =
  | { type: 'data' /** Where the chunk begins in the file. */; offset: number; plain: Uint8Array }
  | { type: 'ours'; offset: number; payload: Uint8Array }
  /** Only when salvaging: from here to `until` nothing could be read. */
  | { type: 'damage'; offset: number; until: number; reason: string }

export interface ChunkReaderOptions {
  /** Look for the next good chunk after a damaged one, instead of failing. @default false */
  salvage?: boolean
  /** A chunk of more than 65,536 plain bytes was met, which py-triton can write and the format forbids. */
  onOversized?: (offset: number, plainBytes: number) => void
}

/**
 * Reads the chunks of a `.tri` file out of the pieces in which it comes, holding no more than one chunk (16 MiB at the
 * most, by its length field). A damaged chunk is a FormatError with its offset, as is an end inside a chunk, after all
 * that stands before it was handed out.
 */
export async function* readChunks(
  pieces: AsyncIterable<Uint8Array>,
  { salvage = false, onOversized }: ChunkReaderOptions = {},
): AsyncGenerator<TriChunk[]> {
  const window = new Window()
  /** Bytes of a chunk of no interest that are still to come. */
  let passing = 0
  let isBegun = false
  /** Where a damaged stretch began, while the next good chunk is looked for. */
  let damage: { offset: number; reason: string } | undefined

  for await (const piece of pieces) {
    window.append(piece)
    const { chunks, failure } = collect(false)
    if (chunks.length > 0) yield chunks
    if (failure) throw failure
  }
  const { chunks, failure } = collect(true)
  if (chunks.length > 0) yield chunks
  if (failure) throw failure

  /** What stands before a failure is good. */
  function collect(isEnd: boolean): { chunks: TriChunk[]; failure?: unknown } {
    const chunks: TriChunk[] = []
    try {
      for (const chunk of take(isEnd)) chunks.push(chunk)
      return { chunks }
    } catch (failure) {
      return { chunks, failure }
    }
  }

  /** Every chunk that is there in whole. */
  function* take(isEnd: boolean): Generator<TriChunk> {
    for (;;) {
      if (damage !== undefined) {
        const found = seek(isEnd)
        if (found === undefined) {
          if (isEnd) yield { type: 'damage', ...damage, until: window.offset }
          return
        }
        yield { type: 'damage', ...damage, until: window.offset }
        damage = undefined
      }
      if (passing > 0) passing -= window.drop(Math.min(passing, window.length))
      if (window.length === 0 && passing === 0) return
      const { offset } = window
      const step = passing > 0 ? 'more' : next()
      if (step === 'more') {
        if (!isEnd) return
        const reason = 'the file ends inside a chunk'
        if (!salvage) throw new FormatError(reason, offset)
        // Its length may be what is damaged: good chunks may stand in there.
        passing = 0
        damage = { offset, reason }
        window.drop(Math.min(1, window.length))
      } else if (step instanceof FormatError) {
        if (!salvage) throw step
        damage = { offset, reason: step.message }
        window.drop(Math.min(1, window.length))
      } else if (step !== 'passed') yield step
    }
  }

  /** One step at the beginning of a chunk. */
  function next(): TriChunk | 'more' | 'passed' | FormatError {
    const { offset } = window
    if (window.length < chunkHeadBytes) return isBegun || looksLikeTri(window.peek(window.length)) ? 'more' : foreign()
    const head = window.peek(chunkHeadBytes)
    const type = head[0] as number
    const length = lengthIn(head)
    if (!isBegun && !looksLikeTri(head)) return foreign()
    if (type === chunkType.identifier) {
      if (length !== identifierChunk.length - chunkHeadBytes)
        return new FormatError(`a stream identifier of ${length} bytes`, offset)
      if (window.length < identifierChunk.length) return 'more'
      if (!identifierChunk.equals(window.peek(identifierChunk.length)))
        return new FormatError('a stream identifier that is not sNaPpY', offset)
      window.drop(identifierChunk.length)
      isBegun = true
      return 'passed'
    }
    if (type === chunkType.compressed || type === chunkType.plain) {
      if (length < checksumBytes) return new FormatError(`a data chunk of ${length} bytes has no checksum`, offset)
      if (window.length < chunkHeadBytes + length) return 'more'
      const chunk = window.peek(chunkHeadBytes + length)
      try {
        const plain = plainBytesOf(chunk, offset)
        if (plain.length > maxPlainBytes) onOversized?.(offset, plain.length)
        window.drop(chunk.length)
        return { type: 'data', offset, plain }
      } catch (error) {
        if (error instanceof FormatError) return error
        throw error
      }
    }
    if (type < 0x80) return new FormatError(`chunk type 0x${type.toString(16).padStart(2, '0')} is unknown`, offset)
    if ((type === chunkType.ours || type === disguisedPlain) && length <= usualChunkBytes) {
      if (window.length < chunkHeadBytes + length) return 'more'
      const chunk = window.peek(chunkHeadBytes + length)
      const isOurs = type === chunkType.ours && chunk.toString('latin1', 4, 7) === 'TRI'
      if (!isOurs && isDataInDisguise(chunk))
        return new FormatError(`the type of a data chunk was damaged: 0x${type.toString(16)}`, offset)
      // A copy: positions are looked at when the data that they belong to has come.
      const payload = Buffer.from(chunk.subarray(chunkHeadBytes))
      window.drop(chunk.length)
      return isOurs ? { type: 'ours', offset, payload } : 'passed'
    }
    window.drop(chunkHeadBytes)
    passing = length
    passing -= window.drop(Math.min(passing, window.length))
    return 'passed'
  }

  function foreign(): FormatError {
    return new FormatError('it does not begin with the stream identifier of a .tri file', window.offset)
  }

  /** Drops bytes up to the next chunk that is surely one; undefined when that can't be told yet, or there is none. */
  function seek(isEnd: boolean): true | undefined {
    while (window.length > 0) {
      const bytes = window.peek(window.length)
      const at = candidate(bytes)
      window.drop(at < 0 ? bytes.length : at)
      if (at < 0) return undefined
      const verdict = isGoodChunk(window.peek(window.length))
      if (verdict === 'good') {
        isBegun = true
        return true
      }
      if (verdict === 'more' && !isEnd) return undefined
      window.drop(1)
    }
    return undefined
  }
}

/** A plain data chunk whose highest bit was flipped; a compressed one would be of the type of ours. */
const disguisedPlain = 0x81

/**
 * Whether a chunk that may be passed over has the checksum of a data chunk: one flipped bit would make its records vanish
 * without a word.
 */
function isDataInDisguise(chunk: Buffer): boolean {
  if (chunk.length < chunkHeadBytes + checksumBytes + 1) return false
  const data = Buffer.from(chunk)
  data[0] = (chunk[0] as number) & 0x7f
  try {
    plainBytesOf(data, 0)
    return true
  } catch {
    return false
  }
}

/** The bytes of a data chunk, head included, checked and decompressed; a view when they were plain. */
function plainBytesOf(chunk: Buffer, offset: number): Uint8Array {
  const body = chunk.subarray(chunkHeadBytes + checksumBytes)
  const plain = chunk[0] === chunkType.plain ? Buffer.from(body) : uncompressBlock(body, maxOversizedBytes, offset)
  const checksum = chunk.readUInt32LE(chunkHeadBytes)
  if (maskedChecksum(plain) !== checksum) throw new FormatError('the checksum of a chunk does not match', offset)
  return plain
}

/** Of chunks that py-triton wrote too large; the format allows 65,536. */
const maxOversizedBytes = 16 * 1024 * 1024

function lengthIn(head: Uint8Array): number {
  return (head[1] as number) | ((head[2] as number) << 8) | ((head[3] as number) << 16)
}

/** As far as it is there. */
function looksLikeTri(head: Uint8Array): boolean {
  return head.every((byte, index) => byte === identifierChunk[index])
}

/** Where a chunk could begin. */
function candidate(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; at++) {
    const type = bytes[at] as number
    if (type > 1 && type !== chunkType.identifier && type !== chunkType.ours) continue
    if (at + chunkHeadBytes > bytes.length) return at
    const length = lengthIn(bytes.subarray(at, at + chunkHeadBytes))
    if (type === chunkType.identifier ? length === 6 : length >= checksumBytes && length <= usualChunkBytes) return at
  }
  return -1
}

function isGoodChunk(bytes: Buffer): 'good' | 'bad' | 'more' {
  if (bytes.length < chunkHeadBytes) return 'more'
  const length = lengthIn(bytes)
  if (bytes.length < chunkHeadBytes + length) return 'more'
  const chunk = bytes.subarray(0, chunkHeadBytes + length)
  if (chunk[0] === chunkType.identifier) return identifierChunk.equals(chunk) ? 'good' : 'bad'
  if (chunk[0] === chunkType.ours) return chunk.toString('latin1', 4, 7) === 'TRI' ? 'good' : 'bad'
  try {
    plainBytesOf(chunk, 0)
    return 'good'
  } catch {
    return 'bad'
  }
}

/** The bytes that came and were not dropped yet, as one buffer where somebody looks at them. */
class Window {
  /** Of the first byte, in the file. */
  offset = 0
  #pieces: Buffer[] = []
  #begin = 0
  length = 0

  append(piece: Uint8Array): void {
    if (piece.length === 0) return
    this.#pieces.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))
    this.length += piece.length
  }

  /** A view that is good until the next call. */
  peek(byteLength: number): Buffer {
    let first = this.#pieces[0] ?? Buffer.alloc(0)
    if (first.length - this.#begin < byteLength) {
      // Only as many as needed: a large file that comes in small pieces must not be copied again and again.
      const parts = [first.subarray(this.#begin)]
      let has = first.length - this.#begin
      let count = 1
      for (; has < byteLength; count++) {
        const part = this.#pieces[count] as Buffer
        parts.push(part)
        has += part.length
      }
      first = Buffer.concat(parts, has)
      this.#pieces.splice(0, count, first)
      this.#begin = 0
    }
    return first.subarray(this.#begin, this.#begin + byteLength)
  }

  drop(byteLength: number): number {
    let left = byteLength
    this.offset += left
    this.length -= left
    while (left > 0) {
      const first = this.#pieces[0] as Buffer
      const has = first.length - this.#begin
      if (has > left) {
        this.#begin += left
        break
      }
      this.#pieces.shift()
      this.#begin = 0
      left -= has
    }
    return byteLength
  }
}
