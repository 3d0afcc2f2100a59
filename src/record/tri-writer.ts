import { assert } from '../errors.ts'
import { dataChunk, identifierChunk, maxPlainBytes } from './tri-chunks.ts'
import { payloadChunk } from './tri-payload.ts'
import { maxPositionBytes, PositionWriter, type RecordPlace } from './tri-positions.ts'

/**
 * Writes a `.tri` file with positions, block by block: a chunk of positions, then the records that it is about, in one
 * data chunk; a record above 65,536 bytes is a block of its own, of several chunks. So a record never spans blocks, and
 * whoever reads one block has all of its records.
 *
 * What is to be written comes out of `take`, piece by piece; nothing but the block under way is held besides.
 */
export class TriWriter {
  #pieces: Uint8Array[] = [identifierChunk]
  #pieceBytes = identifierChunk.length
  readonly #block = Buffer.allocUnsafe(maxPlainBytes)
  #blockBytes = 0
  readonly #positions = new PositionWriter()
  /** Of the file so far, what was taken included; the block under way is not in it. */
  fileBytes = identifierChunk.length
  plainBytes = 0
  recordCount = 0

  /** The bytes are copied. */
  add(bytes: Uint8Array, place: RecordPlace): void {
    this.recordCount += 1
    this.plainBytes += bytes.length
    if (bytes.length > maxPlainBytes) {
      this.#flush()
      const large = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      this.#positions.add(place, large, 0, large.length)
      this.#push(payloadChunk('positions', this.#positions.finish(large.length)))
      for (let at = 0; at < large.length; at += maxPlainBytes)
        for (const part of dataChunk(large.subarray(at, at + maxPlainBytes))) this.#push(copyOf(part))
      return
    }
    if (this.#blockBytes + bytes.length > maxPlainBytes || this.#positions.isLargerThan(maxPositionBytes - 4096))
      this.#flush()
    const start = this.#blockBytes
    this.#block.set(bytes, start)
    this.#blockBytes += bytes.length
    this.#positions.add(place, this.#block, start, this.#blockBytes)
  }

  /** Bytes that wait to be taken. */
  get waitingBytes(): number {
    return this.#pieceBytes
  }

  /** What became ready since the last call; nobody else holds it. */
  take(): Uint8Array[] {
    const pieces = this.#pieces
    this.#pieces = []
    this.#pieceBytes = 0
    return pieces
  }

  /** Seals the block under way; then the chunks given end the file. They are made when it is known where they begin. */
  end(ending: (fileBytes: number) => Uint8Array[] = () => []): void {
    this.#flush()
    for (const chunk of ending(this.fileBytes)) this.#push(chunk)
  }

  #flush(): void {
    if (this.#positions.recordCount === 0) return
    const content = this.#positions.finish(this.#blockBytes)
    assert(content.length <= maxPositionBytes, 'the positions of a block fit a chunk')
    this.#push(payloadChunk('positions', content))
    const [head, body] = dataChunk(this.#block.subarray(0, this.#blockBytes))
    this.#push(head)
    this.#push(copyOf(body, this.#block))
    this.#blockBytes = 0
  }

  #push(piece: Uint8Array): void {
    this.#pieces.push(piece)
    this.#pieceBytes += piece.length
    this.fileBytes += piece.length
  }
}

/** What is a view of somebody else's bytes, or of the block that will be filled again, is copied. */
function copyOf(piece: Uint8Array, block?: Buffer): Uint8Array {
  return block === undefined || piece.buffer === block.buffer ? Buffer.from(piece) : piece
}
