import { accountSettingsAnswer } from './describe-account-settings.ts'
import { operation } from './operation.ts'

export const updateAccountSettings = operation({
  input: {
    type: 'Structure',
    members: {
      MinimumThroughputBillingCommitment: {
        type: 'Structure',
        required: true,
        members: { Status: { type: 'String', required: true, values: ['ENABLED', 'DISABLED'] } },
      },
    },
  },
  run(core, input) {
    core.accountSettings.setCommitment(input.MinimumThroughputBillingCommitment.Status, core.clock.now())
    return accountSettingsAnswer(core)
  },
})
