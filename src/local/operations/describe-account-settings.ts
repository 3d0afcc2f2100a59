import type { EngineCore } from '../engine-core.ts'
import { type AnswerObject, Timestamp } from '../wire/encode-answer.ts'
import { operation } from './operation.ts'

export const describeAccountSettings = operation({
  input: { type: 'Structure', members: {} },
  run: accountSettingsAnswer,
})

export function accountSettingsAnswer(core: EngineCore): AnswerObject {
  const { status, startedMs, endedMs, earliestEndMs } = core.accountSettings.commitment(core.clock.now())
  return {
    MinimumThroughputBillingCommitment: {
      Status: status,
      StartedAt: timestampOf(startedMs),
      EndedAt: timestampOf(endedMs),
      EarliestAllowedEndAt: timestampOf(earliestEndMs),
    },
  }
}

function timestampOf(epochMs: number | undefined): Timestamp | undefined {
  return epochMs === undefined ? undefined : new Timestamp(epochMs)
}
