/**
 * What a stream log writes into its journal. All numbers are little-endian and unsigned; u64 holds safe integers only.
 *
 * Blocks frame: one request. Part i of the frame holds the packed records of block i.
 *
 *     head = u32 1, then 32 bytes per block:
 *      0  4  shard index
 *      4  4  record count
 *      8  8  seqIx of the first record
 *     16  8  seqTime of its records, epoch seconds
 *     24  8  arrival of its records, epoch milliseconds
 *
 * Marks frame: what the last record of some shards was, written before a trim deletes those records. No parts.
 *
 *     head = u32 2, then 32 bytes per shard:
 *      0  4  shard index
 *      4  4  zero
 *      8  8  last seqIx
 *     16  8  its seqTime, epoch seconds
 *     24  8  its arrival, epoch milliseconds
 */
import { assert } from '../errors.ts'
import type { AppendBlock, ShardTail } from './stream-log.ts'

export const blocksKind = 1
export const marksKind = 2
export const kindBytes = 4
export const rowBytes = 32

export function encodeBlocksHead(blocks: readonly AppendBlock[]): Buffer {
  const head = Buffer.allocUnsafe(kindBytes + blocks.length * rowBytes)
  head.writeUInt32LE(blocksKind, 0)
  let at = kindBytes
  for (const block of blocks) {
    writeRow(head, at, block.shardIndex, block.recordCount, block.firstSeqIx, block.seqTimeSeconds, block.arrivalMs)
    at += rowBytes
  }
  return head
}

export function encodeMarksHead(marks: readonly (readonly [shardIndex: number, tail: ShardTail])[]): Buffer {
  const head = Buffer.allocUnsafe(kindBytes + marks.length * rowBytes)
  head.writeUInt32LE(marksKind, 0)
  let at = kindBytes
  for (const [shardIndex, tail] of marks) {
    writeRow(head, at, shardIndex, 0, tail.lastSeqIx, tail.lastSeqTimeSeconds, tail.lastArrivalMs)
    at += rowBytes
  }
  return head
}

/** Reads the rows of a head that stands somewhere in a larger buffer, without making objects of them. */
export class HeadRows {
  #bytes: Buffer
  #start = 0
  #end = 0

  constructor(bytes: Buffer, start: number, length: number) {
    this.#bytes = bytes
    this.reset(bytes, start, length)
  }

  reset(bytes: Buffer, start: number, length: number): void {
    this.#bytes = bytes
    this.#start = start
    this.#end = start + length
  }

  get kind(): number {
    return this.#end - this.#start < kindBytes ? 0 : this.#bytes.readUInt32LE(this.#start)
  }

  get count(): number {
    return Math.floor((this.#end - this.#start - kindBytes) / rowBytes)
  }

  /** The first row of this shard from row `from` on, or -1. */
  find(shardIndex: number, from: number): number {
    let at = this.#start + kindBytes + from * rowBytes
    for (let row = from; at + rowBytes <= this.#end; row++, at += rowBytes)
      if (this.#bytes.readUInt32LE(at) === shardIndex) return row
    return -1
  }

  shardIndex(row: number): number {
    return this.#bytes.readUInt32LE(this.#at(row))
  }

  recordCount(row: number): number {
    return this.#bytes.readUInt32LE(this.#at(row) + 4)
  }

  seqIx(row: number): number {
    return readUint64(this.#bytes, this.#at(row) + 8)
  }

  seqTimeSeconds(row: number): number {
    return readUint64(this.#bytes, this.#at(row) + 16)
  }

  arrivalMs(row: number): number {
    return readUint64(this.#bytes, this.#at(row) + 24)
  }

  #at(row: number): number {
    return this.#start + kindBytes + row * rowBytes
  }
}

export function readUint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000
}

export function writeUint64(bytes: Buffer, value: number, at: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'seqIx and times are whole numbers below 2^53')
  bytes.writeUInt32LE(value % 0x1_0000_0000, at)
  bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4)
}

function writeRow(
  head: Buffer,
  at: number,
  shardIndex: number,
  recordCount: number,
  seqIx: number,
  seqTimeSeconds: number,
  arrivalMs: number,
): void {
  head.writeUInt32LE(shardIndex, at)
  head.writeUInt32LE(recordCount, at + 4)
  writeUint64(head, seqIx, at + 8)
  writeUint64(head, seqTimeSeconds, at + 16)
  writeUint64(head, arrivalMs, at + 24)
}
