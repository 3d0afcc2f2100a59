/**
 * Memory of large answers, to be used again. A page of records, 4 MiB as a rule, outlives the young generation of a
 * heap: with new memory for each page the collector goes through the whole heap every few pages, which was a seventh of
 * what reading costs.
 */
export class BodyPool {
  readonly #lent = new WeakSet<ArrayBufferLike>()
  #free: ArrayBufferLike[] = []
  #freeBytes = 0

  /** Memory with anything in it; undefined for sizes that are not kept. */
  take(byteLength: number): Buffer | undefined {
    if (!(byteLength >= leastBytes && byteLength <= mostBytes)) return undefined
    const fitting = this.#free.findIndex((memory) => memory.byteLength >= byteLength)
    const memory = fitting < 0 ? newMemory(byteLength) : (this.#free.splice(fitting, 1)[0] as ArrayBufferLike)
    if (fitting >= 0) this.#freeBytes -= memory.byteLength
    this.#lent.add(memory)
    return Buffer.from(memory, 0, byteLength)
  }

  /** Takes back what `take` gave, once nobody reads it any more. Anything else is left alone. */
  give(body: Uint8Array): void {
    const memory = body.buffer
    if (!this.#lent.delete(memory)) return
    // The newest stay: sizes change with the stream.
    this.#free.push(memory)
    this.#freeBytes += memory.byteLength
    while (this.#freeBytes > mostBytes) this.#freeBytes -= this.#free.shift()?.byteLength ?? 0
  }

  /** Whether `give` would take it back. */
  isLent(body: Uint8Array): boolean {
    return this.#lent.has(body.buffer)
  }

  get freeBytes(): number {
    return this.#freeBytes
  }
}

function newMemory(byteLength: number): ArrayBufferLike {
  return Buffer.allocUnsafeSlow(Math.ceil(byteLength / roundedTo) * roundedTo).buffer
}

/** Smaller answers die young. */
const leastBytes = 128 * 1024
/** Of one answer, and of all that lies here unused: four pages. */
const mostBytes = 16 * 1024 * 1024
/** So that a page a little larger than the last one finds room in its memory. */
const roundedTo = 512 * 1024
