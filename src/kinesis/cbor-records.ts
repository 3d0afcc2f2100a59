import type { EncodedRecord, PageRecords } from './kinesis-api.ts'

/**
 * The records of one GetRecords answer. Of each only its places in the answer are noted when the page comes, in columns;
 * the record itself is made when it is asked for. Objects that wait in a prefetched page outlive a heap's young
 * generation, and to move them out of it costs more than to make them.
 *
 * Where the body will serve another answer (`giveBack`), a record's bytes are a view into a copy of its part of the body:
 * one copy of some 32 KiB for all records in it, as they are handed out.
 *
 * Noted so are records in their plain form: a map of known length whose members are those that records have, each of
 * known length, the time as an unsigned integer of milliseconds. Answers are in it as a rule. `CborReader` knows every
 * form and reads the exceptions. Members are told apart by the length of their names and the first letter.
 */
export class CborRecords implements PageRecords {
  #body: Buffer
  #giveBack: (() => void) | undefined
  /** What records' bytes are views into, and the part of the body that it is. */
  #window: Buffer
  #windowStart = 0
  #windowEnd: number
  #places: Uint32Array
  #times: Float64Array
  /** Records that are not plain, by their row. */
  readonly #odd = new Map<number, EncodedRecord>()
  #length = 0
  #byteLength = 0
  #at = 0
  /** The argument of the head that was read last. */
  #argument = 0

  constructor(body: Uint8Array, expectedCount: number, giveBack?: () => void) {
    this.#body = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    this.#giveBack = giveBack
    this.#window = this.#body
    this.#windowEnd = giveBack === undefined ? this.#body.length : 0
    const rowCount = Math.max(1, Math.min(expectedCount, Math.ceil(body.length / leastRecordBytes)))
    this.#places = new Uint32Array(rowCount * placesPerRow)
    this.#times = new Float64Array(rowCount)
  }

  get length(): number {
    return this.#length
  }

  get byteLength(): number {
    return this.#byteLength
  }

  at(index: number): EncodedRecord | undefined {
    if (index < 0 || index >= this.#length) return undefined
    const places = this.#places
    const row = index * placesPerRow
    const dataAt = places[row + 4] as number
    if (dataAt === 0) return this.#odd.get(index)
    const body = this.#body
    const keyAt = places[row + 2] as number
    const keyEnd = places[row + 3] as number
    const dataEnd = places[row + 5] as number
    if (dataAt < this.#windowStart || dataEnd > this.#windowEnd) this.#moveWindow(dataAt, dataEnd)
    return {
      sequenceNumber: body.toString('latin1', places[row], places[row + 1]),
      partitionKey: body.toString(isAscii(body, keyAt, keyEnd) ? 'latin1' : 'utf8', keyAt, keyEnd),
      arrivedAtMs: this.#times[index] as number,
      bytes: this.#window.subarray(dataAt - this.#windowStart, dataEnd - this.#windowStart),
    }
  }

  slice(from: number, to: number): EncodedRecord[] {
    const records: EncodedRecord[] = []
    for (let index = from; index < Math.min(to, this.#length); index++) records.push(this.at(index) as EncodedRecord)
    return records
  }

  release(): void {
    this.#length = 0
    this.#odd.clear()
    this.#body = this.#window = nothing
    this.#windowStart = this.#windowEnd = 0
    // Once only: by a second call the memory may be another answer's.
    const giveBack = this.#giveBack
    this.#giveBack = undefined
    giveBack?.()
  }

  *[Symbol.iterator](): Generator<EncodedRecord, undefined> {
    for (let index = 0; index < this.#length; index++) yield this.at(index) as EncodedRecord
  }

  /** Notes the record that begins at `start` and answers where it ends; 0, and nothing noted, when it isn't plain. */
  addPlain(start: number): number {
    const body = this.#body
    this.#at = start
    if (!this.#head(mapKind)) return 0
    let numberAt = 0
    let numberEnd = 0
    let keyAt = 0
    let keyEnd = 0
    let dataAt = 0
    let dataEnd = 0
    let arrivedAtMs = 0
    for (let left = this.#argument; left > 0; left--) {
      if (!this.#head(textKind)) return 0
      const nameLength = this.#argument
      const letter = body[this.#at]
      this.#at += nameLength
      if (nameLength === 14 && letter === letterS) {
        if (!this.#head(textKind)) return 0
        numberAt = this.#at
        numberEnd = this.#at += this.#argument
      } else if (nameLength === 27 && letter === letterA) {
        if (!this.#milliseconds()) return 0
        arrivedAtMs = this.#argument
      } else if (nameLength === 4 && letter === letterD) {
        if (!this.#head(bytesKind)) return 0
        dataAt = this.#at
        dataEnd = this.#at += this.#argument
      } else if (nameLength === 12 && letter === letterP) {
        if (!this.#head(textKind)) return 0
        keyAt = this.#at
        keyEnd = this.#at += this.#argument
      } else if (nameLength === 14 && letter === letterE) {
        // EncryptionType, of streams that are encrypted at rest.
        if (!this.#head(textKind)) return 0
        this.#at += this.#argument
      } else return 0
    }
    if (this.#at > body.length || numberEnd === numberAt || dataAt === 0) return 0
    const index = this.#newRow(dataEnd - dataAt + keyEnd - keyAt)
    const places = this.#places
    const row = index * placesPerRow
    places[row] = numberAt
    places[row + 1] = numberEnd
    places[row + 2] = keyAt
    places[row + 3] = keyEnd
    places[row + 4] = dataAt
    places[row + 5] = dataEnd
    this.#times[index] = arrivedAtMs
    return this.#at
  }

  addOdd(record: EncodedRecord): void {
    const kept = this.#giveBack === undefined ? record : { ...record, bytes: Buffer.from(record.bytes) }
    this.#odd.set(this.#newRow(record.bytes.length + Buffer.byteLength(record.partitionKey)), kept)
  }

  #moveWindow(start: number, end: number): void {
    this.#windowStart = start
    this.#windowEnd = Math.max(end, Math.min(this.#body.length, start + windowBytes))
    // Not of Node's pool: whoever keeps a record keeps this window, and no other.
    this.#window = Buffer.allocUnsafeSlow(this.#windowEnd - start)
    this.#body.copy(this.#window, 0, start, this.#windowEnd)
  }

  #newRow(byteLength: number): number {
    const index = this.#length++
    this.#byteLength += byteLength
    if (index < this.#times.length) return index
    const places = new Uint32Array(this.#places.length * 2)
    places.set(this.#places)
    this.#places = places
    const times = new Float64Array(this.#times.length * 2)
    times.set(this.#times)
    this.#times = times
    return index
  }

  /** Reads a head of this kind and a definite argument below 2^32. */
  #head(kind: number): boolean {
    const body = this.#body
    const first = body[this.#at]
    if (first === undefined || first >>> 5 !== kind) return false
    const low = first & 31
    if (low < 24) {
      this.#argument = low
      this.#at += 1
    } else if (low === 24) {
      this.#argument = body[this.#at + 1] ?? 0
      this.#at += 2
    } else if (low === 25) {
      this.#argument = ((body[this.#at + 1] ?? 0) << 8) | (body[this.#at + 2] ?? 0)
      this.#at += 3
    } else if (low === 26) {
      this.#argument = this.#word(this.#at + 1)
      this.#at += 5
    } else return false
    return true
  }

  /** Reads a time in milliseconds; what is small enough to be seconds is not plain. */
  #milliseconds(): boolean {
    const body = this.#body
    if (body[this.#at] === tagOneByte) this.#at += 1
    if (body[this.#at] !== wideUnsignedByte) return false
    this.#argument = this.#word(this.#at + 1) * 0x1_0000_0000 + this.#word(this.#at + 5)
    this.#at += 9
    return this.#argument >= 1e11 && this.#argument <= Number.MAX_SAFE_INTEGER
  }

  #word(at: number): number {
    const body = this.#body
    const low = ((body[at + 1] ?? 0) << 16) | ((body[at + 2] ?? 0) << 8) | (body[at + 3] ?? 0)
    return (body[at] ?? 0) * 0x100_0000 + low
  }
}

const nothing = Buffer.alloc(0)
const windowBytes = 32 * 1024

function isAscii(body: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if ((body[at] as number) > 0x7f) return false
  return true
}

/** Begin and end of the sequence number, the key and the data. */
const placesPerRow = 6
/** No record takes fewer bytes: a length that claims more of them is damage, not a reason to allocate. */
const leastRecordBytes = 20

const bytesKind = 2
const textKind = 3
const mapKind = 5
const wideUnsignedByte = 0x1b
const tagOneByte = 0xc1

const letterA = 0x41
const letterD = 0x44
const letterE = 0x45
const letterP = 0x50
const letterS = 0x53
