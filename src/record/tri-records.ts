import { FormatError } from '../errors.ts'
import { readChunks } from './tri-chunk-reader.ts'
import { readPayload } from './tri-payload.ts'
import { maxBlockBytes, PositionBlock } from './tri-positions.ts'
import { ValueScan } from './value-scan.ts'

/** Records of a `.tri` file that lie back to back in one buffer. */
export interface RecordBlock {
  /** The first record begins at `start`; what lies before it was handed out. */
  bytes: Buffer
  start: number
  /** Where each record ends. */
  ends: readonly number[]
  /** How many records stand before them in the file. */
  recordNumber: number
  /** Where the chunk begins in which they end. */
  offset: number
  /** Only in files that we wrote. */
  positions?: PositionBlock
}

export type TriPart =
  | ({ type: 'records' } & RecordBlock)
  /** The content of the footer's chunks, in the order in which they stand. */
  | { type: 'footer'; content: Buffer; offset: number }
  | { type: 'tail'; content: Buffer; offset: number }
  /** When salvaging: what could not be read, in bytes of the file. */
  | { type: 'damage'; offset: number; until: number; recordNumber: number; reason: string }

export interface ReadRecordsOptions {
  /** What messages call the file. @default 'the input' */
  file?: string
  /** Read on after damage, and tell of it, instead of failing. @default false */
  salvage?: boolean
  onOversized?: (offset: number, plainBytes: number) => void
}

/**
 * The records of a `.tri` file in the order written. What can't be read is a FormatError that names file, offset and how
 * many records came before; those were handed out. Holds one chunk, and the record that is not there in whole.
 *
 * Salvaging, records behind a damaged place are found again by the positions, where the file has them; else by looking
 * for where maps follow one another up to the end of a chunk. The first of those may be the rest of a record, so it is
 * left out.
 */
export async function* readRecords(
  pieces: AsyncIterable<Uint8Array>,
  { file = 'the input', salvage = false, onOversized }: ReadRecordsOptions = {},
): AsyncGenerator<TriPart> {
  const assembly = new Assembly(salvage)
  try {
    for await (const chunks of readChunks(pieces, { salvage, ...(onOversized && { onOversized }) })) {
      for (const chunk of chunks) {
        if (chunk.type === 'data') yield* assembly.addData(chunk.plain as Buffer, chunk.offset)
        else if (chunk.type === 'ours') yield* assembly.addPayload(chunk.payload, chunk.offset)
        else yield assembly.lose(chunk)
      }
    }
    yield* assembly.end()
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    throw named(error, file, assembly.recordNumber)
  }
}

function named({ message, offset, cause }: FormatError, file: string, recordNumber: number): FormatError {
  const place = `${file}: ${message}; at byte ${offset}, behind ${recordNumber} whole records`
  return new FormatError(place, offset, cause === undefined ? {} : { cause })
}

/** Puts records together that span chunks, and the records of a block of ours to their positions. */
class Assembly {
  recordNumber = 0
  readonly #isSalvaging: boolean
  readonly #scan = new ValueScan()
  /** The beginning of a record, or of a block of ours, that is not there in whole. */
  #rest = Buffer.alloc(0)
  #restBytes = 0
  #positions: PositionBlock | undefined
  #lastOffset = 0
  /** Behind damage, in a file without positions: nobody knows where a record begins. */
  #isLost = false

  constructor(isSalvaging: boolean) {
    this.#isSalvaging = isSalvaging
    this.#scan.begin(0)
  }

  *addData(plain: Buffer, offset: number): Generator<TriPart> {
    this.#lastOffset = offset
    try {
      if (this.#positions !== undefined) yield* this.#addToBlock(this.#positions, plain, offset)
      else if (this.#isLost) yield* this.#findAgain(plain, offset)
      else yield* this.#addValues(plain, offset)
    } catch (error) {
      if (!this.#isSalvaging || !(error instanceof FormatError)) throw error
      yield this.lose({ offset, until: offset, reason: error.message })
    }
  }

  *addPayload(payload: Uint8Array, offset: number): Generator<TriPart> {
    try {
      const found = readPayload(payload, offset)
      if (found === undefined) return
      const { kind, content } = found
      if (kind !== 'positions') {
        yield { type: kind, content, offset }
        return
      }
      if (this.#restBytes > 0 || this.#positions !== undefined)
        throw new FormatError('a record is not there in whole when the next block begins', offset)
      this.#positions = new PositionBlock(content, offset)
      this.#isLost = false
    } catch (error) {
      if (!this.#isSalvaging || !(error instanceof FormatError)) throw error
      yield this.lose({ offset, until: offset, reason: error.message })
      // What was lost is the block before, if these positions are sound.
      const again = positionsOf(payload, offset)
      if (again === undefined) return
      this.#positions = again
      this.#isLost = false
    }
  }

  /** Forgets what was under way. */
  lose({ offset, until, reason }: { offset: number; until: number; reason: string }): TriPart {
    this.#restBytes = 0
    this.#positions = undefined
    this.#isLost = true
    return { type: 'damage', offset, until, recordNumber: this.recordNumber, reason }
  }

  *end(): Generator<TriPart> {
    if (this.#restBytes === 0 && this.#positions === undefined) return
    const error = new FormatError('the file ends inside a record', this.#lastOffset)
    if (!this.#isSalvaging) throw error
    yield this.lose({ offset: error.offset, until: error.offset, reason: error.message })
  }

  *#addToBlock(positions: PositionBlock, plain: Buffer, offset: number): Generator<TriPart> {
    const has = this.#restBytes + plain.length
    if (has > positions.plainBytes) throw new FormatError('a block holds more than its positions say', offset)
    if (has < positions.plainBytes) {
      this.#keep(plain, 0)
      return
    }
    const bytes = this.#restBytes === 0 ? plain : this.#withRest(plain)
    this.#positions = undefined
    this.#scan.begin(0)
    yield this.#block(bytes, 0, positions.ends(), offset, positions)
  }

  *#addValues(plain: Buffer, offset: number): Generator<TriPart> {
    const isFresh = this.#restBytes === 0
    if (!isFresh) this.#keep(plain, 0)
    const bytes = isFresh ? plain : this.#rest.subarray(0, this.#restBytes)
    const ends: number[] = []
    let failure: unknown
    try {
      for (let end = this.#scan.scan(bytes, bytes.length); end >= 0; end = this.#scan.scan(bytes, bytes.length)) {
        ends.push(end)
        this.#scan.begin(end)
      }
    } catch (error) {
      failure = error
    }
    const begin = ends[ends.length - 1] ?? 0
    if (ends.length > 0) {
      // They go with their buffer; what is left begins in a new one.
      if (!isFresh) this.#rest = Buffer.alloc(0)
      this.#restBytes = 0
      this.#scan.move(begin)
      yield this.#block(bytes, 0, ends, offset)
    }
    if (failure !== undefined) throw new FormatError((failure as Error).message, offset)
    if (bytes.length - begin > maxBlockBytes)
      throw new FormatError(`a record of more than ${maxBlockBytes} bytes`, offset)
    if ((isFresh || ends.length > 0) && begin < bytes.length) this.#keep(bytes, begin)
  }

  /** The first offset from which on maps follow one another up to the end of the chunk. */
  *#findAgain(plain: Buffer, offset: number): Generator<TriPart> {
    for (let at = 0; at < plain.length; at++) {
      const head = plain[at] as number
      if ((head & 0xf0) !== 0x80 && head !== 0xde && head !== 0xdf) continue
      const found = mapsFrom(plain, at)
      if (found === undefined || found.length < 2) continue
      const [first, ...ends] = found as [number, ...number[]]
      const last = ends[ends.length - 1] as number
      this.#isLost = false
      yield this.#block(plain, first, ends, offset)
      this.#scan.begin(0)
      if (last < plain.length) this.#keep(plain, last)
      return
    }
  }

  #block(bytes: Buffer, start: number, ends: readonly number[], offset: number, positions?: PositionBlock): TriPart {
    const { recordNumber } = this
    this.recordNumber += ends.length
    return { type: 'records', bytes, start, ends, recordNumber, offset, ...(positions && { positions }) }
  }

  /** Keeps a copy of what is not whole; there is room for more, so that a long record is not copied at each chunk. */
  #keep(bytes: Buffer, from: number): void {
    const needed = this.#restBytes + bytes.length - from
    if (needed > this.#rest.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#rest.length, 128 * 1024))
      this.#rest.copy(larger, 0, 0, this.#restBytes)
      this.#rest = larger
    }
    bytes.copy(this.#rest, this.#restBytes, from)
    this.#restBytes = needed
  }

  /** What was kept and what came, as one buffer that nobody writes to any more. */
  #withRest(plain: Buffer): Buffer {
    this.#keep(plain, 0)
    const bytes = this.#rest.subarray(0, this.#restBytes)
    this.#rest = Buffer.alloc(0)
    this.#restBytes = 0
    return bytes
  }
}

function positionsOf(payload: Uint8Array, offset: number): PositionBlock | undefined {
  try {
    const found = readPayload(payload, offset)
    return found?.kind === 'positions' ? new PositionBlock(found.content, offset) : undefined
  } catch {
    return undefined
  }
}

/** Where each of the maps ends that follow one another from `at` on; undefined when something else comes among them. */
function mapsFrom(bytes: Buffer, at: number): number[] | undefined {
  const scan = new ValueScan()
  const ends: number[] = []
  try {
    for (let begin = at; begin < bytes.length; ) {
      const head = bytes[begin] as number
      if ((head & 0xf0) !== 0x80 && head !== 0xde && head !== 0xdf) return undefined
      scan.begin(begin)
      const end = scan.scan(bytes, bytes.length)
      if (end < 0) return ends
      ends.push(end)
      begin = end
    }
    return ends
  } catch {
    return undefined
  }
}
