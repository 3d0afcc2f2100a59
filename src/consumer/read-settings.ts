import type { CheckpointStore } from '../checkpoint/checkpoint-store.ts'
import { type Clock, systemClock } from '../clock.ts'
import { ConfigError } from '../errors.ts'
import type { KinesisApi } from '../kinesis/kinesis-api.ts'
import { getRecordsPerSecond, maxGetRecords } from '../kinesis/limits.ts'
import type { Position } from '../kinesis/position.ts'
import { type Random, systemRandom } from '../random.ts'
import type { Decode } from './stream-record.ts'

/** What is read, and how its bytes become data. */
export interface StreamSource<T> {
  api: KinesisApi
  /** The real stream name. */
  stream: string
  decode: Decode<T>
}

/** Where reading starts; shards that turn up later begin at their beginning. */
export type StartPosition =
  /** Everything that the stream still has. */
  | { from: 'oldest' }
  /** What is put from now on, in the shards that are open now. */
  | { from: 'latest' }
  /** What arrived at this time or later. */
  | { from: 'timestamp'; at: Date }
  /**
   * Behind the last checkpoint. Where there is none, neither for the shard nor for its ancestors or descendants, at
   * `fallback`; *latest* is remembered in the store as the time of the first start. @default fallback 'oldest'
   */
  | { from: 'checkpoint'; fallback?: Fallback }
  /**
   * Each shard at its own position, by shard id; the rest as with checkpoints. @default fallback 'oldest'
   */
  | { from: 'positions'; positions: ReadonlyMap<string, Position | 'finished'>; fallback?: Fallback }

export type Fallback = 'oldest' | 'latest' | Date

export interface CheckpointTarget {
  store: CheckpointStore
  /** Whose checkpoints: readers of the same client name carry on for one another. */
  client: string
}

export interface IterateOptions {
  /** Only these shards and their descendants; a shard's number is what its id ends in. @default all shards */
  shardNumbers?: readonly number[]
  /** What may lie fetched but not handed out, over all shards, in bytes. @default 16 MiB */
  prefetchBytes?: number
  /** Records asked for per GetRecords call, 1..10,000. @default as many as make a page of about 4 MiB */
  limit?: number
  /** Pause of a shard after a page that reached its tip, in milliseconds. @default 250 */
  idlePollMs?: number
  /** GetRecords calls per shard and second. Kinesis allows 5, shared by all readers of the shard. @default 5 */
  callsPerSecond?: number
  /** Ends when every shard was read to the tip it had, instead of waiting for more. @default false */
  untilCaughtUp?: boolean
  /**
   * What happens to a record whose bytes don't decode; it is reported as `record-undecodable` in any case.
   * `deliver`: handed out with `error` set. `throw`: the iterator rejects with the error and ends, its position before
   * the record. `skip`: not handed out. @default 'deliver'
   */
  onUndecodable?: 'deliver' | 'throw' | 'skip'
  /** Where `checkpoint()` saves and where `from: 'checkpoint'` starts. A function is called when first needed. @default none */
  checkpoint?: CheckpointTarget | (() => CheckpointTarget | Promise<CheckpointTarget>)
  /**
   * How long a merged shard waits for the reader of its other parent, in milliseconds, while that reader has left no
   * checkpoint there at all; after it the merged shard is read nevertheless, which is reported. A reader that has left
   * one is waited for until its shard is finished or expired. @default 10_000
   */
  mergeGraceMs?: number
  /** How long the stream may be out of reach at the start before the iterator gives up, in milliseconds. @default 30_000 */
  startDeadlineMs?: number
  /** Ends the iterator like `close()`: quietly, and without handing out the rest. */
  signal?: AbortSignal
  /** @default systemClock */
  clock?: Clock
  /** @default systemRandom */
  random?: Random
}

/** The options with nothing left open. */
export interface ReadSettings {
  api: KinesisApi
  stream: string
  start: StartPosition
  shardNumbers: readonly number[] | undefined
  prefetchBytes: number
  limit: number | undefined
  idlePollMs: number
  callsPerSecond: number
  untilCaughtUp: boolean
  onUndecodable: 'deliver' | 'throw' | 'skip'
  /** Undefined when none was given; rejects with a TritonCheckpointError when it can't be had. */
  checkpointTarget: () => Promise<CheckpointTarget> | undefined
  mergeGraceMs: number
  startDeadlineMs: number
  signal: AbortSignal | undefined
  clock: Clock
  random: Random
}

const defaults = {
  prefetchBytes: 16 * 1024 * 1024,
  idlePollMs: 250,
  callsPerSecond: getRecordsPerSecond,
  untilCaughtUp: false,
  onUndecodable: 'deliver',
  mergeGraceMs: 10_000,
  startDeadlineMs: 30_000,
  clock: systemClock,
  random: systemRandom,
} as const satisfies Partial<IterateOptions>

/** Rejects what no reader can do, before anything is asked of Kinesis. */
export function resolveSettings<T>(
  source: StreamSource<T>,
  start: StartPosition,
  options: IterateOptions,
): ReadSettings {
  const settings: ReadSettings = {
    api: source.api,
    stream: source.stream,
    start,
    shardNumbers: options.shardNumbers,
    prefetchBytes: options.prefetchBytes ?? defaults.prefetchBytes,
    limit: options.limit,
    idlePollMs: options.idlePollMs ?? defaults.idlePollMs,
    callsPerSecond: options.callsPerSecond ?? defaults.callsPerSecond,
    untilCaughtUp: options.untilCaughtUp ?? defaults.untilCaughtUp,
    onUndecodable: options.onUndecodable ?? defaults.onUndecodable,
    checkpointTarget: onceAsked(options.checkpoint),
    mergeGraceMs: options.mergeGraceMs ?? defaults.mergeGraceMs,
    startDeadlineMs: options.startDeadlineMs ?? defaults.startDeadlineMs,
    signal: options.signal,
    clock: options.clock ?? defaults.clock,
    random: options.random ?? defaults.random,
  }
  checkLimit(settings.limit)
  checkNumber('prefetchBytes', settings.prefetchBytes, settings.prefetchBytes > 0, 'more than 0')
  checkNumber('idlePollMs', settings.idlePollMs, settings.idlePollMs >= 0, '0 or more')
  checkNumber('callsPerSecond', settings.callsPerSecond, settings.callsPerSecond >= 1, '1 or more')
  checkShardNumbers(settings.shardNumbers)
  checkTimestamps(start)
  return settings
}

function checkLimit(limit: number | undefined): void {
  if (limit === undefined) return
  checkNumber('limit', limit, Number.isInteger(limit) && limit >= 1 && limit <= maxGetRecords, '1 to 10,000')
}

function checkNumber(option: string, value: number, isRight: boolean, right: string): void {
  if (!isRight) throw new ConfigError(`option ${option} is ${value}; it takes ${right}`)
}

function checkShardNumbers(shardNumbers: readonly number[] | undefined): void {
  if (shardNumbers === undefined) return
  if (shardNumbers.length === 0) {
    throw new ConfigError('option shardNumbers is an empty list; leave it out to read all shards')
  }
  const wrong = shardNumbers.find((number) => !Number.isInteger(number) || number < 0 || number > 0x7fff_ffff)
  if (wrong !== undefined) {
    throw new ConfigError(
      `option shardNumbers holds ${wrong}; a shard's number is the whole number that its id ends in`,
    )
  }
}

function checkTimestamps(start: StartPosition): void {
  const at = start.from === 'timestamp' ? start.at : 'fallback' in start ? start.fallback : undefined
  if (at instanceof Date && Number.isNaN(at.getTime())) {
    throw new ConfigError('the time to start at is no valid Date')
  }
}

/** The target is made by the first who needs it and then shared; a failed attempt is forgotten. */
function onceAsked(given: IterateOptions['checkpoint']): () => Promise<CheckpointTarget> | undefined {
  let made: Promise<CheckpointTarget> | undefined
  return () => {
    if (given === undefined) return undefined
    if (typeof given !== 'function') return Promise.resolve(given)
    made ??= Promise.resolve()
      .then(given)
      .catch((error: unknown) => {
        made = undefined
        throw error
      })
    return made
  }
}
