import type { FormatError } from '../errors.ts'
import type { RecordPlace } from '../record/tri-positions.ts'
import type { ArchiveBlock } from './read-archives.ts'

/** One record of an archive, and where it came from. */
export interface ArchivedRecord<T> {
  data: T
  /** As they were put. A view into the buffer of many: copy what outlives it. */
  bytes: Uint8Array
  /** The archive's key. */
  key: string
  /** In the archive, from 0. */
  recordNumber: number
  /** Where it stood in the stream; absent in archives of the older programs, which don't say. */
  place?: RecordPlace
}

/** How a record's bytes in an archive become data, and the bytes that were put. */
export interface ArchiveDecode<T> {
  toData(record: Uint8Array): { data: T; error?: undefined } | { data?: undefined; error: FormatError }
  toPut(record: Uint8Array): Uint8Array
  /** Many at once, as far as they decode; absent where that is no faster. */
  toValues?(bytes: Uint8Array, start: number, ends: readonly number[]): { values: T[]; error?: FormatError }
}

/**
 * The data of archived records, in the order written, for `for await`; `records` and `batches` give more of each. Ends
 * with the last record, and with a FormatError at what can't be read: nothing is passed over in silence.
 *
 * `next` answers from the block in hand without further promises: at millions of records every hop between two of them
 * is felt.
 */
export class ArchiveIterator<T> implements AsyncIterableIterator<T>, AsyncDisposable {
  readonly #blocks: AsyncGenerator<ArchiveBlock[]>
  readonly #decode: ArchiveDecode<T>
  readonly #onLost: ((error: FormatError, block: ArchiveBlock) => void) | undefined
  #waiting: ArchiveBlock[] = []
  #data: T[] = []
  #at = 0
  #failure: unknown
  #isOver = false

  /** With `onLost`, a record that does not decode is told to it and passed over, instead of ending the reading. */
  constructor(
    blocks: AsyncGenerator<ArchiveBlock[]>,
    decode: ArchiveDecode<T>,
    onLost?: (error: FormatError, block: ArchiveBlock) => void,
  ) {
    this.#blocks = blocks
    this.#decode = decode
    this.#onLost = onLost
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#at < this.#data.length) return Promise.resolve({ value: this.#data[this.#at++] as T, done: false })
    return this.#nextLater()
  }

  /** With source and place. Don't mix it with `next` on one iterator. */
  async *records(): AsyncGenerator<ArchivedRecord<T>, undefined> {
    for await (const batch of this.batches()) yield* batch
  }

  /** The same in the groups in which they are read, never empty. */
  async *batches(): AsyncGenerator<ArchivedRecord<T>[], undefined> {
    try {
      for (;;) {
        const block = await this.#nextBlock()
        if (block === undefined) return
        const records = this.#recordsOf(block)
        if (records.length > 0) yield records
      }
    } finally {
      await this.close()
    }
  }

  async close(): Promise<void> {
    this.#isOver = true
    this.#waiting = []
    await this.#blocks.return(undefined)
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    await this.close()
    return { value: undefined, done: true }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #nextLater(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      // Another call may have fetched meanwhile.
      if (this.#at < this.#data.length) return { value: this.#data[this.#at++] as T, done: false }
      if (this.#failure !== undefined) throw await this.#fail()
      const block = await this.#nextBlock()
      if (block === undefined) return { value: undefined, done: true }
      this.#data = this.#dataOf(block)
      this.#at = 0
    }
  }

  async #fail(): Promise<unknown> {
    const failure = this.#failure
    await this.close()
    return failure
  }

  async #nextBlock(): Promise<ArchiveBlock | undefined> {
    while (this.#waiting.length === 0) {
      if (this.#isOver) return undefined
      const { value, done } = await this.#blocks.next()
      if (done) return undefined
      this.#waiting = [...value].reverse()
    }
    return this.#waiting.pop()
  }

  /** What stands before a record that does not decode is handed out first. */
  #dataOf(block: ArchiveBlock): T[] {
    const { ends } = block
    const data: T[] = []
    for (let index = 0; index < ends.length; ) {
      const { values, error } = this.#valuesFrom(block, index)
      // Mostly there is one go, whose array needs no copy.
      if (error === undefined && index === 0) return values
      for (const value of values) data.push(value)
      if (error === undefined) break
      index += values.length
      const failure = this.#undecodable(block, index, error)
      if (this.#onLost === undefined) {
        this.#failure = failure
        break
      }
      this.#onLost(failure, { ...block, recordNumber: block.recordNumber + index })
      index += 1
    }
    return data
  }

  /** The data of the block's records from this one on, up to the first that does not decode. */
  #valuesFrom({ bytes, start, ends }: ArchiveBlock, index: number): { values: T[]; error?: FormatError } {
    let begin = index === 0 ? start : (ends[index - 1] as number)
    if (this.#decode.toValues !== undefined)
      return this.#decode.toValues(bytes, begin, index === 0 ? ends : ends.slice(index))
    const values: T[] = []
    for (let i = index; i < ends.length; i++) {
      const end = ends[i] as number
      const { data, error } = this.#decode.toData(bytes.subarray(begin, end))
      if (error !== undefined) return { values, error }
      values.push(data as T)
      begin = end
    }
    return { values }
  }

  #recordsOf(block: ArchiveBlock): ArchivedRecord<T>[] {
    const { bytes, ends, recordNumber } = block
    const places = block.positions?.places(bytes, block.start)
    const records: ArchivedRecord<T>[] = []
    let start = block.start
    for (const [index, end] of ends.entries()) {
      const record = bytes.subarray(start, end)
      start = end
      const { data, error } = this.#decode.toData(record)
      if (error !== undefined) {
        const failure = this.#undecodable(block, index, error)
        if (this.#onLost === undefined) throw failure
        this.#onLost(failure, { ...block, recordNumber: recordNumber + index })
        continue
      }
      const place = places?.[index]
      records.push({
        data: data as T,
        bytes: this.#decode.toPut(record),
        key: block.archive.key,
        recordNumber: recordNumber + index,
        ...(place && { place }),
      })
    }
    return records
  }

  #undecodable({ archive, recordNumber, offset }: ArchiveBlock, index: number, cause: FormatError): FormatError {
    const message = `${archive.key}: record ${recordNumber + index} does not decode: ${cause.message}`
    return new (cause.constructor as typeof FormatError)(message, offset, { cause })
  }
}
