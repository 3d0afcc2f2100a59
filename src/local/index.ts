/** The embedded Kinesis engine, for laptops and for tests. */
export { type Clock, systemClock, type Timer } from '../clock.ts'
export type { FaultAction, FaultRule } from './fault-rule.ts'
export { type LocalEngine, type LocalEngineOptions, startLocalEngine } from './local-engine.ts'
export { MovableClock } from './movable-clock.ts'
export type { RateLimits } from './throttling/rate-limits.ts'
export type { CertificateFiles } from './tls/open-certificate.ts'
