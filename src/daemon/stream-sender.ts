import { type Clock, sleep } from '../clock.ts'
import { report } from '../diagnostics.ts'
import type { PutEntry } from '../kinesis/kinesis-api.ts'
import type { Producer, PutFailed } from '../producer/producer.ts'
import { type Fate, isStreamMissing, judgeFailure } from './judge-failure.ts'
import type { Chunk, RecordQueue } from './record-queue.ts'

export interface SenderOptions {
  /** Logical name, for the news. */
  streamName: string
  /** Chunks under way at a time. */
  windowChunks: number
  /** How long a record is tried, in milliseconds; Infinity where it is kept safe meanwhile. */
  recordTtlMs: number
  clock: Clock
  /** Takes what Kinesis will never take; without it, such records are counted as lost. */
  onRefused?: (failed: readonly PutFailed[]) => Promise<void>
  /** Records were settled: there is room. */
  onSettled: () => void
}

/**
 * Carries the chunks of one queue to Kinesis. Several are under way at a time, and the producer keeps the records of a
 * key in order. What comes back although another attempt can help (no permission, no such stream yet) is parked:
 *
 *     sending --records came back--> resting: nothing new is begun, what is under way is waited for, then a pause
 *     resting --the pause is over--> sending, the parked records first and in their order
 *     any --stop--> stopped: what is under way is called off and stays in the queue
 *     any --queue closed and empty--> done
 */
export class StreamSender {
  readonly #queue: RecordQueue
  readonly #options: SenderOptions
  readonly #stopping = new AbortController()
  #producer: Producer
  /** Calls off what the present producer has under way. */
  #calls = new AbortController()
  /** Resolves when the queue is closed and empty, or after `stop`. */
  readonly done: Promise<void>
  #carriedCount = 0
  #parked: Chunk[] = []
  #ready: Chunk | undefined
  #asked: Promise<void> | undefined
  #isQueueEmpty = false
  #failuresInRow = 0
  #missingSinceMs: number | undefined
  /** Entries one of whose attempts had no answer; a clear no to a later one doesn't wash that away. */
  readonly #doubted = new WeakSet<PutEntry>()
  #wake: (() => void) | undefined

  constructor(queue: RecordQueue, producer: Producer, options: SenderOptions) {
    this.#queue = queue
    this.#producer = producer
    this.#options = options
    this.done = this.#run()
  }

  /** What the old one has not sent yet comes back and goes to the new one. Whoever made the old one closes it. */
  useProducer(producer: Producer): void {
    this.#producer = producer
    this.#calls.abort()
    this.#calls = new AbortController()
  }

  /** Begins nothing new and calls off what is under way. */
  stop(): void {
    this.#stopping.abort()
    this.#calls.abort()
    this.#wake?.()
  }

  async #run(): Promise<void> {
    const { windowChunks } = this.#options
    for (;;) {
      if (this.#stopping.signal.aborted) {
        if (this.#carriedCount === 0) return
        await this.#news()
      } else if (this.#parked.length > 0) {
        await this.#resume()
      } else if (this.#carriedCount >= windowChunks) {
        await this.#news()
      } else if (this.#ready !== undefined) {
        const chunk = this.#ready
        this.#ready = undefined
        void this.#carry(chunk)
      } else if (this.#isQueueEmpty) {
        if (this.#carriedCount === 0) return
        await this.#news()
      } else {
        this.#asked ??= this.#ask()
        await this.#news()
      }
    }
  }

  async #ask(): Promise<void> {
    const chunk = await this.#queue.next()
    this.#asked = undefined
    this.#ready = chunk
    this.#isQueueEmpty = chunk === undefined
    this.#wake?.()
  }

  #news(): Promise<void> {
    return new Promise((wake) => {
      this.#wake = wake
    })
  }

  /** Parked records go first, in their order, when nothing of this stream is under way any more. */
  async #resume(): Promise<void> {
    if (this.#carriedCount > 0) return this.#news()
    const { clock, streamName } = this.#options
    const delayMs = Math.min(longestRestMs, firstRestMs * 2 ** (this.#failuresInRow - 1))
    const recordCount = this.#parked.reduce((sum, chunk) => sum + chunk.entries.length, 0)
    report({ type: 'stream-resting', stream: streamName, recordCount, delayMs })
    await sleep(clock, delayMs, this.#stopping.signal)
    if (this.#stopping.signal.aborted) return
    const parked = this.#parked.sort((one, other) => one.number - other.number)
    this.#parked = []
    for (const chunk of parked) void this.#carry(chunk)
  }

  async #carry(chunk: Chunk): Promise<void> {
    const { clock, streamName, onSettled } = this.#options
    this.#carriedCount++
    const startMs = clock.monotonic()
    const outcomes = await this.#producer.putMany(chunk.entries, { signal: this.#calls.signal })
    const failed = outcomes.filter((outcome): outcome is PutFailed => !outcome.ok)
    const recordCount = outcomes.length - failed.length
    if (recordCount > 0) {
      const durationMs = clock.monotonic() - startMs
      report({ type: 'records-sent', stream: streamName, recordCount, durationMs })
      this.#failuresInRow = 0
      this.#missingSinceMs = undefined
    }
    const again = failed.length === 0 ? [] : await this.#sortOut(failed, chunk)
    this.#carriedCount--
    this.#queue.settle(chunk, again)
    if (again.length > 0) {
      this.#parked.push(chunk)
      if (this.#carriedCount === 0) this.#failuresInRow++
    }
    onSettled()
    this.#wake?.()
  }

  /** Answers the records that are to be tried again; the others are told of. */
  async #sortOut(failed: readonly PutFailed[], chunk: Chunk): Promise<PutEntry[]> {
    const { recordTtlMs, onRefused, clock } = this.#options
    const nowMs = clock.monotonic()
    if (failed.some(({ error }) => isStreamMissing(error))) this.#missingSinceMs ??= nowMs
    const missingMs = this.#missingSinceMs === undefined ? 0 : nowMs - this.#missingSinceMs
    const sorted: { [fate in Fate]: PutFailed[] } = { again: [], 'given-up': [], refused: [] }
    for (const failure of failed) {
      if (failure.mayHaveBeenWritten) this.#doubted.add(failure.record)
      const facts = { error: failure.error, ageMs: nowMs - chunk.sinceMs, missingMs }
      sorted[judgeFailure(facts, { recordTtlMs, missingStreamMs })].push(failure)
    }
    if (onRefused === undefined) this.#tellLost(sorted.refused, 'refused')
    else if (sorted.refused.length > 0) {
      try {
        await onRefused(sorted.refused)
      } catch (error) {
        // Kept where they are until there is a place for them.
        const reason = error instanceof Error ? error.message : String(error)
        report({ type: 'spool-blocked', stream: this.#options.streamName, reason })
        sorted.again.push(...sorted.refused)
      }
    }
    this.#tellLost(sorted['given-up'], 'given-up')
    return sorted.again.map(({ record }) => record)
  }

  #tellLost(lost: readonly PutFailed[], reason: 'refused' | 'given-up'): void {
    const counts = new Map<string, { errorCode: string; mayHaveBeenWritten: boolean; recordCount: number }>()
    for (const { code: errorCode, record } of lost) {
      const mayHaveBeenWritten = this.#doubted.has(record)
      const group = `${errorCode} ${mayHaveBeenWritten}`
      const counted = counts.get(group) ?? { errorCode, mayHaveBeenWritten, recordCount: 0 }
      counted.recordCount++
      counts.set(group, counted)
    }
    for (const counted of counts.values())
      report({ type: 'records-lost', stream: this.#options.streamName, reason, ...counted })
  }
}

const firstRestMs = 500
const longestRestMs = 30_000
/** A stream that was just created takes some seconds until all of Kinesis knows it. */
const missingStreamMs = 60_000
