/**
 * CBOR (RFC 8949) as AWS clients send it: maps with text keys, definite and indefinite lengths, tag 1 for times.
 * Answers plain values: Buffer (a view into the body) for byte strings, objects without a prototype for maps.
 */
export function decodeCbor(body: Buffer): unknown {
  const reader = new CborReader(body)
  const value = reader.read(0)
  if (reader.offset !== body.length) throw new CborError('bytes follow the value', reader.offset)
  return value
}

/** The bytes are no CBOR that we take; where reading stopped. */
export class CborError extends Error {
  constructor(what: string, offset: number) {
    super(`${what} at byte ${offset}`)
    this.name = 'CborError'
  }
}

/**
 * A number with tag 1. By the RFC it counts seconds; the AWS SDKs for Java write milliseconds, so only a number that
 * can't be milliseconds of our times is taken for seconds.
 */
export class TaggedTime {
  readonly epochMs: number

  constructor(tagged: number) {
    this.epochMs = tagged < 100_000_000_000 ? tagged * 1000 : tagged
  }
}

/** Deeper than any input shape, and far from the end of the stack. */
const deepestNesting = 64

const epochTimeTag = 1
const breakByte = 0xff

class CborReader {
  offset = 0
  readonly #body: Buffer

  constructor(body: Buffer) {
    this.#body = body
  }

  read(depth: number): unknown {
    if (depth > deepestNesting) throw new CborError('values nest too deeply', this.offset)
    const initial = this.#byte()
    const major = initial >> 5
    const info = initial & 0x1f
    switch (major) {
      case 0:
        return this.#argument(info)
      case 1:
        return -1 - this.#argument(info)
      case 2:
        return info === 31 ? Buffer.concat(this.#chunks(2)) : this.#slice(this.#argument(info))
      case 3:
        return info === 31 ? Buffer.concat(this.#chunks(3)).toString() : this.#text(this.#argument(info))
      case 4:
        return this.#list(info, depth)
      case 5:
        return this.#map(info, depth)
      case 6: {
        const tag = this.#argument(info)
        const value = this.read(depth + 1)
        return tag === epochTimeTag && typeof value === 'number' ? new TaggedTime(value) : value
      }
      default:
        return this.#simple(info)
    }
  }

  #list(info: number, depth: number): unknown[] {
    const items: unknown[] = []
    if (info === 31) {
      while (!this.#atBreak()) items.push(this.read(depth + 1))
      return items
    }
    const count = this.#argument(info)
    this.#demand(count)
    for (let index = 0; index < count; index++) items.push(this.read(depth + 1))
    return items
  }

  #map(info: number, depth: number): unknown {
    const map: Record<string, unknown> = Object.create(null)
    const readEntry = () => {
      const key = this.read(depth + 1)
      map[String(key)] = this.read(depth + 1)
    }
    if (info === 31) {
      while (!this.#atBreak()) readEntry()
      return map
    }
    const count = this.#argument(info)
    this.#demand(count * 2)
    for (let index = 0; index < count; index++) readEntry()
    return map
  }

  #simple(info: number): unknown {
    switch (info) {
      case 20:
        return false
      case 21:
        return true
      case 22:
      case 23:
        return null
      case 25:
        return halfFloat(this.#slice(2).readUInt16BE())
      case 26:
        return this.#slice(4).readFloatBE()
      case 27:
        return this.#slice(8).readDoubleBE()
      default:
        throw new CborError(`simple value ${info} has no meaning here`, this.offset)
    }
  }

  /** The number that follows an initial byte. Beyond 2^53 digits are lost, which no input of ours can tell. */
  #argument(info: number): number {
    if (info < 24) return info
    switch (info) {
      case 24:
        return this.#byte()
      case 25:
        return this.#slice(2).readUInt16BE()
      case 26:
        return this.#slice(4).readUInt32BE()
      case 27:
        return Number(this.#slice(8).readBigUInt64BE())
      default:
        throw new CborError('a length is missing', this.offset)
    }
  }

  #chunks(major: number): Buffer[] {
    const chunks: Buffer[] = []
    while (!this.#atBreak()) {
      const initial = this.#byte()
      if (initial >> 5 !== major) throw new CborError('a chunk has another type than its string', this.offset)
      chunks.push(this.#slice(this.#argument(initial & 0x1f)))
    }
    return chunks
  }

  #atBreak(): boolean {
    if (this.#body[this.offset] !== breakByte) return false
    this.offset++
    return true
  }

  #text(length: number): string {
    return this.#slice(length).toString()
  }

  #slice(length: number): Buffer {
    this.#demand(length)
    const start = this.offset
    this.offset += length
    return this.#body.subarray(start, this.offset)
  }

  #byte(): number {
    const byte = this.#body[this.offset++]
    if (byte === undefined) throw new CborError('the body ends too early', this.offset)
    return byte
  }

  /** Refuses a count that the rest of the body can't hold, before anything is allocated for it. */
  #demand(bytes: number): void {
    if (bytes > this.#body.length - this.offset) throw new CborError('the body ends too early', this.offset)
  }
}

function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * 2 ** -24 * fraction
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * 2 ** (exponent - 25) * (1024 + fraction)
}
