/**
 * Large buffers that are used again. Memory outside of the heap that is asked for and dropped drives the collector:
 * pages of some megabytes each bring a full collection every few pages, which can cost more than the page.
 *
 * Whoever takes a buffer may give it back once, when nobody reads it any more; one that is never given back is
 * collected as any other.
 */
export class SpareMemory {
  readonly #limitBytes: number
  readonly #spares: ArrayBuffer[] = []
  readonly #lent = new WeakSet<ArrayBufferLike>()
  #spareBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** At least so many bytes, with anything in them. */
  take(bytes: number): Buffer {
    if (bytes < leastSpareBytes) return Buffer.allocUnsafe(bytes)
    const memory = this.#takeSpare(bytes) ?? Buffer.allocUnsafeSlow(roundedUp(bytes)).buffer
    this.#lent.add(memory)
    return Buffer.from(memory)
  }

  /** Takes back what `take` gave, or a part of it; any other buffer is left alone. */
  giveBack(buffer: Uint8Array): void {
    const memory = buffer.buffer
    if (!(memory instanceof ArrayBuffer) || !this.#lent.delete(memory) || memory.byteLength > this.#limitBytes) return
    this.#spares.push(memory)
    this.#spareBytes += memory.byteLength
    while (this.#spareBytes > this.#limitBytes) this.#spareBytes -= (this.#spares.shift() as ArrayBuffer).byteLength
  }

  /** Whether it was taken here and is not given back yet. */
  isLent(buffer: Uint8Array): boolean {
    return this.#lent.has(buffer.buffer)
  }

  /** The smallest that is large enough. */
  #takeSpare(bytes: number): ArrayBuffer | undefined {
    let best = -1
    let bestBytes = Number.POSITIVE_INFINITY
    for (const [index, { byteLength }] of this.#spares.entries())
      if (byteLength >= bytes && byteLength < bestBytes) {
        best = index
        bestBytes = byteLength
      }
    if (best < 0) return undefined
    this.#spareBytes -= bestBytes
    return this.#spares.splice(best, 1)[0]
  }
}

/** Smaller ones die young, and are not worth the trouble. */
export const leastSpareBytes = 256 * 1024

/** Pages differ a little in size, and are to fit into each other's memory. */
function roundedUp(bytes: number): number {
  const step = bytes > 4 * 1024 * 1024 ? 4 * 1024 * 1024 : leastSpareBytes
  return Math.ceil(bytes / step) * step
}
