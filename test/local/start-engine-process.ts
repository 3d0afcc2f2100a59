import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { LocalEngineOptions } from '../../src/local/index.ts'
import { wordsWith } from '../support/built.ts'

/** An engine in a process of its own, so that it can be killed. It ends with the test that holds it. */
export interface EngineProcess extends AsyncDisposable {
  readonly endpoint: string
  readonly port: number
  readonly child: ChildProcess
  readonly exited: Promise<unknown>
  /** Bytes that the process has in memory. */
  rssBytes(): Promise<number>
  /** SIGKILL: not even what it would like to do at its end is done. */
  kill(): Promise<void>
  /** Closed, as a user would do it. */
  stop(): Promise<void>
}

export async function startEngineProcess(dataDir: string, options: LocalEngineOptions = {}): Promise<EngineProcess> {
  const words = wordsWith('local/index', join(import.meta.dirname, 'engine-process.js'))
  const argv = [...words, dataDir, JSON.stringify(options)]
  const child = spawn(process.execPath, argv, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const failed = exited.then(([code]) => {
    throw new Error(`the engine's process ended with ${code} before it listened`)
  })
  const [endpoint] = (await Promise.race([once(child, 'message'), failed])) as [string]
  failed.catch(() => undefined)
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  const stop = async () => {
    if (child.connected) child.disconnect()
    await exited
  }
  const rssBytes = async () => {
    child.send('rss')
    const [bytes] = (await once(child, 'message')) as [number]
    return bytes
  }
  const port = Number(new URL(endpoint).port)
  return { endpoint, port, child, exited, rssBytes, kill, stop, [Symbol.asyncDispose]: kill }
}
