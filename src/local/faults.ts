import type { Clock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { type Random, seededRandom } from '../random.ts'
import { checkFaultRules } from './check-fault-rules.ts'
import type { FaultRule } from './fault-rule.ts'
import { parseShardId } from './operations/find-shard.ts'
import type { RecordJudge, RecordRefusals } from './record-refusals.ts'

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
  readonly #operations: ReadonlySet<string>
  #rules: ActiveRule[] = []
  #random: Random = seededRandom(0)
  #setAtMs = 0

  constructor(clock: Clock, operations: ReadonlySet<string>) {
    this.#clock = clock
    this.#operations = operations
  }

  get isActive(): boolean {
    return this.#rules.length > 0
  }

  /** Replaces all rules, when all of them make sense. */
  set(rules: readonly FaultRule[], seed: number): void {
    this.#rules = checkFaultRules(rules, this.#operations).map((rule) => ({
      rule,
      shardIndex: rule.shard === undefined ? undefined : parseShardId(rule.shard),
      left: rule.count ?? Number.POSITIVE_INFINITY,
    }))
    this.#random = seededRandom(seed)
    this.#setAtMs = this.#clock.monotonic()
  }

  /** The fault that this request meets; `partial-failure` is left to `forRequest`. */
  decide(operation: string, target: () => FaultTarget): FaultRule | undefined {
    if (!this.isActive) return undefined
    const { stream, shardIndexes } = target()
    return this.#fitting(operation, stream).find(
      (active) =>
        active.rule.action !== 'partial-failure' &&
        (active.shardIndex === undefined || shardIndexes.includes(active.shardIndex)) &&
        this.#meets(active, operation),
    )?.rule
  }

  /** Each record meets the first partial failure for its shard; a request meets a rule or it does not, as a whole. */
  forRequest(operation: string, stream: string): RecordJudge | undefined {
    if (!this.isActive || operation !== 'PutRecords') return undefined
    const fitting = this.#fitting(operation, stream).filter(({ rule }) => rule.action === 'partial-failure')
    if (fitting.length === 0) return undefined
    const met = new Map<ActiveRule, boolean>()
    const isMet = (active: ActiveRule) => {
      const known = met.get(active) ?? this.#meets(active, operation)
      met.set(active, known)
      return known
    }
    return (shardIndex) => {
      const active = fitting.find((one) => (one.shardIndex ?? shardIndex) === shardIndex && isMet(one))
      if (active === undefined) return undefined
      const { share = defaults.share, recordsAre = defaults.recordsAre } = active.rule
      return this.#random.next() < share ? recordsAre : undefined
    }
  }

  #fitting(operation: string, stream: string | undefined): ActiveRule[] {
    const sinceMs = this.#clock.monotonic() - this.#setAtMs
    return this.#rules.filter(
      ({ rule, left }) =>
        left > 0 &&
        (rule.operation ?? operation) === operation &&
        (rule.stream ?? stream) === stream &&
        sinceMs >= (rule.window?.fromMs ?? 0) &&
        sinceMs < (rule.window?.untilMs ?? Number.POSITIVE_INFINITY),
    )
  }

  #meets(active: ActiveRule, operation: string): boolean {
    const { action, probability = defaults.probability } = active.rule
    if (probability < 1 && this.#random.next() >= probability) return false
    active.left--
    report({ type: 'engine-fault', operation, action })
    return true
  }
}

export function delayMsOf(rule: FaultRule): number {
  return rule.delayMs ?? defaults.delayMs
}
