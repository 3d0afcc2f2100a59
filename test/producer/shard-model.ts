import type { Clock } from '../../src/clock.ts'
import { sleep } from '../../src/clock.ts'
import { ClosedError } from '../../src/errors.ts'
import { hashKeyOf } from '../../src/kinesis/hash-key.ts'
import type { KinesisApi, PutAnswer, PutEntry, StreamSummary } from '../../src/kinesis/kinesis-api.ts'
import { KinesisCallError, type RetryClass } from '../../src/kinesis/retry-class.ts'

/** What happens to one request: to all of it, before or after it was written, or to single records of it. */
export interface Fate {
  /** The answer comes so much later, in milliseconds of the clock. */
  delayMs?: number
  /** The call fails. */
  error?: { retryClass: RetryClass; errorCode: string; isWritten: boolean }
  /** Error code of the record at this place, when it is refused. */
  refuse?(entry: PutEntry, place: number): string | undefined
}

/** A record as the model stores it. */
export interface Stored {
  shard: number
  sequenceNumber: string
  entry: PutEntry
}

/**
 * Kinesis as the producer sees it, for decisions that need exact faults at exact times: shards by hash key, sequence
 * numbers that rise, and a script that says what becomes of each request. Stories of whole journeys use the engine.
 */
export class ShardModel implements KinesisApi {
  readonly stored: Stored[] = []
  readonly requests: PutEntry[][] = []
  /** Requests under way, and how many they were at most. */
  inFlight = 0
  mostInFlight = 0
  maxRecordBytes = 1024 * 1024
  describeCount = 0
  /** How the next questions about the stream fail, one each. */
  readonly describeFailures: RetryClass[] = []
  readonly #clock: Clock
  readonly #fateOf: (entries: readonly PutEntry[], request: number) => Fate
  readonly #shardCount: number
  #sequence = 1_000n

  constructor(
    clock: Clock,
    fateOf: (entries: readonly PutEntry[], request: number) => Fate = () => ({}),
    shardCount = 4,
  ) {
    this.#clock = clock
    this.#fateOf = fateOf
    this.#shardCount = shardCount
  }

  async putRecords(_stream: string, entries: readonly PutEntry[], signal?: AbortSignal): Promise<PutAnswer[]> {
    const fate = this.#fateOf(entries, this.requests.push([...entries]) - 1)
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight)
    try {
      const isWritten = fate.error?.isWritten ?? true
      const answers = isWritten ? entries.map((entry, place) => this.#write(entry, fate.refuse?.(entry, place))) : []
      if (fate.delayMs) await sleep(this.#clock, fate.delayMs, signal)
      if (signal?.aborted) throw new ClosedError('called off')
      if (fate.error !== undefined) {
        const { retryClass, errorCode } = fate.error
        const mayHaveBeenWritten = retryClass === 'transient'
        throw new KinesisCallError(`scripted ${errorCode}`, { retryClass, errorCode, mayHaveBeenWritten })
      }
      return answers
    } finally {
      this.inFlight--
    }
  }

  /** What the stream holds of one key, in order. */
  ofKey(key: string): Stored[] {
    return this.stored.filter(({ entry }) => entry.partitionKey === key)
  }

  async describeStreamSummary(): Promise<StreamSummary> {
    this.describeCount++
    const retryClass = this.describeFailures.shift()
    if (retryClass !== undefined)
      throw new KinesisCallError(`scripted ${retryClass}`, {
        retryClass,
        errorCode: retryClass,
        mayHaveBeenWritten: false,
      })
    return {
      name: 'orders',
      arn: 'arn:aws:kinesis:us-east-1:000000000000:stream/orders',
      status: 'ACTIVE',
      openShardCount: this.#shardCount,
      retentionHours: 24,
      maxRecordBytes: this.maxRecordBytes,
      createdAtMs: 0,
    }
  }

  getShardIterator = notPartOfModel
  getRecords = notPartOfModel
  listShards = notPartOfModel
  listStreams = notPartOfModel
  createStream = notPartOfModel
  deleteStream = notPartOfModel
  splitShard = notPartOfModel
  mergeShards = notPartOfModel
  updateShardCount = notPartOfModel
  close(): void {}

  #write(entry: PutEntry, errorCode: string | undefined): PutAnswer {
    if (errorCode !== undefined) return { errorCode, errorMessage: `scripted ${errorCode}` }
    const shard = Number((hashKeyOf(entry.partitionKey) * BigInt(this.#shardCount)) >> 128n)
    const sequenceNumber = String(++this.#sequence)
    this.stored.push({ shard, sequenceNumber, entry })
    return { shardId: `shardId-00000000000${shard}`, sequenceNumber }
  }
}

function notPartOfModel(): never {
  throw new Error('the model only takes records')
}

export const throttle = 'ProvisionedThroughputExceededException'
