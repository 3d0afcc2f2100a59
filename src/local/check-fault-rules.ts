import { ConfigError } from '../errors.ts'
import { type FaultRule, faultActions } from './fault-rule.ts'
import { parseShardId } from './operations/find-shard.ts'

/** Fault rules as a caller wrote them, in TypeScript, as a flag or as JSON: each is checked before any is in force. */
export function checkFaultRules(rules: unknown, operations: ReadonlySet<string>): readonly FaultRule[] {
  if (!Array.isArray(rules)) throw new ConfigError(`fault rules are a list of rules, not ${show(rules)}.`)
  for (const [at, rule] of rules.entries()) {
    const wrong = complaint(rule, operations)
    if (wrong !== undefined) throw new ConfigError(`fault rule ${at + 1} ${wrong}`)
  }
  return rules
}

type Check = (value: unknown, operations: ReadonlySet<string>) => string | undefined

const atLeastZero: Check = (value) =>
  typeof value === 'number' && value >= 0 ? undefined : 'it must be a number, 0 or more.'
const isShare: Check = (value) =>
  typeof value === 'number' && value >= 0 && value <= 1 ? undefined : 'it must be a number from 0 to 1.'

const checks: Readonly<Record<keyof FaultRule, Check>> = {
  action: (value) =>
    faultActions.some((action) => action === value) ? undefined : `known are ${faultActions.join(', ')}.`,
  operation: (value, operations) =>
    typeof value === 'string' && operations.has(value)
      ? undefined
      : 'it must be an operation of Kinesis, such as PutRecords.',
  stream: (value) => (typeof value === 'string' ? undefined : 'it must be the name of a stream.'),
  shard: (value) =>
    typeof value === 'string' && parseShardId(value) !== undefined
      ? undefined
      : 'it must be a shard id, such as shardId-000000000000.',
  probability: isShare,
  count: (value) =>
    Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : 'it must be a whole number, 0 or more.',
  window: (value) => {
    if (typeof value !== 'object' || value === null) return 'it must be an object of fromMs and untilMs.'
    for (const [name, ms] of Object.entries(value)) {
      if (name !== 'fromMs' && name !== 'untilMs') return `it knows fromMs and untilMs, not ${show(name)}.`
      if (ms !== undefined && atLeastZero(ms, new Set())) return `its ${name} must be milliseconds, 0 or more.`
    }
    return undefined
  },
  delayMs: atLeastZero,
  share: isShare,
  recordsAre: (value) =>
    value === 'throttled' || value === 'internal-failure' ? undefined : "it must be 'throttled' or 'internal-failure'.",
}

function complaint(rule: unknown, operations: ReadonlySet<string>): string | undefined {
  if (typeof rule !== 'object' || rule === null || Array.isArray(rule)) return `is no object: ${show(rule)}.`
  if (!('action' in rule)) return `has no action. Known are ${faultActions.join(', ')}.`
  for (const [name, value] of Object.entries(rule)) {
    if (value === undefined) continue
    const check = new Map<string, Check>(Object.entries(checks)).get(name)
    if (check === undefined) return `has a member '${name}'. Known are ${Object.keys(checks).join(', ')}.`
    const wrong = check(value, operations)
    if (wrong !== undefined) return `has the ${name} ${show(value)}: ${wrong}`
  }
  if (rule.action === 'partial-failure' && 'operation' in rule && (rule.operation ?? 'PutRecords') !== 'PutRecords')
    return `has the action 'partial-failure' for ${show(rule.operation)}: only a PutRecords can fail in part.`
  return undefined
}

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? String(value))
}
