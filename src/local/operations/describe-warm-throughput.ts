import type { StreamState } from '../state/stream-state.ts'
import type { AnswerObject } from '../wire/encode-answer.ts'

/** What was asked for and what is in force; absent while nothing was ever asked for. */
export function describeWarmThroughput({ warmThroughputMiBps, pending }: StreamState): AnswerObject | undefined {
  const current = warmThroughputMiBps ?? undefined
  const target = (pending?.kind === 'set' ? pending.settings.warmThroughputMiBps : undefined) ?? current
  return target === undefined ? undefined : { TargetMiBps: target, CurrentMiBps: current ?? 0 }
}
