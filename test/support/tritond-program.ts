import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { RunningCli } from './cli.ts'
import type { TritondPlace } from './tritond.ts'

const main = resolve(import.meta.dirname, '../../src/cli/tritond-main.ts')

/** Starts the real program at free ports; nothing of this machine's environment gets in. */
export function startTritondProgram(
  place: TritondPlace,
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
): RunningCli {
  const { PATH } = process.env
  const env = { PATH, HOME: place.directory, TRITON_CONFIG: place.config, TRITON_ZMQ_PORT: '0', NODE_PATH: '', ...more }
  return new RunningCli(spawn(process.execPath, ['--import', 'tsx', main, ...args], { env, stdio: 'pipe' }))
}

/** Where it listens, when it does. */
export async function endpointOf(program: RunningCli): Promise<string> {
  const listening = /listening at (tcp:\/\/[\d.:]+)/
  await program.until(({ stderr }) => listening.test(stderr))
  return listening.exec(program.stderr)?.[1] ?? ''
}
