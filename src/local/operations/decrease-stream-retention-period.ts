import { changeRetention, retentionInput } from './change-retention.ts'
import { operation } from './operation.ts'

export const decreaseStreamRetentionPeriod = operation({
  input: retentionInput,
  run: (core, input) => changeRetention(core, input, 'Decrease'),
})
