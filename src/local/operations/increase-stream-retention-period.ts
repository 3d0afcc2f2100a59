import { changeRetention, retentionInput } from './change-retention.ts'
import { operation } from './operation.ts'

export const increaseStreamRetentionPeriod = operation({
  input: retentionInput,
  run: (core, input) => changeRetention(core, input, 'Increase'),
})
