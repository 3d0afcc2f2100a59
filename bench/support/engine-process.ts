import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type LocalEngineOptions, startLocalEngine } from '../../src/local/index.ts'

/** An engine in a process of its own, so that a bench measures the CPU of one side. */
export interface EngineProcess {
  readonly endpoint: string
  close(): Promise<void>
}

export async function startEngineProcess(options: LocalEngineOptions): Promise<EngineProcess> {
  const child = fork(import.meta.filename, [JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [endpoint] = (await Promise.race([once(child, 'message'), failed(child)])) as [string]
  return {
    endpoint,
    async close() {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}

async function failed(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit')
  throw new Error(`the engine's process ended with ${code} before it listened`)
}

if (process.argv[1] === import.meta.filename) {
  const engine = await startLocalEngine(JSON.parse(process.argv[2] ?? '{}'))
  process.on('SIGTERM', () => engine.close().then(() => process.exit(0)))
  process.send?.(engine.endpoint)
}
