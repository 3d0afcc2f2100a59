/**
 * Where a shard's records stand in a segment, sparsely. While the segment is written the index is a map that grows;
 * in a sealed segment it is the bytes of the footer themselves, searched in place:
 *
 *      0  4  version, 1
 *      4  4  shards
 *      8  4  places
 *     12  4  zero
 *     16 40  per shard, in the order of their indexes:
 *            0  4  shard index
 *            4  4  number of its first place
 *            8  4  how many places it has: 0 when the segment has only a mark of it
 *           12  4  offset of the last frame with records of it
 *           16  8  last seqIx
 *           24  8  seqTime of that record, epoch seconds
 *           32  8  arrival of that record, epoch milliseconds
 *      . 20  per place, in order:
 *            0  8  seqIx of the first record that the frame has of this shard
 *            8  8  its arrival, epoch milliseconds
 *           16  4  offset of the frame
 *
 * Little-endian, unsigned; u64 holds safe integers only.
 */
import type { ShardTail } from './stream-log.ts'
import { blocksKind, HeadRows, marksKind, readUint64, writeUint64 } from './stream-log-frame.ts'

/** What a segment has of one shard. */
export interface ShardSpan extends ShardTail {
  /** Offset of the last frame with records of the shard. */
  lastOffset: number
  firstSeqIx: number
  /** The last place known to stand at or before this seqIx; the first place when there is none before. */
  seek(seqIx: number): number
  /** The last place whose record arrived before this moment; the first place when there is none. */
  seekArrival(arrivalMs: number): number
}

export interface SegmentIndex {
  span(shardIndex: number): ShardSpan | undefined
  /** The latest arrival in the segment, -Infinity when it has no records. */
  lastArrivalMs(): number
  tails(): Iterable<[shardIndex: number, tail: ShardTail]>
}

export class GrowingIndex implements SegmentIndex {
  readonly #shards = new Map<number, GrowingSpan>()
  readonly #rows = new HeadRows(Buffer.alloc(0), 0, 0)
  #lastArrivalMs = Number.NEGATIVE_INFINITY

  /** A frame with this head stands at `offset`. */
  add(offset: number, head: Buffer): void {
    const rows = this.#rows
    rows.reset(head, 0, head.length)
    const kind = rows.kind
    for (let row = 0; row < rows.count; row++) {
      const span = this.#spanOf(rows.shardIndex(row))
      const seqIx = rows.seqIx(row)
      if (kind === blocksKind) {
        const recordCount = rows.recordCount(row)
        this.#lastArrivalMs = Math.max(this.#lastArrivalMs, rows.arrivalMs(row))
        span.add(seqIx, recordCount, rows.seqTimeSeconds(row), rows.arrivalMs(row), offset)
      } else if (kind === marksKind) span.mark(seqIx, rows.seqTimeSeconds(row), rows.arrivalMs(row))
    }
  }

  span(shardIndex: number): ShardSpan | undefined {
    const span = this.#shards.get(shardIndex)
    return span !== undefined && span.placeCount > 0 ? span : undefined
  }

  lastArrivalMs(): number {
    return this.#lastArrivalMs
  }

  tails(): Iterable<[number, ShardTail]> {
    return this.#shards
  }

  encode(): Buffer {
    const spans = [...this.#shards].sort(([one], [other]) => one - other)
    const placeCount = spans.reduce((total, [, span]) => total + span.placeCount, 0)
    const bytes = Buffer.alloc(prefixBytes + spans.length * spanBytes + placeCount * placeBytes)
    bytes.writeUInt32LE(version, 0)
    bytes.writeUInt32LE(spans.length, 4)
    bytes.writeUInt32LE(placeCount, 8)
    let at = prefixBytes
    let place = 0
    for (const [shardIndex, span] of spans) {
      bytes.writeUInt32LE(shardIndex, at)
      bytes.writeUInt32LE(place, at + 4)
      bytes.writeUInt32LE(span.placeCount, at + 8)
      bytes.writeUInt32LE(span.lastOffset, at + 12)
      writeUint64(bytes, span.lastSeqIx, at + 16)
      writeUint64(bytes, span.lastSeqTimeSeconds, at + 24)
      writeUint64(bytes, span.lastArrivalMs, at + 32)
      span.encodePlaces(bytes, prefixBytes + spans.length * spanBytes + place * placeBytes)
      place += span.placeCount
      at += spanBytes
    }
    return bytes
  }

  #spanOf(shardIndex: number): GrowingSpan {
    let span = this.#shards.get(shardIndex)
    if (span === undefined) {
      span = new GrowingSpan()
      this.#shards.set(shardIndex, span)
    }
    return span
  }
}

class GrowingSpan implements ShardSpan {
  lastOffset = 0
  lastSeqIx = 0
  lastSeqTimeSeconds = 0
  lastArrivalMs = 0
  readonly #seqIxs: number[] = []
  readonly #arrivals: number[] = []
  readonly #offsets: number[] = []
  #recordsSincePlace = 0
  #offsetOfPlace = 0

  get placeCount(): number {
    return this.#offsets.length
  }

  get firstSeqIx(): number {
    return this.#seqIxs[0] ?? 0
  }

  add(seqIx: number, recordCount: number, seqTimeSeconds: number, arrivalMs: number, offset: number): void {
    const isFar = this.#recordsSincePlace >= recordsPerPlace && offset - this.#offsetOfPlace >= bytesPerPlace
    if (this.#offsets.length === 0 || isFar) {
      this.#seqIxs.push(seqIx)
      this.#arrivals.push(arrivalMs)
      this.#offsets.push(offset)
      this.#recordsSincePlace = 0
      this.#offsetOfPlace = offset
    }
    this.#recordsSincePlace += recordCount
    this.lastOffset = offset
    this.mark(seqIx + recordCount - 1, seqTimeSeconds, arrivalMs)
  }

  mark(lastSeqIx: number, lastSeqTimeSeconds: number, lastArrivalMs: number): void {
    this.lastSeqIx = lastSeqIx
    this.lastSeqTimeSeconds = lastSeqTimeSeconds
    this.lastArrivalMs = lastArrivalMs
  }

  seek(seqIx: number): number {
    return this.#offsets[lastWhere(this.#offsets.length, (place) => (this.#seqIxs[place] ?? 0) <= seqIx)] ?? 0
  }

  seekArrival(arrivalMs: number): number {
    return this.#offsets[lastWhere(this.#offsets.length, (place) => (this.#arrivals[place] ?? 0) < arrivalMs)] ?? 0
  }

  encodePlaces(bytes: Buffer, start: number): void {
    let at = start
    for (let place = 0; place < this.#offsets.length; place++, at += placeBytes) {
      writeUint64(bytes, this.#seqIxs[place] ?? 0, at)
      writeUint64(bytes, this.#arrivals[place] ?? 0, at + 8)
      bytes.writeUInt32LE(this.#offsets[place] ?? 0, at + 16)
    }
  }
}

export class SealedIndex implements SegmentIndex {
  readonly #bytes: Buffer
  readonly #shardCount: number
  readonly #lastArrivalMs: number

  private constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#shardCount = bytes.readUInt32LE(4)
    let last = Number.NEGATIVE_INFINITY
    for (let shard = 0; shard < this.#shardCount; shard++) {
      const at = prefixBytes + shard * spanBytes
      if (bytes.readUInt32LE(at + 8) > 0) last = Math.max(last, readUint64(bytes, at + 32))
    }
    this.#lastArrivalMs = last
  }

  /** The index in a footer, or undefined when the footer is not one of ours. */
  static decode(bytes: Buffer): SealedIndex | undefined {
    if (bytes.length < prefixBytes || bytes.readUInt32LE(0) !== version) return undefined
    const expectedBytes = prefixBytes + bytes.readUInt32LE(4) * spanBytes + bytes.readUInt32LE(8) * placeBytes
    return bytes.length === expectedBytes ? new SealedIndex(bytes) : undefined
  }

  span(shardIndex: number): ShardSpan | undefined {
    const at = this.#find(shardIndex)
    if (at === undefined || this.#bytes.readUInt32LE(at + 8) === 0) return undefined
    return this.#spanAt(at)
  }

  lastArrivalMs(): number {
    return this.#lastArrivalMs
  }

  *tails(): Iterable<[number, ShardTail]> {
    for (let shard = 0; shard < this.#shardCount; shard++) {
      const at = prefixBytes + shard * spanBytes
      yield [this.#bytes.readUInt32LE(at), this.#tailAt(at)]
    }
  }

  #find(shardIndex: number): number | undefined {
    const at = (shard: number) => prefixBytes + shard * spanBytes
    const shard = lastWhere(this.#shardCount, (candidate) => this.#bytes.readUInt32LE(at(candidate)) <= shardIndex)
    if (this.#shardCount === 0 || this.#bytes.readUInt32LE(at(shard)) !== shardIndex) return undefined
    return at(shard)
  }

  #tailAt(at: number): ShardTail {
    return {
      lastSeqIx: readUint64(this.#bytes, at + 16),
      lastSeqTimeSeconds: readUint64(this.#bytes, at + 24),
      lastArrivalMs: readUint64(this.#bytes, at + 32),
    }
  }

  #spanAt(at: number): ShardSpan {
    const bytes = this.#bytes
    const count = bytes.readUInt32LE(at + 8)
    const start = prefixBytes + this.#shardCount * spanBytes + bytes.readUInt32LE(at + 4) * placeBytes
    const offset = (place: number) => bytes.readUInt32LE(start + place * placeBytes + 16)
    return {
      ...this.#tailAt(at),
      lastOffset: bytes.readUInt32LE(at + 12),
      firstSeqIx: readUint64(bytes, start),
      seek: (seqIx) => offset(lastWhere(count, (place) => readUint64(bytes, start + place * placeBytes) <= seqIx)),
      seekArrival: (arrivalMs) =>
        offset(lastWhere(count, (place) => readUint64(bytes, start + place * placeBytes + 8) < arrivalMs)),
    }
  }
}

/** The last number below `count` for which `holds`, which must hold for a beginning of them; 0 when for none. */
function lastWhere(count: number, holds: (place: number) => boolean): number {
  let low = 0
  let high = count
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (holds(middle)) low = middle
    else high = middle
  }
  return low
}

const version = 1
const prefixBytes = 16
const spanBytes = 40
const placeBytes = 20

/** A shard gets a new place when both have passed: an entry then costs little beside the records it stands for. */
const recordsPerPlace = 16
const bytesPerPlace = 64 * 1024
