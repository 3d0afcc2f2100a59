import { isAt, isPlainKey, mostScanned, PutScan } from './put-scan.ts'

const words = {
  records: Buffer.from('"Records"'),
  streamName: Buffer.from('"StreamName"'),
  data: Buffer.from('"Data"'),
  partitionKey: Buffer.from('"PartitionKey"'),
}
const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const listStart = 0x5b
const listEnd = 0x5d
const mapStart = 0x7b
const mapEnd = 0x7d
const backslash = 0x5c
const padding = 0x3d

/** A PutRecords or PutRecord body of JSON, with white space wherever JSON allows it. */
export class JsonPutScan extends PutScan {
  #at = 0
  /** The string that was read last, without its quotes. */
  #textAt = 0
  #textLength = 0

  protected find(body: Buffer): boolean {
    this.#at = 0
    if (!this.#take(body, mapStart)) return false
    let seen = 0
    do {
      this.#skipSpace(body)
      if (isAt(body, this.#at, words.records)) {
        this.#at += words.records.length
        if ((seen & 1) !== 0 || !this.#take(body, colon) || !this.#records(body)) return false
        seen |= 1
      } else if (isAt(body, this.#at, words.streamName)) {
        if ((seen & 2) !== 0 || !this.#name(body)) return false
        seen |= 2
      } else return false
    } while (this.#take(body, comma))
    return seen === 3 && this.#end(body)
  }

  protected findOne(body: Buffer): boolean {
    this.#at = 0
    if (!this.#take(body, mapStart)) return false
    let seen = 0
    do {
      this.#skipSpace(body)
      if (isAt(body, this.#at, words.data)) {
        if ((seen & 1) !== 0 || !this.#data(body)) return false
        seen |= 1
      } else if (isAt(body, this.#at, words.partitionKey)) {
        if ((seen & 2) !== 0 || !this.#key(body)) return false
        seen |= 2
      } else if (isAt(body, this.#at, words.streamName)) {
        if ((seen & 4) !== 0 || !this.#name(body)) return false
        seen |= 4
      } else return false
    } while (this.#take(body, comma))
    this.count = 1
    return seen === 7 && this.#end(body)
  }

  dataBytes(body: Buffer, record: number): number {
    const length = this.dataLength[record] as number
    if (length % 4 !== 0) return -1
    return (length / 4) * 3 - paddingOf(body, (this.dataAt[record] as number) + length, length)
  }

  copyData(body: Buffer, record: number, target: Buffer, at: number): boolean {
    const start = this.dataAt[record] as number
    return decodeInto(target, at, body, start, start + (this.dataLength[record] as number))
  }

  #records(body: Buffer): boolean {
    if (!this.#take(body, listStart)) return false
    do {
      if (this.count === mostScanned || !this.#record(body)) return false
      this.count++
    } while (this.#take(body, comma))
    return this.#take(body, listEnd)
  }

  #record(body: Buffer): boolean {
    if (!this.#take(body, mapStart)) return false
    let seen = 0
    do {
      this.#skipSpace(body)
      if (isAt(body, this.#at, words.data)) {
        if ((seen & 1) !== 0 || !this.#data(body)) return false
        seen |= 1
      } else if (isAt(body, this.#at, words.partitionKey)) {
        if ((seen & 2) !== 0 || !this.#key(body)) return false
        seen |= 2
      } else return false
    } while (this.#take(body, comma))
    return seen === 3 && this.#take(body, mapEnd)
  }

  #data(body: Buffer): boolean {
    this.#at += words.data.length
    if (!this.#take(body, colon) || !this.#text(body)) return false
    this.dataAt[this.count] = this.#textAt
    this.dataLength[this.count] = this.#textLength
    return true
  }

  #key(body: Buffer): boolean {
    this.#at += words.partitionKey.length
    if (!this.#take(body, colon) || !this.#plainText(body)) return false
    this.keyAt[this.count] = this.#textAt
    this.keyLength[this.count] = this.#textLength
    return true
  }

  #name(body: Buffer): boolean {
    this.#at += words.streamName.length
    if (!this.#take(body, colon) || !this.#plainText(body)) return false
    this.streamName = body.toString('latin1', this.#textAt, this.#textAt + this.#textLength)
    return true
  }

  /** The end of the body's map, and nothing behind it. */
  #end(body: Buffer): boolean {
    if (!this.#take(body, mapEnd)) return false
    this.#skipSpace(body)
    return this.#at === body.length
  }

  /** A string up to the next quote. An escape in it shows later, as a byte that is not of base64. */
  #text(body: Buffer): boolean {
    if (!this.#take(body, quote)) return false
    const end = body.indexOf(quote, this.#at)
    if (end < 0) return false
    this.#textAt = this.#at
    this.#textLength = end - this.#at
    this.#at = end + 1
    return true
  }

  #plainText(body: Buffer): boolean {
    if (!this.#text(body) || !isPlainKey(body, this.#textAt, this.#textLength)) return false
    for (let at = this.#textAt; at < this.#textAt + this.#textLength; at++)
      if (body[at] === backslash || (body[at] as number) < 0x20) return false
    return true
  }

  #take(body: Buffer, byte: number): boolean {
    this.#skipSpace(body)
    if (body[this.#at] !== byte) return false
    this.#at++
    return true
  }

  #skipSpace(body: Buffer): void {
    for (;;) {
      const byte = body[this.#at]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return
      this.#at++
    }
  }
}

function paddingOf(body: Buffer, end: number, length: number): number {
  if (length === 0 || body[end - 1] !== padding) return 0
  return body[end - 2] === padding ? 2 : 1
}

/** Values of the base64 alphabet; 0x80 marks every other byte. */
const values = new Uint8Array(256).fill(0x80)
for (const [value, letter] of [
  ...Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'),
].entries())
  values[letter] = value

/** Decodes strict base64; false when it is anything else, padding bits that are not zero included. */
function decodeInto(target: Buffer, start: number, body: Buffer, from: number, to: number): boolean {
  const padded = paddingOf(body, to, to - from)
  const wholeEnd = padded === 0 ? to : to - 4
  let at = start
  let odd = 0
  for (let read = from; read < wholeEnd; read += 4) {
    const a = values[body[read] as number] as number
    const b = values[body[read + 1] as number] as number
    const c = values[body[read + 2] as number] as number
    const d = values[body[read + 3] as number] as number
    odd |= a | b | c | d
    target[at] = (a << 2) | (b >> 4)
    target[at + 1] = (b << 4) | (c >> 2)
    target[at + 2] = (c << 6) | d
    at += 3
  }
  if (padded > 0) {
    const a = values[body[wholeEnd] as number] as number
    const b = values[body[wholeEnd + 1] as number] as number
    const c = padded === 1 ? (values[body[wholeEnd + 2] as number] as number) : 0
    odd |= a | b | c
    target[at] = (a << 2) | (b >> 4)
    if (padded === 1) target[at + 1] = (b << 4) | (c >> 2)
    if ((padded === 1 ? c & 3 : b & 15) !== 0) return false
  }
  return (odd & 0x80) === 0
}
