/** A stretch of a segment as it was written, still in memory. */
export interface Slab {
  buffer: Buffer
  /** Where the buffer's first byte stands in its segment. */
  base: number
  /** How much of the buffer holds frames. */
  filledBytes: number
  /** The slabs of one segment, in order; a slab leaves it when it is forgotten. */
  siblings: Slab[]
}

/**
 * The latest writes of one or many journals, so that whoever reads at the tip does not touch the disk. What was written
 * first is forgotten first, whoever wrote it.
 */
export class RecentBytes {
  readonly #limitBytes: number
  readonly #slabs = new Set<Slab>()
  #keptBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  keep(slab: Slab): void {
    if (slab.buffer.length > this.#limitBytes) return
    this.#slabs.add(slab)
    slab.siblings.push(slab)
    this.#keptBytes += slab.buffer.length
    for (const oldest of this.#slabs) {
      if (this.#keptBytes <= this.#limitBytes) break
      this.forget(oldest)
    }
  }

  forget(slab: Slab): void {
    if (!this.#slabs.delete(slab)) return
    this.#keptBytes -= slab.buffer.length
    slab.siblings.splice(slab.siblings.indexOf(slab), 1)
  }
}

/** The slab that holds `bytes` bytes of its segment from `offset` on. */
export function slabAt(slabs: readonly Slab[], offset: number, bytes: number): Slab | undefined {
  for (let at = slabs.length - 1; at >= 0; at--) {
    const slab = slabs[at]
    if (slab === undefined || slab.base > offset) continue
    return offset + bytes <= slab.base + slab.filledBytes ? slab : undefined
  }
  return undefined
}
