import { changeMetrics, metricsInput } from './change-metrics.ts'
import { operation } from './operation.ts'

export const disableEnhancedMonitoring = operation({
  input: metricsInput,
  run: (core, input) => changeMetrics(core, input, 'disable'),
})
