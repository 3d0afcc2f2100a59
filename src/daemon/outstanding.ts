import { assert } from '../errors.ts'
import type { Chunk } from './record-queue.ts'
import { isBehind, type SpoolPosition } from './spool-cursor.ts'

/** Chunks that were handed out, in order: how far the first of them reach that are all settled. */
export class Outstanding {
  readonly #chunks = new Map<Chunk, { end: SpoolPosition; isSettled: boolean }>()
  #settled: SpoolPosition

  constructor(start: SpoolPosition) {
    this.#settled = start
  }

  /** Everything before it is settled. */
  get settled(): SpoolPosition {
    return this.#settled
  }

  /** When the oldest record of them came. */
  get oldestMs(): number | undefined {
    for (const { sinceMs } of this.#chunks.keys()) return sinceMs
    return undefined
  }

  /** `end` is behind the chunk's last record. */
  add(chunk: Chunk, end: SpoolPosition): void {
    this.#chunks.set(chunk, { end, isSettled: false })
  }

  /** Nothing stands behind `end` any more. */
  cut(end: SpoolPosition): void {
    for (const chunk of this.#chunks.values()) if (isBehind(chunk.end, end)) chunk.end = end
    if (isBehind(this.#settled, end)) this.#settled = end
  }

  settle(chunk: Chunk): void {
    const found = this.#chunks.get(chunk)
    assert(found !== undefined, 'a chunk is settled once, by the queue that it came from')
    found.isSettled = true
    for (const [first, { end, isSettled }] of this.#chunks) {
      if (!isSettled) return
      this.#settled = end
      this.#chunks.delete(first)
    }
  }
}
