import { type LocalEngine, type LocalEngineOptions, startLocalEngine } from '../../src/local/index.ts'

/** An engine for a test: in memory, and every change of a stream is over at once, unless the options say otherwise. */
export function startTestEngine(options: LocalEngineOptions = {}): Promise<LocalEngine> {
  return startLocalEngine({ createStreamMs: 0, updateStreamMs: 0, deleteStreamMs: 0, ...options })
}
