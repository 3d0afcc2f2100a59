/** Whole numbers from 0 to 2^53 - 1, each in as many groups of seven bits as it needs, lowest first (LEB128). */
export class VarintColumn {
  #bytes = Buffer.allocUnsafe(1024)
  byteLength = 0

  push(value: number): void {
    if (this.byteLength + 8 > this.#bytes.length) this.#grow(8)
    const bytes = this.#bytes
    let at = this.byteLength
    let rest = value
    for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 0x80
    for (; rest >= 0x80; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80
    bytes[at++] = rest
    this.byteLength = at
  }

  /** Negative ones too: 0, -1, 1, -2 as 0, 1, 2, 3. */
  pushSigned(value: number): void {
    this.push(value < 0 ? -2 * value - 1 : 2 * value)
  }

  /** Its length, then the text. */
  pushText(text: string): void {
    const byteLength = Buffer.byteLength(text)
    this.push(byteLength)
    if (this.byteLength + byteLength > this.#bytes.length) this.#grow(byteLength)
    this.byteLength += this.#bytes.write(text, this.byteLength)
  }

  /** Its length, then the bytes. */
  pushBytes(bytes: Uint8Array): void {
    this.push(bytes.length)
    if (this.byteLength + bytes.length > this.#bytes.length) this.#grow(bytes.length)
    this.#bytes.set(bytes, this.byteLength)
    this.byteLength += bytes.length
  }

  /** What was pushed; a view that is good until the next push. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.byteLength)
  }

  clear(): void {
    this.byteLength = 0
  }

  #grow(byteLength: number): void {
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.byteLength + byteLength))
    this.#bytes.copy(larger, 0, 0, this.byteLength)
    this.#bytes = larger
  }
}

/** The other direction. What it answers at the end of the bytes is NaN, so that one check in the end suffices. */
export class VarintCursor {
  readonly #bytes: Uint8Array
  at: number

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes
    this.at = at
  }

  next(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.#bytes[this.at++]
      if (byte === undefined || scale > 2 ** 49) return Number.NaN
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
  }

  nextSigned(): number {
    const value = this.next()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  nextText(): string {
    return this.nextBytes().toString()
  }

  nextBytes(): Buffer {
    const byteLength = this.next()
    const start = this.at
    this.at += byteLength
    const end = Math.min(this.at, this.#bytes.length)
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length).subarray(start, end || start)
  }

  /** Whether no more was read than is there. */
  get isSound(): boolean {
    return this.at <= this.#bytes.length
  }
}
