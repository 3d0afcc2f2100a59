/**
 * Copies bodies out of the memory they came in: one read brings some hundred of them, and one that waits would hold all of
 * it. Small ones stand side by side in slabs.
 *
 * Whoever keeps records for one stream has one of these: then a slab holds what came together and goes together, and a
 * record that is stuck holds the memory of others that are stuck as well.
 */
export class BodyCopies {
  #slab: Buffer = nothing
  #used = 0

  copy(body: Uint8Array): Uint8Array {
    const { length } = body
    // One that takes most of its memory anyway stays there; else it would hold its neighbours', too.
    if (length > largestInSlab) return length > body.buffer.byteLength / 2 ? body : Uint8Array.from(body)
    if (this.#used + length > this.#slab.length) {
      // What is hardly used stays small.
      this.#slab = Buffer.allocUnsafeSlow(Math.min(largestSlab, Math.max(smallestSlab, 2 * this.#slab.length)))
      this.#used = 0
    }
    const start = this.#used
    this.#used += length
    const copied = this.#slab.subarray(start, this.#used)
    copied.set(body)
    return copied
  }
}

const nothing = Buffer.alloc(0)
const largestInSlab = 4 * 1024
const smallestSlab = 4 * 1024
const largestSlab = 32 * 1024
