import { type Clock, systemClock } from '../clock.ts'
import { ConfigError } from '../errors.ts'
import { given } from '../given.ts'
import { highestMaxRecordBytes, maxBatchBytes, maxBatchRecords } from '../kinesis/limits.ts'
import { type Random, systemRandom } from '../random.ts'

export interface ProducerOptions {
  /** Records of one PutRecords request at most, 1..500. @default 500 */
  batchRecords?: number
  /** Data and keys of one PutRecords request at most, in bytes, up to 10 MiB; stand-ins for Kinesis may take 5 MiB only. @default 10485760 */
  batchBytes?: number
  /** How long a record may wait for company beyond its turn of the event loop, in milliseconds. @default 0 */
  lingerMs?: number
  /** How long a record is tried, from its first attempt on, in milliseconds. @default 30000 */
  deadlineMs?: number
  /** Longest pause before a second attempt, in milliseconds; it doubles with each further one. @default 100 */
  retryDelayMs?: number
  /** Longest pause between two attempts, in milliseconds. @default 5000 */
  longestRetryDelayMs?: number
  /**
   * Records without an outcome, in bytes of data and keys and 128 bytes of bookkeeping each. Past it, callers wait.
   * @default 67108864
   */
  bufferBytes?: number
  /** PutRecords requests under way at a time. @default 8 */
  requestsInFlight?: number
  /**
   * - `lane`: a key's records travel together and in order; one that Kinesis refuses within a request, and takes later,
   *   can land behind its successors, and says so (`reordered`)
   * - `strict`: a record is sent only when its predecessor of the same key has its outcome
   * @default 'lane'
   */
  order?: 'lane' | 'strict'
  /** What the stream takes, data and key, in bytes. Left out, the stream is asked when a record above 1 MiB comes. */
  maxRecordBytes?: number
  /** @default systemClock */
  clock?: Clock
  /** @default systemRandom */
  random?: Random
}

const defaults = {
  batchRecords: maxBatchRecords,
  batchBytes: maxBatchBytes,
  lingerMs: 0,
  deadlineMs: 30_000,
  retryDelayMs: 100,
  longestRetryDelayMs: 5_000,
  bufferBytes: 64 * 1024 * 1024,
  requestsInFlight: 8,
  order: 'lane',
  clock: systemClock,
  random: systemRandom,
} satisfies ProducerOptions

export type ResolvedProducerOptions = ProducerOptions & Required<Omit<ProducerOptions, 'maxRecordBytes'>>

/** Defaults filled in and every number in its range, or a `ConfigError` that says which is not. */
export function resolveProducerOptions(options: ProducerOptions): ResolvedProducerOptions {
  const resolved: ResolvedProducerOptions = { ...defaults, ...given(options) }
  checkInteger('batchRecords', resolved.batchRecords, 1, maxBatchRecords)
  checkInteger('batchBytes', resolved.batchBytes, 1, maxBatchBytes)
  checkInteger('requestsInFlight', resolved.requestsInFlight, 1, 10_000)
  checkInteger('bufferBytes', resolved.bufferBytes, 1, Number.MAX_SAFE_INTEGER)
  for (const name of ['lingerMs', 'retryDelayMs', 'longestRetryDelayMs'] as const) {
    if (!(resolved[name] >= 0)) throw wrongOption(name, 'a number of milliseconds, 0 or more', resolved[name])
  }
  if (!(resolved.deadlineMs > 0))
    throw wrongOption('deadlineMs', 'a number of milliseconds above 0', resolved.deadlineMs)
  if (resolved.maxRecordBytes !== undefined) {
    checkInteger('maxRecordBytes', resolved.maxRecordBytes, 1, highestMaxRecordBytes)
  }
  if (resolved.order !== 'lane' && resolved.order !== 'strict') {
    throw wrongOption('order', "'lane' or 'strict'", resolved.order)
  }
  return resolved
}

function checkInteger(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw wrongOption(name, `a whole number from ${least} to ${most}`, value)
}

function wrongOption(name: string, wanted: string, value: unknown): ConfigError {
  return new ConfigError(`The producer's option ${name} must be ${wanted}; it is ${String(value)}.`)
}
