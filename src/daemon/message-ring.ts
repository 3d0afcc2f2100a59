/** Records that wait for the socket, oldest first, within a count and a number of bytes. */
export class MessageRing {
  readonly #keys: string[]
  readonly #bodies: Uint8Array[]
  readonly #maxBytes: number
  #head = 0
  #length = 0
  #bytes = 0

  constructor(maxRecords: number, maxBytes: number) {
    this.#keys = new Array(maxRecords).fill('')
    this.#bodies = new Array(maxRecords).fill(nothing)
    this.#maxBytes = maxBytes
  }

  get length(): number {
    return this.#length
  }

  /** False when there is no room. One record always has room in an empty ring. */
  push(partitionKey: string, body: Uint8Array): boolean {
    const capacity = this.#keys.length
    if (this.#length === capacity) return false
    if (this.#bytes + body.length > this.#maxBytes && this.#length > 0) return false
    let at = this.#head + this.#length
    if (at >= capacity) at -= capacity
    this.#keys[at] = partitionKey
    this.#bodies[at] = body
    this.#length++
    this.#bytes += body.length
    return true
  }

  /** The oldest one's; the ring must not be empty. */
  get partitionKey(): string {
    return this.#keys[this.#head] as string
  }

  get body(): Uint8Array {
    return this.#bodies[this.#head] as Uint8Array
  }

  /** Lets go of the oldest. */
  shift(): void {
    this.#bytes -= this.body.length
    this.#keys[this.#head] = ''
    this.#bodies[this.#head] = nothing
    this.#head = this.#head + 1 === this.#keys.length ? 0 : this.#head + 1
    this.#length--
  }
}

const nothing = new Uint8Array(0)
