import { compressSync } from 'snappy'
import { FormatError } from '../errors.ts'
import { shardIdOf, shardIndexOf } from '../kinesis/shard.ts'
import { mostWaitingBytes, nextSequenceNumber, SequenceTrail } from './sequence-trail.ts'
import { maxPlainBytes } from './tri-chunks.ts'
import { uncompressBlock } from './uncompress-block.ts'
import { VarintColumn, VarintCursor } from './varint-column.ts'

/**
 * Where the records of a block came from, in columns; docs/archive-format.md has it byte by byte. The content of a
 * chunk of positions is a byte that says whether snappy compressed the rest (1) or not (0), then
 *
 *     record count | plain bytes of the block | first arrival, epoch ms
 *     shard count | for each: its number + 1, or 0 and its id as text; its first sequence number as text
 *     seven columns, each after its length in bytes:
 *       shards     in turn: which of the shards above, how many records in a row
 *       numbers    a step from the shard's record before (sequence-trail.ts); none for a shard's first record
 *       arrivals   the difference to the record before, in ms
 *       lengths    bytes of the record
 *       keys       2 d: key d of the next column; 2 o + 1, then n: the n bytes at byte o of the record itself
 *       key texts
 *       subs       sub-sequence number + 1, or 0; empty when no record has one
 *
 * All of them varints; differences that may be negative with their sign in the lowest bit.
 */
export interface RecordPlace {
  shardId: string
  sequenceNumber: string
  subSequenceNumber?: number
  partitionKey: string
  /** Epoch milliseconds. */
  arrivedAtMs: number
}

/** Collects the places of a block's records, and gives them as the content of a chunk. */
export class PositionWriter {
  recordCount = 0
  #firstArrivedMs = 0
  #lastArrivedMs = 0
  #shards = new Map<string, BlockShard>()
  #shard: BlockShard | undefined
  #runLength = 0
  /** Records that the column of sub-sequence numbers knows. */
  #subCount = 0
  /** Of keys and shards, at the most. */
  #textBytes = 128
  #keyIndexes = new Map<string, number>()
  #keyOffset = 0
  /** Keys in a row that did not stand in their records: after many, it is not tried for each any more. */
  #missedKeys = 0
  readonly #columns = {
    shards: new VarintColumn(),
    numbers: new VarintColumn(),
    arrivals: new VarintColumn(),
    lengths: new VarintColumn(),
    keys: new VarintColumn(),
    keyTexts: new VarintColumn(),
    subs: new VarintColumn(),
  }
  readonly #content = new VarintColumn()

  /** The record lies in `block` from `start` to `end`. */
  add(place: RecordPlace, block: Buffer, start: number, end: number): void {
    const columns = this.#columns
    const { arrivedAtMs, subSequenceNumber } = place
    if (this.recordCount === 0) this.#firstArrivedMs = this.#lastArrivedMs = arrivedAtMs
    columns.arrivals.pushSigned(arrivedAtMs - this.#lastArrivedMs)
    this.#lastArrivedMs = arrivedAtMs
    columns.lengths.push(end - start)
    this.#addNumber(place)
    this.#addKey(place.partitionKey, block, start, end)
    if (subSequenceNumber !== undefined) this.#addSub(subSequenceNumber)
    this.recordCount += 1
  }

  /** Whether the content might be larger than that, as it stands. */
  isLargerThan(bytes: number): boolean {
    const { numbers } = this.#columns
    const otherBytes = this.#textBytes + this.recordCount * mostBytesOfRecord
    if (otherBytes + numbers.byteLength + mostWaitingBytes <= bytes) return false
    this.#shard?.trail.settle(numbers)
    return otherBytes + numbers.byteLength > bytes
  }

  /** Begins the next block. */
  finish(plainBytes: number): Buffer {
    this.#endRun()
    const content = this.#content
    content.push(this.recordCount)
    content.push(plainBytes)
    content.push(this.#firstArrivedMs)
    content.push(this.#shards.size)
    for (const { shardId, firstNumber } of this.#shards.values()) {
      const index = shardIndexOf(shardId)
      content.push(index === undefined ? 0 : index + 1)
      if (index === undefined) content.pushText(shardId)
      content.pushText(firstNumber)
    }
    if (this.#subCount > 0) for (; this.#subCount < this.recordCount; this.#subCount++) this.#columns.subs.push(0)
    for (const column of Object.values(this.#columns)) {
      content.pushBytes(column.bytes())
      column.clear()
    }
    const packedContent = packed(content.bytes())
    content.clear()
    this.#shards.clear()
    this.#shard = undefined
    this.#keyIndexes.clear()
    this.#subCount = 0
    this.#textBytes = 128
    this.recordCount = 0
    return packedContent
  }

  /** The column begins with the first record that has one, and those without say so when the next comes. */
  #addSub(subSequenceNumber: number): void {
    for (; this.#subCount < this.recordCount; this.#subCount++) this.#columns.subs.push(0)
    this.#columns.subs.push(subSequenceNumber + 1)
    this.#subCount += 1
  }

  #addNumber({ shardId, sequenceNumber }: RecordPlace): void {
    if (this.#shard?.shardId !== shardId) {
      this.#endRun()
      let shard = this.#shards.get(shardId)
      if (shard === undefined) {
        const index = this.#shards.size
        shard = { shardId, index, firstNumber: sequenceNumber, trail: new SequenceTrail(sequenceNumber) }
        this.#shards.set(shardId, shard)
        this.#textBytes += 3 * shardId.length + sequenceNumber.length + 32
        this.#shard = shard
        this.#runLength = 1
        return
      }
      this.#shard = shard
    }
    this.#runLength += 1
    this.#shard.trail.step(sequenceNumber, this.#columns.numbers)
  }

  #endRun(): void {
    if (this.#shard === undefined) return
    this.#shard.trail.settle(this.#columns.numbers)
    this.#columns.shards.push(this.#shard.index)
    this.#columns.shards.push(this.#runLength)
    this.#runLength = 0
  }

  #addKey(key: string, block: Buffer, start: number, end: number): void {
    const { keys, keyTexts } = this.#columns
    const offset = this.#offsetOf(key, block, start, end)
    if (offset >= 0) {
      keys.push(2 * offset + 1)
      keys.push(key.length)
      return
    }
    let index = this.#keyIndexes.get(key)
    if (index === undefined) {
      index = this.#keyIndexes.size
      this.#keyIndexes.set(key, index)
      keyTexts.pushText(key)
      this.#textBytes += 3 * key.length + 8
    }
    keys.push(2 * index)
  }

  /** Where in the record the key stands: mostly where that of the record before stood. -1 when it is not looked for. */
  #offsetOf(key: string, block: Buffer, start: number, end: number): number {
    if (standsAt(key, block, start + this.#keyOffset, end)) {
      this.#missedKeys = 0
      return this.#keyOffset
    }
    if (this.#missedKeys >= 32 && this.recordCount % 64 !== 0) return -1
    const at = block.subarray(start, end).indexOf(key, 0, 'latin1')
    if (at < 0 || !standsAt(key, block, start + at, end)) {
      this.#missedKeys += 1
      return -1
    }
    this.#missedKeys = 0
    this.#keyOffset = at
    return at
  }
}

/** Only keys of ASCII: what stands there then is the key in UTF-8, too. */
function standsAt(key: string, block: Buffer, at: number, end: number): boolean {
  if (at + key.length > end) return false
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i)
    if (code !== block[at + i] || code > 0x7f) return false
  }
  return true
}

/** In all columns but those of numbers and texts: 6 for its shard, 8 for its arrival, 4 each for length and key, 3 and 8 for the rest. */
const mostBytesOfRecord = 33

interface BlockShard {
  shardId: string
  index: number
  firstNumber: string
  trail: SequenceTrail
}

function packed(body: Buffer): Buffer {
  const compressed = compressSync(body, { copyOutputData: true })
  const isSmaller = compressed.length < body.length
  return Buffer.concat([Buffer.of(isSmaller ? 1 : 0), isSmaller ? compressed : body])
}

/** The places of a block's records, read column by column when somebody asks. */
export class PositionBlock {
  readonly recordCount: number
  /** Of all the block's records. */
  readonly plainBytes: number
  readonly #offset: number
  readonly #firstArrivedMs: number
  readonly #shards: { shardId: string; firstNumber: string }[] = []
  readonly #columns: Buffer[] = []

  /** Throws a FormatError, with the chunk's offset, when the content can't be what `PositionWriter` wrote. */
  constructor(content: Uint8Array, offset: number) {
    this.#offset = offset
    const cursor = new VarintCursor(unpacked(content, offset))
    this.recordCount = cursor.next()
    this.plainBytes = cursor.next()
    this.#firstArrivedMs = cursor.next()
    const shardCount = cursor.next()
    for (let i = 0; i < shardCount && cursor.isSound; i++) {
      const index = cursor.next()
      const shardId = index === 0 ? cursor.nextText() : shardIdOf(index - 1)
      this.#shards.push({ shardId, firstNumber: cursor.nextText() })
    }
    for (let i = 0; i < columnCount && cursor.isSound; i++) this.#columns.push(cursor.nextBytes())
    this.#check(cursor.isSound && this.#columns.length === columnCount && this.recordCount > 0)
    // Every record has a length: no loop runs longer than there are bytes.
    this.#check(this.recordCount <= this.#columnBytes('lengths').length && this.plainBytes <= maxBlockBytes)
  }

  /** Where each record ends, counted from the first one's beginning. */
  ends(): number[] {
    const lengths = this.#column('lengths')
    const ends: number[] = []
    let end = 0
    for (let i = 0; i < this.recordCount; i++) {
      end += lengths.next()
      // Also at the end of the column, whose numbers are NaN.
      if (!(end <= this.plainBytes)) break
      ends.push(end)
    }
    this.#check(end === this.plainBytes && ends.length === this.recordCount)
    return ends
  }

  /** Epoch milliseconds. */
  arrivals(): number[] {
    const column = this.#column('arrivals')
    let arrivedMs = this.#firstArrivedMs
    return this.#each(() => {
      arrivedMs += column.nextSigned()
      return arrivedMs
    })
  }

  /** All about each record; `bytes` holds the records, the first one from `start` on. */
  places(bytes: Buffer, start: number): RecordPlace[] {
    try {
      return this.#places(bytes, start)
    } catch (error) {
      // Text that is no number, where one is added to it.
      if (error instanceof SyntaxError) throw this.#damaged()
      throw error
    }
  }

  #places(bytes: Buffer, start: number): RecordPlace[] {
    const arrivals = this.arrivals()
    const ends = this.ends()
    const [runs, numbers, keys, subs] = [
      this.#column('shards'),
      this.#column('numbers'),
      this.#column('keys'),
      this.#column('subs'),
    ]
    const hasSubs = this.#columnBytes('subs').length > 0
    const keyTexts = this.#keyTexts()
    const last: (string | undefined)[] = []
    let shardIndex = 0
    let runLeft = 0
    return this.#each((i) => {
      if (runLeft === 0) {
        shardIndex = runs.next()
        runLeft = runs.next()
      }
      runLeft -= 1
      const shard = this.#shards[shardIndex]
      if (shard === undefined || !(runLeft >= 0)) throw this.#damaged()
      const before = last[shardIndex]
      const sequenceNumber = before === undefined ? shard.firstNumber : nextSequenceNumber(before, numbers)
      last[shardIndex] = sequenceNumber
      const key = keys.next()
      let partitionKey = keyTexts[key / 2]
      if (key % 2 === 1) {
        const at = start + (i === 0 ? 0 : (ends[i - 1] as number)) + (key - 1) / 2
        partitionKey = bytes.toString('latin1', at, at + keys.next())
      }
      const sub = hasSubs ? subs.next() : 0
      if (partitionKey === undefined || !keys.isSound || !numbers.isSound || Number.isNaN(sub)) throw this.#damaged()
      const place = { shardId: shard.shardId, sequenceNumber, partitionKey, arrivedAtMs: arrivals[i] as number }
      return sub === 0 ? place : { ...place, subSequenceNumber: sub - 1 }
    })
  }

  #keyTexts(): string[] {
    const column = this.#column('keyTexts')
    const { length } = this.#columnBytes('keyTexts')
    const texts: string[] = []
    while (column.at < length) texts.push(column.nextText())
    this.#check(column.at === length)
    return texts
  }

  #each<T>(make: (index: number) => T): T[] {
    const made: T[] = []
    for (let i = 0; i < this.recordCount; i++) made.push(make(i))
    return made
  }

  #column(name: ColumnName): VarintCursor {
    return new VarintCursor(this.#columnBytes(name))
  }

  #columnBytes(name: ColumnName): Buffer {
    return this.#columns[columnNames.indexOf(name)] as Buffer
  }

  #check(isRight: boolean): void {
    if (!isRight) throw this.#damaged()
  }

  #damaged(): FormatError {
    return new FormatError("a chunk of positions doesn't hold what it claims", this.#offset)
  }
}

type ColumnName = (typeof columnNames)[number]
const columnNames = ['shards', 'numbers', 'arrivals', 'lengths', 'keys', 'keyTexts', 'subs'] as const
const columnCount = columnNames.length

function unpacked(content: Uint8Array, offset: number): Buffer {
  const body = Buffer.from(content.buffer, content.byteOffset + 1, Math.max(0, content.byteLength - 1))
  if (content[0] === 0) return body
  if (content[0] === 1) return uncompressBlock(body, maxColumnsBytes, offset)
  throw new FormatError('a chunk of positions is packed in an unknown way', offset)
}

/** Columns decompressed; far above what one block's records need. */
const maxColumnsBytes = 4 * 1024 * 1024

/** What the positions of one block may take, so that they fit a chunk. */
export const maxPositionBytes = maxPlainBytes - 1024

/** Plain bytes of a block: one record may be as large as Kinesis takes them, and more. */
export const maxBlockBytes = 64 * 1024 * 1024
