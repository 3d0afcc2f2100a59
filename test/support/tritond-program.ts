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

/** What it has logged, of one kind; with `-v` all that matters is there. */
export function toldBy(program: RunningCli, type: string): Record<string, unknown>[] {
  const lines = program.stderr.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((told) => told['type'] === type)
}

/**
 * One of its figures, as Prometheus would read it, or the sum of those that differ in their labels only. The program was
 * started with `--metrics 0`.
 */
export async function figureOf(program: RunningCli, name: string): Promise<number> {
  const listening = /metrics at (http:\S+)/
  await program.until(({ stderr }) => listening.test(stderr))
  const text = await (await fetch(listening.exec(program.stderr)?.[1] ?? '')).text()
  const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** Where it listens, when it does. */
export async function endpointOf(program: RunningCli): Promise<string> {
  const listening = /listening at (tcp:\/\/[\d.:]+)/
  await program.until(({ stderr }) => listening.test(stderr))
  return listening.exec(program.stderr)?.[1] ?? ''
}
