import { isAt, isPlainKey, mostScanned, PutScan } from './put-scan.ts'

const words = {
  records: Buffer.from('\x67Records'),
  streamName: Buffer.from('\x6aStreamName'),
  data: Buffer.from('\x64Data'),
  partitionKey: Buffer.from('\x6cPartitionKey'),
}
const breakByte = 0xff

/** A PutRecords or PutRecord body of CBOR; lists and maps may have definite or indefinite lengths, text and bytes definite ones. */
export class CborPutScan extends PutScan {
  #at = 0
  /** The argument of the head that was read last; -1 for an indefinite length. */
  #argument = 0

  protected find(body: Buffer): boolean {
    this.#at = 0
    if (!this.#head(body, 5)) return false
    const memberCount = this.#argument
    let seen = 0
    for (let left = memberCount; left !== 0; left--) {
      if (memberCount < 0 && body[this.#at] === breakByte) {
        this.#at++
        break
      }
      if (isAt(body, this.#at, words.records)) {
        this.#at += words.records.length
        if ((seen & 1) !== 0 || !this.#records(body)) return false
        seen |= 1
      } else if (isAt(body, this.#at, words.streamName)) {
        if ((seen & 2) !== 0 || !this.#name(body)) return false
        seen |= 2
      } else return false
    }
    return seen === 3 && this.#at === body.length
  }

  protected findOne(body: Buffer): boolean {
    this.#at = 0
    if (!this.#head(body, 5)) return false
    const memberCount = this.#argument
    let seen = 0
    for (let left = memberCount; left !== 0; left--) {
      if (memberCount < 0 && body[this.#at] === breakByte) {
        this.#at++
        break
      }
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
    }
    this.count = 1
    return seen === 7 && this.#at === body.length
  }

  dataBytes(body: Buffer, record: number): number {
    const length = this.dataLength[record] as number
    return (this.dataAt[record] as number) + length <= body.length ? length : -1
  }

  copyData(body: Buffer, record: number, target: Buffer, at: number): boolean {
    const start = this.dataAt[record] as number
    body.copy(target, at, start, start + (this.dataLength[record] as number))
    return true
  }

  #records(body: Buffer): boolean {
    if (!this.#head(body, 4)) return false
    const count = this.#argument
    if (count > mostScanned) return false
    for (let left = count; left !== 0; left--) {
      if (count < 0 && body[this.#at] === breakByte) {
        this.#at++
        return true
      }
      if (this.count === mostScanned || !this.#record(body)) return false
      this.count++
    }
    return true
  }

  #record(body: Buffer): boolean {
    if (!this.#head(body, 5)) return false
    const isIndefinite = this.#argument < 0
    if (!isIndefinite && this.#argument !== 2) return false
    let hasKey = false
    for (let member = 0; member < 2; member++) {
      if (isAt(body, this.#at, words.data)) {
        if ((member === 1 && !hasKey) || !this.#data(body)) return false
      } else if (!hasKey && isAt(body, this.#at, words.partitionKey)) {
        if (!this.#key(body)) return false
        hasKey = true
      } else return false
    }
    if (!hasKey) return false
    return !isIndefinite || body[this.#at++] === breakByte
  }

  #data(body: Buffer): boolean {
    this.#at += words.data.length
    if (!this.#head(body, 2) || this.#argument < 0) return false
    this.dataAt[this.count] = this.#at
    this.dataLength[this.count] = this.#argument
    this.#at += this.#argument
    return this.#at <= body.length
  }

  #key(body: Buffer): boolean {
    this.#at += words.partitionKey.length
    if (!this.#head(body, 3) || !isPlainKey(body, this.#at, this.#argument)) return false
    this.keyAt[this.count] = this.#at
    this.keyLength[this.count] = this.#argument
    this.#at += this.#argument
    return this.#at <= body.length
  }

  #name(body: Buffer): boolean {
    this.#at += words.streamName.length
    if (!this.#head(body, 3) || !isPlainKey(body, this.#at, this.#argument)) return false
    this.streamName = body.toString('latin1', this.#at, this.#at + this.#argument)
    this.#at += this.#argument
    return true
  }

  /** Reads a head of this major type; lengths of eight bytes are left to the ordinary way. */
  #head(body: Buffer, major: number): boolean {
    const initial = body[this.#at] as number
    if (this.#at >= body.length || initial >> 5 !== major) return false
    const info = initial & 0x1f
    const at = this.#at
    if (info < 24) {
      this.#argument = info
      this.#at = at + 1
    } else if (info === 24) {
      this.#argument = body[at + 1] as number
      this.#at = at + 2
    } else if (info === 25) {
      this.#argument = ((body[at + 1] as number) << 8) | (body[at + 2] as number)
      this.#at = at + 3
    } else if (info === 26 && at + 5 <= body.length) {
      this.#argument = body.readUInt32BE(at + 1)
      this.#at = at + 5
    } else if (info === 31) {
      this.#argument = -1
      this.#at = at + 1
    } else return false
    return this.#at <= body.length
  }
}
