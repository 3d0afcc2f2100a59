import { type Clock, sleep, systemClock } from '../clock.ts'
import { isObserved, report } from '../diagnostics.ts'
import { ClosedError } from '../errors.ts'
import type { ChildShard, KinesisApi, Page, PageRecords } from '../kinesis/kinesis-api.ts'
import { getRecordsPerSecond, maxGetRecords } from '../kinesis/limits.ts'
import { describePosition, type Position } from '../kinesis/position.ts'
import { KinesisCallError } from '../kinesis/retry-class.ts'
import { endingSeqIx, parseSequenceNumber } from '../kinesis/sequence-number.ts'
import { type Random, systemRandom } from '../random.ts'
import { backoffMs } from './backoff.ts'
import { isWorthRetrying, toReadError } from './call-errors.ts'
import { CallPacer } from './call-pacer.ts'
import { laterRecords } from './later-records.ts'
import type { PrefetchBudget } from './prefetch-budget.ts'

export interface ShardReaderOptions {
  api: KinesisApi
  stream: string
  shardId: string
  position: Position
  /** Records asked for per GetRecords call, 1..10,000. @default as many as make a page of about 4 MiB */
  limit?: number | undefined
  /** What a page may take in memory, its records' overhead included, in bytes. @default 4 MiB */
  pageBytes?: number
  /** Pause after a page that reached the shard's tip, in milliseconds; asked for each time. @default 250 */
  idlePollMs?: number | (() => number)
  /** GetRecords calls a second; Kinesis allows 5, shared by all readers of the shard. @default 5 */
  callsPerSecond?: number
  /** What pages may lie about, over all shards that share it; none: the caller bounds it by not calling `next`. */
  budget?: PrefetchBudget
  signal?: AbortSignal
  /** @default systemClock */
  clock?: Clock
  /** @default systemRandom */
  random?: Random
}

/** One GetRecords answer, as the reader hands it on. */
export interface ShardPage {
  shardId: string
  records: PageRecords
  /** 0 when the page reaches the shard's tip. */
  millisBehindLatest: number
  /** The shard is closed and this was the last of it: there is no next page. */
  isEnd: boolean
  /** At the end: the shards that continue this one. */
  childShards: ChildShard[]
  /** What this page holds of the budget; whoever takes the page releases it when done. */
  heldBytes: number
}

/**
 * Reads one shard from a position to its end, page by page. Outages and throttling are waited out, however long; an
 * expired iterator is replaced where reading stood. Holds nothing that must be given back: drop it, or fire its signal.
 *
 * *Where reading stands* is the last record read, or the position asked for. The iterator is a perishable copy of it.
 * `after N` is asked for as `at N`, and N itself dropped: when another record comes first, N was trimmed, and Kinesis
 * would not have said so.
 */
export class ShardReader {
  readonly shardId: string
  readonly #options: ShardReaderOptions
  readonly #clock: Clock
  readonly #pacer: CallPacer
  #limit: number
  #position: Position
  #iterator: string | undefined
  /** The record that `#position` names has not been seen, so the position may have been trimmed. */
  #isUnproven = false
  #isEnded = false
  #failedCount = 0
  #failure = ''
  #notBeforeMs = 0
  /** Size of the last page: what the next one is expected to have. */
  #expectedBytes = firstPageBytes

  constructor(options: ShardReaderOptions) {
    this.shardId = options.shardId
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#limit = options.limit ?? firstPageRecords
    this.#pacer = new CallPacer(options.callsPerSecond ?? getRecordsPerSecond)
    this.#position = options.position
  }

  /** What the last calls failed with, one after the other; empty when the last one did not. */
  get trouble(): string {
    return this.#failedCount === 0 ? '' : this.#failure
  }

  /** Where reading stands. */
  get position(): Position {
    return this.#position
  }

  /**
   * Takes the place in the shard without reading: from then on *latest* means this moment. `next` does it otherwise.
   * Answers false when the signal fired first. Rejects as `next` does.
   */
  async open(): Promise<boolean> {
    while (this.#iterator === undefined) {
      if (!(await this.#untilDue())) return false
      try {
        await this.#takeIterator()
      } catch (error) {
        if (!this.#survives(error)) return false
      }
    }
    return true
  }

  /**
   * The next page, which may be empty; undefined after the end, or when the signal fired.
   *
   * Rejects with a NotFoundError when the shard or stream is gone and with a RefusedError when the position or the
   * credentials are refused.
   */
  async next(): Promise<ShardPage | undefined> {
    const { budget, signal } = this.#options
    while (!this.#isEnded) {
      if (!(await this.#untilDue())) return undefined
      const reservedBytes = budget === undefined ? 0 : this.#expectedBytes
      if (budget !== undefined && !(await budget.reserve(reservedBytes, signal))) return undefined
      let page: ShardPage | undefined
      try {
        page = await this.#fetch()
        if (page === undefined) continue
        budget?.correct(reservedBytes, page.heldBytes)
        return page
      } catch (error) {
        if (!this.#survives(error)) return undefined
      } finally {
        if (page === undefined) budget?.release(reservedBytes)
      }
    }
    return undefined
  }

  /** One call; undefined when it only brought the record that reading stood at, which says nothing about the tip. */
  async #fetch(): Promise<ShardPage | undefined> {
    const { api, signal } = this.#options
    const iterator = this.#iterator ?? (await this.#takeIterator())
    const begunMs = this.#clock.monotonic()
    this.#pacer.spend(begunMs)
    const answer = await api.getRecords(iterator, this.#limit, signal)
    this.#failedCount = 0
    this.#iterator = answer.nextShardIterator
    this.#isEnded = answer.nextShardIterator === undefined
    const records = this.#isUnproven ? await this.#prove(answer) : answer.records
    const last = answer.records.at(answer.records.length - 1)
    if (last !== undefined) this.#position = { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber: last.sequenceNumber }
    if (records.length < answer.records.length && records.length === 0 && !this.#isEnded) return undefined
    if (answer.millisBehindLatest === 0) this.#notBeforeMs = begunMs + this.#idlePollMs()
    return this.#toPage(answer, records, begunMs)
  }

  #idlePollMs(): number {
    const { idlePollMs = defaultIdlePollMs } = this.#options
    return typeof idlePollMs === 'function' ? idlePollMs() : idlePollMs
  }

  #toPage(answer: Page, records: PageRecords, begunMs: number): ShardPage {
    const pageBytes = records.byteLength
    this.#expectedBytes = pageBytes + records.length * recordOverheadBytes
    this.#aimAtPageSize(records.length)
    if (isObserved()) {
      report({
        type: 'page-read',
        stream: this.#options.stream,
        shardId: this.shardId,
        recordCount: records.length,
        pageBytes,
        millisBehindLatest: answer.millisBehindLatest,
        durationMs: this.#clock.monotonic() - begunMs,
      })
    }
    return {
      shardId: this.shardId,
      records,
      millisBehindLatest: answer.millisBehindLatest,
      isEnd: this.#isEnded,
      childShards: answer.childShards ?? [],
      heldBytes: this.#options.budget === undefined ? 0 : this.#expectedBytes,
    }
  }

  /**
   * A page of large records holds much memory and gains nothing: five calls a second of 4 MiB are ten times what Kinesis
   * lets a shard give.
   */
  #aimAtPageSize(recordCount: number): void {
    if (this.#options.limit !== undefined || recordCount === 0) return
    const recordBytes = this.#expectedBytes / recordCount
    this.#limit = Math.max(
      1,
      Math.min(maxGetRecords, Math.floor((this.#options.pageBytes ?? pageAimBytes) / recordBytes)),
    )
  }

  /** Resolves true when the next call may go: neither too many a second nor in a pause; false when the signal fired. */
  async #untilDue(): Promise<boolean> {
    const { signal } = this.#options
    for (;;) {
      if (signal?.aborted) return false
      const nowMs = this.#clock.monotonic()
      const waitMs = Math.max(this.#notBeforeMs - nowMs, this.#pacer.waitMs(nowMs))
      if (waitMs <= 0) return true
      await sleep(this.#clock, waitMs, signal)
    }
  }

  async #takeIterator(): Promise<string> {
    const { api, stream, shardId, signal } = this.#options
    const position = this.#position
    const askedAtMs = this.#clock.now()
    this.#isUnproven = 'sequenceNumber' in position && isRecordNumber(position.sequenceNumber)
    try {
      this.#iterator = await api.getShardIterator(stream, shardId, asAt(position), signal)
    } catch (error) {
      if (!isFromTheFuture(error, position, askedAtMs)) throw error
      // Kinesis' clock is behind ours. What it calls latest now lies before the time that was asked for.
      this.#iterator = await api.getShardIterator(stream, shardId, { type: 'LATEST' }, signal)
    }
    // Latest is a place only now; should the iterator be lost before a record was read, this is where it stood.
    if (position.type === 'LATEST') this.#position = { type: 'AT_TIMESTAMP', timestampMs: askedAtMs }
    return this.#iterator
  }

  /** Whether reading goes on after this failure: false when the signal caused it, throws what is final. */
  #survives(error: unknown): boolean {
    const { stream, signal, random } = this.#options
    if (signal?.aborted || error instanceof ClosedError) return false
    if (error instanceof KinesisCallError && error.retryClass === 'expired-iterator') {
      this.#iterator = undefined
      report({ type: 'iterator-expired', stream, shardId: this.shardId, from: describePosition(this.#position) })
      return true
    }
    if (!isWorthRetrying(error)) throw toReadError(error, { stream, shardId: this.shardId })
    this.#failedCount += 1
    this.#failure = error.errorCode
    const delayMs = backoffMs(this.#failedCount, random ?? systemRandom)
    this.#notBeforeMs = this.#clock.monotonic() + delayMs
    report({
      type: 'get-retry',
      stream,
      shardId: this.shardId,
      errorCode: error.errorCode,
      attempt: this.#failedCount,
      delayMs,
    })
    return true
  }

  /** The page's records without the one that reading stood at; reports when that one is gone. */
  async #prove(answer: Page): Promise<PageRecords> {
    const position = this.#position
    const first = answer.records.at(0)
    if (!('sequenceNumber' in position)) return answer.records
    if (first === undefined) {
      // Empty pages prove nothing before the tip; at the tip, the record itself would have come.
      if (answer.millisBehindLatest !== 0 && !this.#isEnded) return answer.records
      this.#isUnproven = false
      this.#reportTrimmed(position.sequenceNumber)
      return answer.records
    }
    this.#isUnproven = false
    if (first.sequenceNumber === position.sequenceNumber) {
      // Within an aggregate reading goes on inside that record; who cuts it open cuts it behind the sub-sequence number.
      const isWholeRead = position.type === 'AFTER_SEQUENCE_NUMBER' && position.subSequenceNumber === undefined
      return isWholeRead ? laterRecords(answer.records) : answer.records
    }
    const oldest = await this.#oldestSequenceNumber()
    if (oldest === undefined || oldest === first.sequenceNumber) {
      this.#reportTrimmed(position.sequenceNumber, first.sequenceNumber)
    }
    return answer.records
  }

  /** The first record that the shard still has, where one call tells it. */
  async #oldestSequenceNumber(): Promise<string | undefined> {
    const { api, stream, signal } = this.#options
    try {
      const iterator = await api.getShardIterator(stream, this.shardId, { type: 'TRIM_HORIZON' }, signal)
      this.#pacer.spend(this.#clock.monotonic())
      return (await api.getRecords(iterator, 1, signal)).records.at(0)?.sequenceNumber
    } catch (error) {
      // The page in hand is good whatever this question meets; unanswered, the position counts as trimmed.
      if (error instanceof KinesisCallError || error instanceof ClosedError) return undefined
      throw error
    }
  }

  #reportTrimmed(sequenceNumber: string, oldestSequenceNumber?: string): void {
    report({
      type: 'position-trimmed',
      stream: this.#options.stream,
      shardId: this.shardId,
      sequenceNumber,
      ...(oldestSequenceNumber === undefined ? {} : { oldestSequenceNumber }),
    })
  }
}

/** What a record takes in a page beside its data and key: 135 bytes around them in the answer, 32 that tell its places. */
const recordOverheadBytes = 168
/** Size of a page in memory: about 10,000 records of 200 bytes, the most that a call gives. */
const pageAimBytes = 4 * 1024 * 1024
const firstPageRecords = 1_000
/** What a shard's first page is expected to hold: enough that few shards begin at once, little enough that many do. */
const firstPageBytes = 1024 * 1024
const defaultIdlePollMs = 250

function asAt(position: Position): Position {
  return 'sequenceNumber' in position && isRecordNumber(position.sequenceNumber)
    ? { type: 'AT_SEQUENCE_NUMBER', sequenceNumber: position.sequenceNumber }
    : position
}

/** A shard's own first and last numbers are no records': nothing can be missing at them. */
function isRecordNumber(sequenceNumber: string): boolean {
  const seqIx = parseSequenceNumber(sequenceNumber)?.seqIx
  return seqIx !== 0n && seqIx !== endingSeqIx
}

/** Kinesis refuses a timestamp that its own clock has not reached; within a minute that is a matter of two clocks. */
function isFromTheFuture(error: unknown, position: Position, nowMs: number): boolean {
  return (
    error instanceof KinesisCallError &&
    error.retryClass === 'refused' &&
    position.type === 'AT_TIMESTAMP' &&
    Math.abs(position.timestampMs - nowMs) < 60_000
  )
}
