import type { Clock } from '../../clock.ts'
import { shardIdOf } from '../../kinesis/shard.ts'
import { type ApiError, limitExceeded } from '../api-error.ts'
import type { FaultTarget } from '../faults.ts'
import { rateExceeded } from '../operations/rate-exceeded.ts'
import type { RecordJudge, RecordRefusals } from '../record-refusals.ts'
import type { RateLimits } from './rate-limits.ts'
import { TokenBucket } from './token-bucket.ts'

const dayMs = 24 * 3_600_000

/** What has gone through a shard or an account is forgotten when so many others came after it, and it is full again. */
const mostBuckets = 10_000

/** Says no when more is asked for than Kinesis would serve. Nothing of it is kept over a restart. */
export class Throttles implements RecordRefusals {
  readonly #limits: Required<RateLimits>
  readonly #clock: Clock
  readonly #account: string
  readonly #buckets = new Map<string, TokenBucket>()
  /** When changes were made within the last day, by operation and stream. */
  readonly #changes = new Map<string, number[]>()

  constructor(limits: Required<RateLimits>, clock: Clock, account: string) {
    this.#limits = limits
    this.#clock = clock
    this.#account = account
  }

  /** Throws when the call is one too many. */
  admit(operation: string, target: () => FaultTarget): void {
    const perSecond = this.#limits.callsPerSecond[operation]
    if (perSecond === undefined) return
    const { stream = '', shardIndexes, consumer = '' } = target()
    const shardIndex = shardIndexes[0] ?? 0
    const isOfShard = operation === 'GetRecords' || operation === 'GetShardIterator'
    const nowMs = this.#clock.monotonic()
    const scope = isOfShard
      ? `${stream}/${shardIndex}`
      : operation === 'SubscribeToShard'
        ? `${consumer}/${shardIndex}`
        : streamOperations.has(operation)
          ? stream
          : ''
    const calls = this.#bucket(`${operation} ${scope}`, perSecond, nowMs, 1)
    const isBusy = operation === 'GetRecords' && this.#readBytes(stream, shardIndex, nowMs).isInDebt(nowMs)
    if (isBusy || !calls.has(1, nowMs))
      throw isOfShard ? rateExceeded({ account: this.#account }, stream, shardIdOf(shardIndex)) : this.#refusal(stream)
    calls.take(1, nowMs)
  }

  /** An answer of so many bytes was read; a large one keeps the shard's next readers waiting. */
  tookBytes(stream: string, shardIndex: number, bytes: number): void {
    const nowMs = this.#clock.monotonic()
    this.#readBytes(stream, shardIndex, nowMs).takeWhole(bytes, nowMs)
  }

  /** So much was pushed to a consumer; answers how long its next event waits, in milliseconds. */
  pushedBytes(consumer: string, shardIndex: number, bytes: number): number {
    const nowMs = this.#clock.monotonic()
    const bucket = this.#bucket(`push bytes ${consumer}/${shardIndex}`, this.#limits.pushBytesPerSecond, nowMs)
    bucket.take(bytes, nowMs)
    return bucket.msInDebt(nowMs)
  }

  /** Counts a change of a stream, and throws when it is one too many in 24 hours. */
  countChange(operation: string, stream: string): void {
    const most = this.#limits.changesPerDay[operation] ?? Number.POSITIVE_INFINITY
    const nowMs = this.#clock.monotonic()
    const key = `${operation} ${stream}`
    const recent = (this.#changes.get(key) ?? []).filter((atMs) => nowMs - atMs < dayMs)
    if (recent.length >= most) throw this.#refusal(stream)
    this.#changes.set(key, [...recent, nowMs])
  }

  forRequest(_: string, stream: string): RecordJudge {
    const nowMs = this.#clock.monotonic()
    const { putRecordsPerSecond, putBytesPerSecond, putBorrowBytes } = this.#limits
    return (shardIndex, recordBytes) => {
      const records = this.#bucket(`put ${stream}/${shardIndex}`, putRecordsPerSecond, nowMs, 1)
      const bytes = this.#bucket(`put bytes ${stream}/${shardIndex}`, putBytesPerSecond, nowMs)
      if (!records.has(1, nowMs) || !bytes.has(recordBytes, nowMs, putBorrowBytes)) return 'throttled'
      records.take(1, nowMs)
      bytes.take(recordBytes, nowMs)
      return undefined
    }
  }

  #readBytes(stream: string, shardIndex: number, nowMs: number): TokenBucket {
    return this.#bucket(`get bytes ${stream}/${shardIndex}`, this.#limits.getBytesPerSecond, nowMs)
  }

  #bucket(key: string, perSecond: number, nowMs: number, leastCapacity = 0): TokenBucket {
    let bucket = this.#buckets.get(key)
    if (bucket === undefined) {
      if (this.#buckets.size >= mostBuckets)
        for (const [other, full] of this.#buckets) if (full.isFull(nowMs)) this.#buckets.delete(other)
      bucket = new TokenBucket(perSecond, nowMs, leastCapacity)
      this.#buckets.set(key, bucket)
    }
    return bucket
  }

  #refusal(stream: string): ApiError {
    return limitExceeded(
      stream === ''
        ? `Rate exceeded under account ${this.#account}.`
        : `Rate exceeded for stream ${stream} under account ${this.#account}.`,
    )
  }
}

const streamOperations = new Set(['ListShards', 'ListStreamConsumers', 'DeregisterStreamConsumer'])
