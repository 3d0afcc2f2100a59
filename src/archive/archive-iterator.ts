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
  #waiting: ArchiveBlock[] = []
  #data: T[] = []
  #at = 0
  #failure: unknown
  #isOver = false

  constructor(blocks: AsyncGenerator<ArchiveBlock[]>, decode: ArchiveDecode<T>) {
    this.#blocks = blocks
    this.#decode = decode
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
        yield this.#recordsOf(block)
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
    if (this.#decode.toValues !== undefined) {
      const { values, error } = this.#decode.toValues(block.bytes, block.start, block.ends)
      if (error !== undefined) this.#failure = this.#undecodable(block, values.length, error)
      return values
    }
    const data: T[] = []
    let start = block.start
    for (const end of block.ends) {
      const outcome = this.#decode.toData(block.bytes.subarray(start, end))
      if (outcome.error !== undefined) {
        this.#failure = this.#undecodable(block, data.length, outcome.error)
        break
      }
      data.push(outcome.data)
      start = end
    }
    return data
  }

  #recordsOf(block: ArchiveBlock): ArchivedRecord<T>[] {
    const places = block.positions?.places(block.bytes, block.start)
    let start = block.start
    return block.ends.map((end, index) => {
      const record = block.bytes.subarray(start, end)
      start = end
      const outcome = this.#decode.toData(record)
      if (outcome.error !== undefined) throw this.#undecodable(block, index, outcome.error)
      const place = places?.[index]
      return {
        data: outcome.data,
        bytes: this.#decode.toPut(record),
        key: block.archive.key,
        recordNumber: block.recordNumber + index,
        ...(place && { place }),
      }
    })
  }

  #undecodable({ archive, recordNumber, offset }: ArchiveBlock, index: number, cause: FormatError): FormatError {
    const message = `${archive.key}: record ${recordNumber + index} does not decode: ${cause.message}`
    return new (cause.constructor as typeof FormatError)(message, offset, { cause })
  }
}
