import { dataLengthAt, keyLengthAt, packedHeaderBytes } from './records/packed-records.ts'
import type { AppendBlock, LogBlock, LogPage, ReadQuery, ShardTail, StreamLog } from './stream-log.ts'

/** A stream's records in memory, for engines without a data directory. Blocks stay as they were appended. */
export function createMemoryStreamLog(): StreamLog {
  return new MemoryStreamLog()
}

/** Blocks are copied into slabs of this size: a buffer of its own for each would cost more than a small block. */
const slabBytes = 256 * 1024

class MemoryStreamLog implements StreamLog {
  readonly #shards = new Map<number, LogBlock[]>()
  readonly #tails = new Map<number, ShardTail>()
  #slab = Buffer.alloc(0)

  async append(blocks: readonly AppendBlock[]): Promise<void> {
    for (const block of blocks) {
      const { shardIndex, firstSeqIx, recordCount, seqTimeSeconds, arrivalMs } = block
      const kept = { firstSeqIx, recordCount, seqTimeSeconds, arrivalMs, bytes: this.#keep(block.bytes) }
      const shard = this.#shards.get(shardIndex)
      if (shard) shard.push(kept)
      else this.#shards.set(shardIndex, [kept])
      this.#tails.set(shardIndex, {
        lastSeqIx: firstSeqIx + recordCount - 1,
        lastSeqTimeSeconds: seqTimeSeconds,
        lastArrivalMs: arrivalMs,
      })
    }
  }

  async read(query: ReadQuery): Promise<LogPage> {
    const blocks = this.#shards.get(query.shardIndex) ?? []
    const page: LogPage = { blocks: [], recordCount: 0, nextSeqIx: query.fromSeqIx, reachesTip: true }
    let pageBytes = 0
    const start = firstWhere(blocks, (block) => block.firstSeqIx + block.recordCount > query.fromSeqIx)
    for (let at = start; at < blocks.length; at++) {
      const block = blocks[at] as LogBlock
      if (block.arrivalMs < query.notBeforeMs) continue
      const skipped = Math.max(0, query.fromSeqIx - block.firstSeqIx)
      const from = offsetOf(block.bytes, 0, skipped)
      let to = from
      let count = 0
      while (skipped + count < block.recordCount) {
        const bytes = keyLengthAt(block.bytes, to) + dataLengthAt(block.bytes, to)
        const isFull = page.recordCount + count >= query.maxRecords || pageBytes + bytes > query.maxBytes
        if (isFull && page.recordCount + count > 0) break
        pageBytes += bytes
        to += packedHeaderBytes + bytes
        count++
      }
      if (count > 0) {
        const firstSeqIx = block.firstSeqIx + skipped
        page.blocks.push({ ...block, firstSeqIx, recordCount: count, bytes: block.bytes.subarray(from, to) })
        page.recordCount += count
        page.nextSeqIx = firstSeqIx + count
      }
      if (skipped + count < block.recordCount) {
        page.reachesTip = false
        break
      }
    }
    return page
  }

  async seqIxAt(shardIndex: number, arrivalMs: number): Promise<number | undefined> {
    const blocks = this.#shards.get(shardIndex) ?? []
    return blocks[firstWhere(blocks, (block) => block.arrivalMs >= arrivalMs)]?.firstSeqIx
  }

  tails(): ReadonlyMap<number, ShardTail> {
    return this.#tails
  }

  async trim(beforeMs: number): Promise<number> {
    let freed = 0
    for (const blocks of this.#shards.values()) {
      const kept = firstWhere(blocks, (block) => block.arrivalMs >= beforeMs)
      for (const block of blocks.splice(0, kept)) freed += block.bytes.length
    }
    return freed
  }

  async close(): Promise<void> {
    this.#shards.clear()
    this.#slab = Buffer.alloc(0)
  }

  #keep(bytes: Uint8Array): Buffer {
    if (bytes.length > slabBytes / 4) return Buffer.from(bytes)
    if (bytes.length > this.#slab.length) this.#slab = Buffer.allocUnsafeSlow(slabBytes)
    const kept = this.#slab.subarray(0, bytes.length)
    kept.set(bytes)
    this.#slab = this.#slab.subarray(bytes.length)
    return kept
  }
}

/** The first index for which `isBehind` holds, in a list in which it holds from some place on. */
function firstWhere(blocks: readonly LogBlock[], isBehind: (block: LogBlock) => boolean): number {
  let low = 0
  let high = blocks.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBehind(blocks[middle] as LogBlock)) high = middle
    else low = middle + 1
  }
  return low
}

/** Where the record that is `count` records behind the one at `offset` begins. */
function offsetOf(bytes: Buffer, offset: number, count: number): number {
  let at = offset
  for (let left = count; left > 0; left--) at += packedHeaderBytes + keyLengthAt(bytes, at) + dataLengthAt(bytes, at)
  return at
}
