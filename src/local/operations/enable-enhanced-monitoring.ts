import { changeMetrics, metricsInput } from './change-metrics.ts'
import { operation } from './operation.ts'

export const enableEnhancedMonitoring = operation({
  input: metricsInput,
  run: (core, input) => changeMetrics(core, input, 'enable'),
})
