import { dataLengthAt, keyLengthAt, packedHeaderBytes } from './records/packed-records.ts'
import { spareMemory } from './spare-memory.ts'
import type { LogBlock, LogPage, ReadQuery } from './stream-log.ts'

/**
 * Gathers one page. Records are copied out of the reader's buffers, so that a page of a megabyte does not hold on to the
 * hundred megabytes in which a hundred shards lay mixed; blocks that turn out to be neighbours become one.
 */
export class PageBuilder {
  readonly #query: ReadQuery
  readonly #blocks: LogBlock[] = []
  #nextSeqIx: number
  #recordCount = 0
  #dataBytes = 0
  #isFull = false
  #slab: Buffer = Buffer.alloc(0)
  readonly #slabs: Buffer[] = []
  #usedBytes = 0
  /** The block that grows at the end of the slab. */
  #run: Run | undefined

  constructor(query: ReadQuery) {
    this.#query = query
    this.#nextSeqIx = query.fromSeqIx
    this.#isFull = query.maxRecords <= 0
  }

  get nextSeqIx(): number {
    return this.#nextSeqIx
  }

  get isFull(): boolean {
    return this.#isFull
  }

  /** Takes from a block what belongs on the page. `packed` holds `recordCount` packed records. */
  take(packed: Buffer, firstSeqIx: number, recordCount: number, seqTimeSeconds: number, arrivalMs: number): void {
    const skipCount = Math.max(0, this.#nextSeqIx - firstSeqIx)
    if (skipCount >= recordCount || this.#isFull) return
    const dataBytes = packed.length - recordCount * packedHeaderBytes
    const fits =
      this.#recordCount + recordCount <= this.#query.maxRecords && this.#dataBytes + dataBytes <= this.#query.maxBytes
    if (skipCount === 0 && fits)
      this.#keep(packed, 0, packed.length, firstSeqIx, recordCount, seqTimeSeconds, arrivalMs)
    else this.#takeSome(packed, skipCount, firstSeqIx, recordCount, seqTimeSeconds, arrivalMs)
    if (this.#recordCount >= this.#query.maxRecords) this.#isFull = true
  }

  finish(reachesTip: boolean): LogPage {
    this.#closeRun()
    return {
      blocks: this.#blocks,
      recordCount: this.#recordCount,
      nextSeqIx: this.#nextSeqIx,
      reachesTip,
      giveBack: () => {
        for (const slab of this.#slabs.splice(0)) spareMemory.giveBack(slab)
      },
    }
  }

  #takeSome(
    packed: Buffer,
    skipCount: number,
    firstSeqIx: number,
    recordCount: number,
    seqTimeSeconds: number,
    arrivalMs: number,
  ): void {
    let at = 0
    for (let skipped = 0; skipped < skipCount; skipped++) at = packedRecordEnd(packed, at)
    const start = at
    let count = 0
    let dataBytes = this.#dataBytes
    while (skipCount + count < recordCount && this.#recordCount + count < this.#query.maxRecords) {
      const end = packedRecordEnd(packed, at)
      dataBytes += end - at - packedHeaderBytes
      const isFirst = this.#recordCount + count === 0
      if (dataBytes > this.#query.maxBytes && !isFirst) {
        this.#isFull = true
        break
      }
      count += 1
      at = end
    }
    if (count > 0) this.#keep(packed, start, at, firstSeqIx + skipCount, count, seqTimeSeconds, arrivalMs)
  }

  #keep(
    packed: Buffer,
    start: number,
    end: number,
    firstSeqIx: number,
    recordCount: number,
    seqTimeSeconds: number,
    arrivalMs: number,
  ): void {
    const bytes = end - start
    const run = this.#run
    const hasRoom = this.#usedBytes + bytes <= this.#slab.length
    if (
      run === undefined ||
      !hasRoom ||
      run.firstSeqIx + run.recordCount !== firstSeqIx ||
      run.arrivalMs !== arrivalMs ||
      run.seqTimeSeconds !== seqTimeSeconds
    ) {
      this.#closeRun()
      if (!hasRoom) this.#newSlab(bytes)
      this.#run = { firstSeqIx, recordCount, seqTimeSeconds, arrivalMs, start: this.#usedBytes }
    } else run.recordCount += recordCount
    packed.copy(this.#slab, this.#usedBytes, start, end)
    this.#usedBytes += bytes
    this.#recordCount += recordCount
    this.#dataBytes += bytes - recordCount * packedHeaderBytes
    this.#nextSeqIx = firstSeqIx + recordCount
  }

  #newSlab(leastBytes: number): void {
    const bytes = Math.min(largestSlabBytes, Math.max(smallestSlabBytes, this.#slab.length * 4))
    this.#slab = spareMemory.take(Math.max(leastBytes, bytes))
    this.#slabs.push(this.#slab)
    this.#usedBytes = 0
  }

  #closeRun(): void {
    const run = this.#run
    if (run === undefined) return
    const { firstSeqIx, recordCount, seqTimeSeconds, arrivalMs } = run
    const bytes = this.#slab.subarray(run.start, this.#usedBytes)
    this.#blocks.push({ firstSeqIx, recordCount, seqTimeSeconds, arrivalMs, bytes })
    this.#run = undefined
  }
}

/** Of data and keys, as limits count them. */
export function dataBytesOf({ blocks, recordCount }: LogPage): number {
  return blocks.reduce((bytes, block) => bytes + block.bytes.length, 0) - recordCount * packedHeaderBytes
}

function packedRecordEnd(packed: Buffer, at: number): number {
  return at + packedHeaderBytes + keyLengthAt(packed, at) + dataLengthAt(packed, at)
}

interface Run {
  firstSeqIx: number
  recordCount: number
  seqTimeSeconds: number
  arrivalMs: number
  /** Where it begins in the slab; it ends where the slab's used part does. */
  start: number
}

const smallestSlabBytes = 16 * 1024
const largestSlabBytes = 1024 * 1024
