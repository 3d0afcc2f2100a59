import { report } from '../diagnostics.ts'
import { Checkpointer, type ShardProgress } from './checkpointer.ts'
import { PageFeed } from './page-feed.ts'
import type { ReadSettings } from './read-settings.ts'
import type { ShardPage } from './shard-reader.ts'
import { type Decode, type StreamRecord, toStreamRecord } from './stream-record.ts'

/**
 * The records of a stream, for `for await`. In order within a shard, parents before children, shards taking turns page
 * by page; each record is decoded when it is handed out.
 *
 * It ends when `stop` was called and what was fetched is handed out; at once when it is closed, left by `break`, or its
 * signal fires (quietly: an asked-for end is no failure); when all that belongs to it was read; and with an error when
 * reading is refused. After any of these `checkpoint` still saves what was handed out.
 *
 * `next` answers from the page in hand without further promises: at millions of records every hop between two of them
 * is felt.
 */
export class StreamIterator<T> implements AsyncIterableIterator<StreamRecord<T>>, AsyncDisposable {
  readonly #settings: ReadSettings
  readonly #decode: Decode<T>
  readonly #feed: PageFeed
  readonly #checkpointer: Checkpointer
  #page: ShardPage | undefined
  #progress: ShardProgress | undefined
  #index = 0
  #isClosed = false
  /** Calls of `next` that wait for a page; while there are any, later calls wait for the last of them. */
  #waitingCount = 0
  #lastWaiting: Promise<unknown> = Promise.resolve()
  #wakers: (() => void)[] = []

  constructor(settings: ReadSettings, decode: Decode<T>) {
    this.#settings = settings
    this.#decode = decode
    this.#feed = new PageFeed(settings, () => this.#wake())
    this.#checkpointer = new Checkpointer({
      stream: settings.stream,
      target: settings.checkpointTarget,
      restingNumber: (shardId) => this.#restingNumber(shardId),
    })
    settings.signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (settings.signal?.aborted) this.#onAbort()
  }

  /**
   * Resolves when the start is taken in every shard: what is put from then on is read, also from *latest*. Waiting for
   * it is never necessary. Rejects as the first `next` would.
   */
  ready(): Promise<void> {
    return this.#feed.ready()
  }

  next(): Promise<IteratorResult<StreamRecord<T>, undefined>> {
    if (this.#waitingCount === 0) {
      let record: StreamRecord<T> | undefined
      try {
        record = this.#take()
      } catch (error) {
        return this.#failWith(error)
      }
      if (record !== undefined) return Promise.resolve({ value: record, done: false })
    }
    return this.#nextLater()
  }

  /** Fetches no more; what was fetched is still handed out, then the iterator ends. */
  stop(): void {
    this.#feed.stop()
  }

  /**
   * Saves the last record handed out, per shard, and which shards are finished; only what changed. Calls take effect in
   * their order, each with the state of its moment. Rejects with a TritonCheckpointError.
   */
  checkpoint(): Promise<void> {
    return this.#checkpointer.save()
  }

  /**
   * The records in batches of at most 1,000, each of one shard and never empty. A batch counts as handed out as a whole.
   * Larger ones would outlive the young generation of the heap, and cost more than they save. What stands before a
   * record that is to end the reading (`onUndecodable: 'throw'`) comes first.
   */
  async *batches(): AsyncGenerator<StreamRecord<T>[], undefined> {
    try {
      for (;;) {
        const { batch, refusal } = this.#takeBatch()
        if (batch.length > 0) yield batch
        if (refusal !== undefined) throw refusal
        if (batch.length === 0 && !(await this.#untilNews())) return
      }
    } finally {
      await this.close()
    }
  }

  /** Ends at once, without handing out what was fetched. May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#settings.signal?.removeEventListener('abort', this.#onAbort)
    this.#dropPage()
    await this.#feed.close()
  }

  async return(): Promise<IteratorResult<StreamRecord<T>, undefined>> {
    await this.close()
    return { value: undefined, done: true }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #nextLater(): Promise<IteratorResult<StreamRecord<T>, undefined>> {
    this.#waitingCount += 1
    const answer = this.#lastWaiting.then(() => this.#nextWithNews())
    this.#lastWaiting = answer.catch(() => undefined)
    return answer
  }

  async #nextWithNews(): Promise<IteratorResult<StreamRecord<T>, undefined>> {
    try {
      for (;;) {
        if (!(await this.#untilNews())) return { value: undefined, done: true }
        const record = this.#take()
        if (record !== undefined) return { value: record, done: false }
      }
    } catch (error) {
      return await this.#failWith(error)
    } finally {
      this.#waitingCount -= 1
    }
  }

  /** Resolves true when there may be a page, false when the end is reached; rejects once when reading failed. */
  async #untilNews(): Promise<boolean> {
    this.#feed.begin()
    if (this.#page === undefined && !this.#feed.hasPage && !this.#isClosed && !this.#feed.isOver) {
      await new Promise<void>((resolve) => this.#wakers.push(resolve))
    }
    if (this.#page !== undefined || this.#feed.hasPage) return true
    if (this.#isClosed) return false
    if (!this.#feed.isOver) return true
    await this.close()
    const { failure } = this.#feed
    if (failure !== undefined) throw failure
    return false
  }

  /** The next record of what is there, already counted as handed out. */
  #take(): StreamRecord<T> | undefined {
    for (;;) {
      const page = this.#page ?? this.#turnPage()
      if (page === undefined) return undefined
      const record = this.#takeFrom(page)
      if (record !== undefined) return record
      this.#donePage(page)
    }
  }

  /** The next records, all counted as handed out, and the error with which reading ends behind them. */
  #takeBatch(): { batch: StreamRecord<T>[]; refusal?: unknown } {
    const batch: StreamRecord<T>[] = []
    try {
      while (batch.length === 0) {
        const page = this.#page ?? this.#turnPage()
        if (page === undefined) break
        while (batch.length < batchRecords) {
          const record = this.#takeFrom(page)
          if (record !== undefined) batch.push(record)
          else {
            this.#donePage(page)
            break
          }
        }
      }
    } catch (refusal) {
      return { batch, refusal }
    }
    return { batch }
  }

  #takeFrom(page: ShardPage): StreamRecord<T> | undefined {
    const progress = this.#progress as ShardProgress
    for (;;) {
      const encoded = page.records.at(this.#index)
      if (encoded === undefined) return undefined
      const record = toStreamRecord(page.shardId, encoded, this.#decode)
      const isHandedOut = record.error === undefined || this.#judge(record)
      this.#index += 1
      progress.sequenceNumber = encoded.sequenceNumber
      if (!progress.isChanged) this.#checkpointer.touch(progress)
      if (isHandedOut) return record
    }
  }

  /** Whether an undecodable record is handed out; throws when the caller wants to hear of it that way. */
  #judge(record: StreamRecord<T> & { error: Error }): boolean {
    const { stream, onUndecodable } = this.#settings
    const { shardId, sequenceNumber, error } = record
    report({ type: 'record-undecodable', stream, shardId, sequenceNumber, reason: error.message })
    if (onUndecodable === 'throw') throw error
    return onUndecodable === 'deliver'
  }

  #turnPage(): ShardPage | undefined {
    if (this.#isClosed) return undefined
    const page = this.#feed.shift()
    if (page === undefined) return undefined
    this.#page = page
    this.#progress = this.#checkpointer.of(page.shardId)
    this.#index = 0
    return page
  }

  #donePage(page: ShardPage): void {
    const progress = this.#progress as ShardProgress
    if (page.isEnd) {
      progress.isFinished = true
      this.#checkpointer.touch(progress)
    }
    this.#dropPage()
  }

  #dropPage(): void {
    if (this.#page !== undefined) this.#feed.release(this.#page)
    this.#page = undefined
  }

  async #failWith(error: unknown): Promise<never> {
    await this.close()
    throw error
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake()
  }

  readonly #onAbort = () => {
    void this.close()
  }

  /** Where a finished shard is remembered in which nothing was handed out: where it stood, or its own last number. */
  #restingNumber(shardId: string): string | undefined {
    const beginning = this.#feed.beginning
    const shard = beginning?.map.listed(shardId)
    return beginning?.known.get(shardId)?.sequenceNumber ?? shard?.endingSequenceNumber ?? shard?.startingSequenceNumber
  }
}

const batchRecords = 1_000
