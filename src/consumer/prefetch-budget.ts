import { assert } from '../errors.ts'

/**
 * How much may lie fetched but not handed out, over all shards that share the budget. Who comes first is served first,
 * so a shard with much to read takes turns with the others.
 *
 * Nobody knows a page's size before it is there: a fetch reserves what it expects, and the reservation is corrected
 * when the page has come. While nothing is held, one reservation of any size is granted, so that no page is too large
 * to be read.
 */
export class PrefetchBudget {
  readonly limitBytes: number
  #heldBytes = 0
  #waiting: Waiting[] = []

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  /** Reserved or held by fetched pages. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Resolves true when `bytes` are reserved, false when `signal` fired first. */
  reserve(bytes: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.resolve(false)
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#heldBytes += bytes
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const giveUp = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting)
        resolve(false)
        this.#serve()
      }
      const waiting: Waiting = {
        bytes,
        grant: () => {
          signal?.removeEventListener('abort', giveUp)
          resolve(true)
        },
      }
      signal?.addEventListener('abort', giveUp, { once: true })
      this.#waiting.push(waiting)
    })
  }

  /** A reservation turned out to be of another size. */
  correct(fromBytes: number, toBytes: number): void {
    this.#heldBytes += toBytes - fromBytes
    this.#serve()
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes
    assert(this.#heldBytes >= 0, 'no more is released than was reserved')
    this.#serve()
  }

  #serve(): void {
    let first = this.#waiting[0]
    while (first !== undefined && this.#fits(first.bytes)) {
      this.#waiting.shift()
      this.#heldBytes += first.bytes
      first.grant()
      first = this.#waiting[0]
    }
  }

  #fits(bytes: number): boolean {
    return this.#heldBytes === 0 || this.#heldBytes + bytes <= this.limitBytes
  }
}

interface Waiting {
  bytes: number
  grant: () => void
}
