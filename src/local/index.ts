/** The embedded Kinesis engine, for laptops and for tests. */
export { type LocalEngine, type LocalEngineOptions, startLocalEngine } from './local-engine.ts'
