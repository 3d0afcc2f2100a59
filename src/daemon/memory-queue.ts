import type { Clock, Timer } from '../clock.ts'
import { assert } from '../errors.ts'
import type { PutEntry } from '../kinesis/kinesis-api.ts'
import { maxBatchRecords } from '../kinesis/limits.ts'
import { Fifo } from '../producer/fifo.ts'
import { BodyCopies } from './body-copies.ts'
import { bytesOf, type Chunk, type OnKept, type RecordQueue } from './record-queue.ts'

export interface MemoryQueueOptions {
  /** How long a record waits for company, in milliseconds. */
  flushMs: number
  clock: Clock
}

/** A stream's queue in memory: its records end with the process. */
export class MemoryQueue implements RecordQueue {
  readonly #options: MemoryQueueOptions
  /** Waits for company. */
  #open: Chunk | undefined
  #openTimer: Timer | undefined
  /** Full, or waited long enough. */
  readonly #due = new Fifo<Chunk>()
  readonly #copies = new BodyCopies()
  /** Of all that wait, handed out or not; the oldest first. */
  readonly #unsettled = new Set<Chunk>()
  #recordCount = 0
  #bytes = 0
  #lastNumber = 0
  #isClosed = false
  #wake: (() => void) | undefined

  constructor(options: MemoryQueueOptions) {
    this.#options = options
  }

  get recordCount(): number {
    return this.#recordCount
  }

  get bytes(): number {
    return this.#bytes
  }

  readonly isBlocked = false

  get oldestMs(): number | undefined {
    for (const { sinceMs } of this.#unsettled) return sinceMs
    return undefined
  }

  add(entry: PutEntry, onKept?: OnKept): void {
    assert(!this.#isClosed, 'nothing is added to a closed queue')
    const bytes = bytesOf(entry)
    if (this.#open !== undefined && this.#open.bytes + bytes > chunkBytes) this.#finishOpen()
    const chunk = this.#open ?? this.#begin()
    chunk.entries.push({ data: this.#copies.copy(entry.data), partitionKey: entry.partitionKey })
    chunk.bytes += bytes
    this.#recordCount++
    this.#bytes += bytes
    if (chunk.entries.length >= maxBatchRecords || chunk.bytes >= chunkBytes) this.#finishOpen()
    onKept?.()
  }

  async next(): Promise<Chunk | undefined> {
    while (this.#due.length === 0) {
      if (this.#isClosed) return undefined
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
    }
    return this.#due.shift()
  }

  settle(chunk: Chunk, left: PutEntry[]): void {
    const leftBytes = left.reduce((sum, entry) => sum + bytesOf(entry), 0)
    assert(this.#unsettled.has(chunk), 'a chunk is settled by the queue that it came from, until none of it is left')
    this.#recordCount -= chunk.entries.length - left.length
    this.#bytes -= chunk.bytes - leftBytes
    chunk.entries = left
    chunk.bytes = leftBytes
    if (left.length === 0) this.#unsettled.delete(chunk)
  }

  close(): void {
    this.#isClosed = true
    this.#finishOpen()
    this.#wake?.()
  }

  async release(): Promise<number> {
    this.close()
    return this.#recordCount
  }

  #begin(): Chunk {
    const { clock, flushMs } = this.#options
    const chunk = { number: ++this.#lastNumber, entries: [], bytes: 0, sinceMs: clock.monotonic() }
    this.#open = chunk
    this.#unsettled.add(chunk)
    this.#openTimer = clock.setTimer(() => this.#finishOpen(), flushMs)
    return chunk
  }

  #finishOpen(): void {
    const chunk = this.#open
    if (chunk === undefined) return
    this.#open = undefined
    this.#openTimer?.cancel()
    this.#due.push(chunk)
    this.#wake?.()
  }
}

/** Below what one PutRecords request takes, so that a chunk can travel as a whole. */
const chunkBytes = 4 * 1024 * 1024
