import type { Clock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { ConfigError } from '../errors.ts'
import { type Random, seededRandom } from '../random.ts'
import { parseShardId } from './operations/find-shard.ts'
import type { RecordJudge, RecordRefusal, RecordRefusals } from './record-refusals.ts'

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

const faultActions = [
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

/** What a rule may look at. */
export interface FaultTarget {
  stream: string | undefined
  shardIndexes: readonly number[]
  /** The ARN of a consumer, when the request names one. */
  consumer?: string
}

const defaults = { probability: 1, delayMs: 1_000, share: 0.5, recordsAre: 'throttled' } as const

interface ActiveRule {
  rule: FaultRule
  shardIndex: number | undefined
  left: number
}

/** The fault hook. Without rules it does nothing and costs nothing. */
export class Faults implements RecordRefusals {
  readonly #clock: Clock
  #rules: ActiveRule[] = []
  #random: Random = seededRandom(0)
  #setAtMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get isActive(): boolean {
    return this.#rules.length > 0
  }

  /** Replaces all rules. */
  set(rules: readonly FaultRule[], seed: number): void {
    this.#rules = rules.map((rule) => ({
      rule,
      shardIndex: shardIndexOf(rule),
      left: rule.count ?? Number.POSITIVE_INFINITY,
    }))
    this.#random = seededRandom(seed)
    this.#setAtMs = this.#clock.monotonic()
  }

  /** The fault that this request meets; `partial-failure` is left to `forRequest`. */
  decide(operation: string, target: () => FaultTarget): FaultRule | undefined {
    if (!this.isActive) return undefined
    return this.#meet(operation, target(), (action) => action !== 'partial-failure')
  }

  forRequest(operation: string, stream: string): RecordJudge | undefined {
    if (!this.isActive || operation !== 'PutRecords') return undefined
    const rule = this.#meet(operation, { stream, shardIndexes: [] }, (action) => action === 'partial-failure')
    if (rule === undefined) return undefined
    const onlyShardIndex = shardIndexOf(rule)
    const { share = defaults.share, recordsAre = defaults.recordsAre } = rule
    return (shardIndex) => {
      if (onlyShardIndex !== undefined && onlyShardIndex !== shardIndex) return undefined
      return this.#random.next() < share ? recordsAre : undefined
    }
  }

  #meet(operation: string, target: FaultTarget, isMeant: (action: FaultAction) => boolean): FaultRule | undefined {
    const sinceMs = this.#clock.monotonic() - this.#setAtMs
    for (const active of this.#rules) {
      const { rule, shardIndex } = active
      const { window, probability = defaults.probability } = rule
      if (active.left <= 0 || !isMeant(rule.action)) continue
      if (rule.operation !== undefined && rule.operation !== operation) continue
      if (rule.stream !== undefined && rule.stream !== target.stream) continue
      // A partial failure chooses among the records later, when they have their shards.
      const isOfRequest = rule.action !== 'partial-failure'
      if (isOfRequest && shardIndex !== undefined && !target.shardIndexes.includes(shardIndex)) continue
      if (sinceMs < (window?.fromMs ?? 0) || sinceMs >= (window?.untilMs ?? Number.POSITIVE_INFINITY)) continue
      if (probability < 1 && this.#random.next() >= probability) continue
      active.left--
      report({ type: 'engine-fault', operation, action: rule.action })
      return rule
    }
    return undefined
  }
}

export function delayMsOf(rule: FaultRule): number {
  return rule.delayMs ?? defaults.delayMs
}

function shardIndexOf(rule: FaultRule): number | undefined {
  if (!faultActions.includes(rule.action))
    throw new ConfigError(`a fault rule has the action '${rule.action}'. Known are ${faultActions.join(', ')}.`)
  if (rule.shard === undefined) return undefined
  const shardIndex = parseShardId(rule.shard)
  if (shardIndex === undefined)
    throw new ConfigError(
      `a fault rule has the shard '${rule.shard}', which is no shard id such as shardId-000000000000.`,
    )
  return shardIndex
}
