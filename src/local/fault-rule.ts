import type { RecordRefusal } from './record-refusals.ts'

/**
 * One way in which the engine misbehaves on request, so that producers and consumers can be tested against it. A
 * request meets the first rule that fits; the seed decides where a rule leaves it to chance.
 */
export interface FaultRule {
  /**
   * - `throttle`, `internal-failure`: the request is refused, nothing happens
   * - `delay`: the request waits `delayMs`, then is carried out
   * - `cut-before`: the connection ends, nothing happens
   * - `cut-after`: the request is carried out, then the connection ends without an answer
   * - `answer-lost`: the request is carried out, and nothing is ever answered
   * - `garbage-body`, `half-body`: the request is carried out; the answer is bytes that mean nothing, or breaks off
   * - `partial-failure`: of a PutRecords, a share of the records fail
   */
  action: FaultAction
  /** Name of the operation, such as `PutRecords`. @default every operation */
  operation?: string
  /** Name of the stream. @default every stream, and requests that name none */
  stream?: string
  /** Shard id: requests that touch this shard; of `partial-failure`, only its records. @default every shard */
  shard?: string
  /** Chance of a fitting request to meet the fault. @default 1 */
  probability?: number
  /** The rule is spent after so many requests. @default no end */
  count?: number
  /** When the rule holds, in milliseconds since the rules were set. @default always */
  window?: { fromMs?: number; untilMs?: number }
  /** How long a `delay` takes, in milliseconds. @default 1000 */
  delayMs?: number
  /** Chance of each record to fail in a `partial-failure`. @default 0.5 */
  share?: number
  /** How records fail in a `partial-failure`. @default 'throttled' */
  recordsAre?: RecordRefusal
}

export type FaultAction = (typeof faultActions)[number]

/** All that a rule can do. */
export const faultActions = [
  'throttle',
  'internal-failure',
  'delay',
  'cut-before',
  'cut-after',
  'answer-lost',
  'garbage-body',
  'half-body',
  'partial-failure',
] as const
