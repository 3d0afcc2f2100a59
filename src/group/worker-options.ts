import { hostname } from 'node:os'
import { inspect } from 'node:util'
import type { LeaseStore } from '../checkpoint/lease-store.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { Decode, StreamRecord } from '../consumer/stream-record.ts'
import { ConfigError } from '../errors.ts'
import type { KinesisApi } from '../kinesis/kinesis-api.ts'
import { getRecordsPerSecond } from '../kinesis/limits.ts'
import { type Random, systemRandom } from '../random.ts'
import { Alarm } from './alarm.ts'
import type { FailurePolicy } from './failure-policy.ts'
import type { HandlerContext } from './handler-context.ts'

/** Handles records of one shard, in their order. Resolved: they are done. */
export type BatchHandler<T> = (records: StreamRecord<T>[], context: HandlerContext<T>) => unknown
/** Handles one record. Resolved: it is done. */
export type RecordHandler<T> = (record: StreamRecord<T>, context: HandlerContext<T>) => unknown

export interface WorkerOptions<T> {
  /** The group: its workers share the shards and the checkpoints. */
  client: string
  /** Takes records batch by batch. Give this or `handleRecord`. */
  handler?: BatchHandler<T>
  /** Takes records one by one. */
  handleRecord?: RecordHandler<T>
  /**
   * Where a group begins that has no checkpoints: at the oldest record, at what arrives from now on (kept as the time of
   * the group's first start, so that a crash loses nothing), or at a time. @default 'oldest'
   */
  startFrom?: 'oldest' | 'latest' | Date
  /** For people and logs; a part that is new with each start is added. @default host name and process id */
  workerId?: string
  /** How long a worker that died keeps its shards, in milliseconds; the same in all workers of a group. @default 5_000 */
  failoverMs?: number
  /** How long a handler may go on when its shard is to be handed over, in milliseconds. @default 10_000 */
  handOffMs?: number
  concurrency?: {
    /** Shards whose handler runs at the same time. @default all */
    shards?: number
    /** Partition keys of one shard that are handled side by side; a key's records stay in order. @default 1 */
    keysWithinShard?: number
  }
  /** Records of one call of `handler`, at most. @default 1_000 */
  batchRecords?: number
  /**
   * When what was handled is kept: after so many milliseconds or records of a shard, whichever comes first, and always
   * when a shard is handed over. `manual`: only by `context.checkpoint()`; the children of a shard are read when its last
   * record is kept, so whoever keeps every hundredth record keeps what is left after a while, too. @default { everyMs: 1_000, everyRecords: 100_000 }
   */
  checkpoint?: { everyMs?: number; everyRecords?: number } | 'manual'
  /** How often a failing batch or record is tried again before the policy decides. @default 5 */
  retries?: number
  /** Pause before the first retry, in milliseconds; it doubles up to 5 s. @default 100 */
  retryMs?: number
  /** What becomes of a record that fails for good. @default 'stop-shard' */
  onFailure?: FailurePolicy
  /** How often a stopped shard tries its record again, in milliseconds. @default 30_000 */
  stoppedRetryMs?: number
  /** How long a shard may stand while there is something to read before that is told, in milliseconds. @default 60_000 */
  stuckMs?: number
  /** What may lie fetched but not handled, over all shards of the worker, in bytes. @default 64 MiB */
  prefetchBytes?: number
  /**
   * Pause of a shard at its tip, in milliseconds. @default 250; of a worker with more than 25 shards 4 for each of them,
   * and up to 10 for a shard that has long been silent
   */
  idlePollMs?: number
  /** GetRecords calls per shard and second. Kinesis allows 5, shared by all readers of the shard. @default 5 */
  callsPerSecond?: number
  /** How often the shards are listed and the leases compared with them, in milliseconds. @default 30_000 */
  auditMs?: number
  /** Stops the worker like `close()`. */
  signal?: AbortSignal
  /** @default systemClock */
  clock?: Clock
  /** @default systemRandom */
  random?: Random
}

/** What a worker reads and where it keeps what it knows. */
export interface WorkerSource<T> {
  api: KinesisApi
  /** The real stream name. */
  stream: string
  decode: Decode<T>
  leases: LeaseStore
  /** The worker closes the store when it is closed. */
  closesLeases: boolean
}

/** The options with nothing left open. */
export interface WorkerSettings<T> extends WorkerSource<T> {
  client: string
  handler: BatchHandler<T> | undefined
  handleRecord: RecordHandler<T> | undefined
  startFrom: 'oldest' | 'latest' | Date
  /** New with each start. */
  owner: string
  failoverMs: number
  handOffMs: number
  shardConcurrency: number
  keysWithinShard: number
  batchRecords: number
  isManual: boolean
  checkpointMs: number
  checkpointRecords: number
  retries: number
  retryMs: number
  onFailure: FailurePolicy
  stoppedRetryMs: number
  stuckMs: number
  prefetchBytes: number
  /** Undefined: as `idlePauseMs` says. */
  idlePollMs: number | undefined
  callsPerSecond: number
  auditMs: number
  clock: Clock
  random: Random
  alarm: Alarm
}

/** Leases are renewed four times within it, each time over a network. */
export const leastFailoverMs = 200

const defaults = {
  startFrom: 'oldest',
  failoverMs: 5_000,
  handOffMs: 10_000,
  shardConcurrency: Number.POSITIVE_INFINITY,
  keysWithinShard: 1,
  batchRecords: 1_000,
  checkpointMs: 1_000,
  checkpointRecords: 100_000,
  retries: 5,
  retryMs: 100,
  onFailure: 'stop-shard',
  stoppedRetryMs: 30_000,
  stuckMs: 60_000,
  prefetchBytes: 64 * 1024 * 1024,
  callsPerSecond: getRecordsPerSecond,
  auditMs: 30_000,
} as const

/** Refuses what no worker can do, before anything is asked of Kinesis or the database. */
export function resolveWorkerSettings<T>(source: WorkerSource<T>, options: WorkerOptions<T>): WorkerSettings<T> {
  checkShapes(options)
  const { concurrency = {}, checkpoint, random = systemRandom, clock = systemClock } = options
  const rhythm = checkpoint === 'manual' || checkpoint === undefined ? {} : checkpoint
  const settings: WorkerSettings<T> = {
    ...source,
    client: options.client,
    handler: options.handler,
    handleRecord: options.handleRecord,
    startFrom: options.startFrom ?? defaults.startFrom,
    owner: ownerName(options.workerId, random),
    failoverMs: options.failoverMs ?? defaults.failoverMs,
    handOffMs: options.handOffMs ?? defaults.handOffMs,
    shardConcurrency: concurrency.shards ?? defaults.shardConcurrency,
    keysWithinShard: concurrency.keysWithinShard ?? defaults.keysWithinShard,
    batchRecords: options.batchRecords ?? defaults.batchRecords,
    isManual: checkpoint === 'manual',
    checkpointMs: rhythm.everyMs ?? defaults.checkpointMs,
    checkpointRecords: rhythm.everyRecords ?? defaults.checkpointRecords,
    retries: options.retries ?? defaults.retries,
    retryMs: options.retryMs ?? defaults.retryMs,
    onFailure: options.onFailure ?? defaults.onFailure,
    stoppedRetryMs: options.stoppedRetryMs ?? defaults.stoppedRetryMs,
    stuckMs: options.stuckMs ?? defaults.stuckMs,
    prefetchBytes: options.prefetchBytes ?? defaults.prefetchBytes,
    idlePollMs: options.idlePollMs,
    callsPerSecond: options.callsPerSecond ?? defaults.callsPerSecond,
    auditMs: options.auditMs ?? defaults.auditMs,
    clock,
    random,
    alarm: new Alarm(clock),
  }
  check(settings)
  return settings
}

/** What the compiler sees, where there was one. */
function checkShapes<T>(options: WorkerOptions<T>): void {
  const { handler, handleRecord, startFrom, onFailure, checkpoint, concurrency, workerId } = options
  if ((handler === undefined) === (handleRecord === undefined)) {
    throw new ConfigError('a worker takes either the option handler or the option handleRecord')
  }
  const isPlace = typeof onFailure === 'object' && onFailure !== null && typeof onFailure.send === 'function'
  const shapes: [option: string, value: unknown, isRight: boolean, right: string][] = [
    ['handler', handler, typeof handler === 'function', 'a function'],
    ['handleRecord', handleRecord, typeof handleRecord === 'function', 'a function'],
    ['startFrom', startFrom, isStart(startFrom), '"oldest", "latest" or a valid Date'],
    [
      ...(['onFailure', onFailure] as const),
      onFailure === 'stop-shard' || onFailure === 'skip' || isPlace,
      '"stop-shard", "skip" or a place for dead letters, such as new DeadLetterStore(openStore("file:///var/dead"))',
    ],
    ['checkpoint', checkpoint, checkpoint === 'manual' || isObject(checkpoint), '"manual" or an object'],
    ['concurrency', concurrency, isObject(concurrency), 'an object'],
    ['workerId', workerId, isName(workerId), `a text of at most ${longestId} characters, without NUL`],
  ]
  for (const [option, value, isRight, right] of shapes) {
    if (value === undefined || isRight) continue
    throw new ConfigError(`option ${option} is ${described(value)}; it takes ${right}`)
  }
}

function isStart(value: unknown): boolean {
  return value instanceof Date ? !Number.isNaN(value.getTime()) : value === 'oldest' || value === 'latest'
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value.length <= longestId && !/[\0\p{Surrogate}]/u.test(value)
}

function described(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : isObject(value) ? inspect(value) : String(value)
}

function check<T>(settings: WorkerSettings<T>): void {
  for (const [setting, least, kind, option = setting] of numbers) {
    const value: unknown = settings[setting]
    if (value === undefined) continue
    const isRight =
      typeof value === 'number' &&
      value >= least &&
      (kind !== 'count' || Number.isInteger(value) || value === Number.POSITIVE_INFINITY) &&
      (kind !== 'finite' || Number.isFinite(value))
    const what = kind === 'count' ? 'a whole number, ' : 'a number, '
    if (!isRight) throw new ConfigError(`option ${option} is ${described(value)}; it takes ${what}${least} or more`)
  }
}

/** The last word is what a user wrote, where it is not called as the setting is. */
const numbers = [
  ['failoverMs', leastFailoverMs, 'finite'],
  ['handOffMs', 0, 'any'],
  ['shardConcurrency', 1, 'count', 'concurrency.shards'],
  ['keysWithinShard', 1, 'count', 'concurrency.keysWithinShard'],
  ['batchRecords', 1, 'count'],
  ['checkpointMs', 1, 'any', 'checkpoint.everyMs'],
  ['checkpointRecords', 1, 'count', 'checkpoint.everyRecords'],
  ['retries', 0, 'count'],
  ['retryMs', 0, 'finite'],
  ['stoppedRetryMs', 0, 'any'],
  ['stuckMs', 1, 'any'],
  ['prefetchBytes', 1, 'any'],
  ['idlePollMs', 0, 'finite'],
  ['callsPerSecond', 1, 'any'],
  ['auditMs', 1, 'any'],
] as const satisfies [
  setting: keyof WorkerSettings<unknown>,
  least: number,
  kind: 'any' | 'finite' | 'count',
  option?: string,
][]

/** With what is added to it, and as the name of a lease, it still fits into a column. */
const longestId = 200

/** Two processes that were given the same id are told apart, and so are two lives of one process. */
function ownerName(workerId = `${hostname()}-${process.pid}`, random: Random): string {
  const life = Math.floor(random.next() * 0x1_0000_0000)
  return `${workerId}/${life.toString(16).padStart(8, '0')}`
}
