/** The embedded Kinesis engine, for laptops and for tests. */
export type { FaultAction, FaultRule } from './faults.ts'
export { type LocalEngine, type LocalEngineOptions, startLocalEngine } from './local-engine.ts'
export type { RateLimits } from './throttling/rate-limits.ts'
