/**
 * Records on their way to tritond, oldest first:
 *
 *     oldest ... sent: written, and not settled | waiting ... newest
 *
 * Those that wait stay within a count and a number of bytes; for those that are sent, whoever sends sees to that.
 */
export class MessageRing {
  readonly #keys: string[]
  readonly #bodies: Uint8Array[]
  readonly #maxWaiting: number
  readonly #maxBytes: number
  #head = 0
  #sentCount = 0
  #sentBytes = 0
  #waitingCount = 0
  #waitingBytes = 0

  constructor(maxSent: number, maxWaiting: number, maxBytes: number) {
    this.#keys = new Array(maxSent + maxWaiting).fill('')
    this.#bodies = new Array(maxSent + maxWaiting).fill(nothing)
    this.#maxWaiting = maxWaiting
    this.#maxBytes = maxBytes
  }

  get waitingCount(): number {
    return this.#waitingCount
  }

  get sentCount(): number {
    return this.#sentCount
  }

  get sentBytes(): number {
    return this.#sentBytes
  }

  get isEmpty(): boolean {
    return this.#sentCount + this.#waitingCount === 0
  }

  /** False when there is no room. One record always has room where none waits. */
  push(partitionKey: string, body: Uint8Array): boolean {
    if (this.#waitingCount >= this.#maxWaiting) return false
    if (this.#waitingBytes + body.length > this.#maxBytes && this.#waitingCount > 0) return false
    const at = this.#placeOf(this.#sentCount + this.#waitingCount)
    this.#keys[at] = partitionKey
    this.#bodies[at] = body
    this.#waitingCount++
    this.#waitingBytes += body.length
    return true
  }

  /** Of the oldest that waits; one must. */
  get partitionKey(): string {
    return this.#keys[this.#placeOf(this.#sentCount)] as string
  }

  get body(): Uint8Array {
    return this.#bodies[this.#placeOf(this.#sentCount)] as Uint8Array
  }

  /** The oldest that waits is sent now. */
  send(): void {
    const { length } = this.body
    this.#waitingCount--
    this.#waitingBytes -= length
    this.#sentCount++
    this.#sentBytes += length
  }

  /** Lets go of the oldest that were sent. */
  settle(count: number): void {
    for (let left = count; left > 0; left--) {
      this.#sentBytes -= (this.#bodies[this.#head] as Uint8Array).length
      this.#keys[this.#head] = ''
      this.#bodies[this.#head] = nothing
      this.#head = this.#placeOf(1)
    }
    this.#sentCount -= count
  }

  /** All that were sent wait again. There may be more than have room, for which nothing is taken meanwhile. */
  rewind(): void {
    this.#waitingCount += this.#sentCount
    this.#waitingBytes += this.#sentBytes
    this.#sentCount = 0
    this.#sentBytes = 0
  }

  #placeOf(offset: number): number {
    const at = this.#head + offset
    return at < this.#keys.length ? at : at - this.#keys.length
  }
}

const nothing = new Uint8Array(0)
