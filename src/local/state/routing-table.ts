import { hashKeyHex } from '../../kinesis/hash-key.ts'
import type { ShardState } from './stream-state.ts'

/**
 * Which open shard a record goes to. Compares the top 48 bits, which a double holds exactly, and all 128 only where a
 * range begins on the same 48 bits.
 */
export class RoutingTable {
  readonly #shardIndexes: Int32Array
  readonly #starts: readonly bigint[]
  readonly #startTops: Float64Array
  #turn = 0

  constructor(open: readonly ShardState[]) {
    const sorted = [...open].sort((left, right) => (left.range.start < right.range.start ? -1 : 1))
    this.#shardIndexes = Int32Array.from(sorted, (shard) => shard.index)
    this.#starts = sorted.map((shard) => shard.range.start)
    this.#startTops = Float64Array.from(sorted, (shard) => Number(shard.range.start >> 80n))
  }

  /** The shard of a stream that has only one, so that nothing needs to be hashed. */
  get onlyShardIndex(): number | undefined {
    return this.#shardIndexes.length === 1 ? this.#shardIndexes[0] : undefined
  }

  /** For records that go to the open shards in turn. */
  nextInTurn(): number {
    const at = this.#turn
    this.#turn = at + 1 < this.#shardIndexes.length ? at + 1 : 0
    return this.#shardIndexes[at] as number
  }

  /** The index of the open shard for this key. */
  shardOf(partitionKey: string): number {
    if (this.#shardIndexes.length === 1) return this.#shardIndexes[0] as number
    const hex = hashKeyHex(partitionKey)
    return this.shardAt(Number.parseInt(hex.slice(0, 12), 16), () => BigInt(`0x${hex}`))
  }

  shardOfHashKey(hashKey: bigint): number {
    return this.shardAt(Number(hashKey >> 80n), () => hashKey)
  }

  /** By the hash key's top 48 bits; `hashKey` is asked for only when they don't decide. */
  shardAt(top: number, hashKey: () => bigint): number {
    const tops = this.#startTops
    let low = 0
    let high = tops.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((tops[middle] as number) <= top) low = middle + 1
      else high = middle
    }
    let at = low - 1
    if (at > 0 && tops[at] === top) {
      const exact = hashKey()
      while (at > 0 && (this.#starts[at] as bigint) > exact) at--
    }
    return this.#shardIndexes[at] as number
  }
}
