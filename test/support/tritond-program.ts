import { spawn } from 'node:child_process'
import { RunningCli, tritondWords } from './cli.ts'
import type { TritondPlace } from './tritond.ts'

/** Starts the real program at free ports, for as long as the place is there; nothing of this machine's environment gets in. */
export function startTritondProgram(
  place: TritondPlace,
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
): RunningCli {
  const { PATH } = process.env
  const env = { PATH, HOME: place.directory, TRITON_CONFIG: place.config, TRITON_ZMQ_PORT: '0', NODE_PATH: '', ...more }
  const child = spawn(process.execPath, [...tritondWords, ...args], { env, stdio: 'pipe' })
  place.children.push(child)
  return new RunningCli(child)
}

/** Where it listens, when it does. */
export async function endpointOf(program: RunningCli): Promise<string> {
  const listening = /listening at (tcp:\/\/[\d.:]+)/
  await program.until(({ stderr }) => listening.test(stderr))
  return listening.exec(program.stderr)?.[1] ?? ''
}
