import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { isBuildFresh, wordsWith } from './built.ts'

const root = resolve(import.meta.dirname, '../..')
/**
 * What follows `node` on the program's command line: what users run, when it is built and nothing was changed since (it
 * starts in a third of the time), else the sources.
 */
export const programWords = isBuildFresh
  ? [join(root, 'bin/triton.js')]
  : ['--import', 'tsx', join(root, 'src/cli/main.ts')]
/** The same of the daemon, which ends with its stdin: so none is left behind by a test run that was killed. */
export const tritondWords = [
  '--import',
  `data:text/javascript,process.stdin.on('end',()=>process.exit(1)).resume().unref()`,
  ...(isBuildFresh ? [join(root, 'bin/tritond.js')] : ['--import', 'tsx', join(root, 'src/cli/tritond-main.ts')]),
]
const many = join(import.meta.dirname, 'cli-many.js')

export interface CliResult {
  /** 128 and the signal's number never stand here: null when a signal ended it. */
  exitCode: number | null
  stdout: string
  stderr: string
}

export interface CliOptions {
  env?: NodeJS.ProcessEnv
  input?: string | Uint8Array
}

/** A directory with a triton.yaml, and the real program run in it; nothing of this machine's environment gets in. */
export class CliPlace implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'triton-cli-'))
  readonly config = join(this.directory, 'triton.yaml')
  readonly env: NodeJS.ProcessEnv

  constructor(configText?: string) {
    if (configText !== undefined) writeFileSync(this.config, configText)
    const { PATH } = process.env
    this.env = { PATH, HOME: this.directory, TRITON_CONFIG: this.config, TZ: 'UTC', NODE_PATH: '' }
  }

  file(name: string, text: string): string {
    const path = join(this.directory, name)
    writeFileSync(path, text)
    return path
  }

  /** Runs the program to its end. */
  async run(args: readonly string[], { env, input = '' }: CliOptions = {}): Promise<CliResult> {
    const running = this.start(args, env ? { env } : {})
    running.child.stdin?.on('error', () => undefined)
    running.child.stdin?.end(input)
    return running.ended()
  }

  /** Starts the program; its stdin stays open. */
  start(args: readonly string[], { env }: CliOptions = {}): RunningCli {
    return new RunningCli(
      spawn(process.execPath, [...programWords, ...args], {
        cwd: root,
        env: { ...this.env, ...env },
        stdio: 'pipe',
      }),
    )
  }

  /** Runs several command lines one after the other in one process, which saves starting it anew. */
  async runMany(commandLines: readonly (readonly string[])[], { env }: CliOptions = {}): Promise<CliResult[]> {
    const child = spawn(process.execPath, wordsWith('cli/triton', many), {
      cwd: root,
      env: { ...this.env, ...env },
      stdio: 'pipe',
    })
    child.stdin.end(JSON.stringify(commandLines))
    const { exitCode, stdout, stderr } = await new RunningCli(child).ended()
    if (exitCode !== 0) throw new Error(`cli-many ended with ${exitCode}: ${stderr}`)
    return JSON.parse(stdout) as CliResult[]
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export class RunningCli implements AsyncDisposable {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly #closed: Promise<unknown>
  /** Ended, and all that it printed was read: output can come after the exit. */
  #hasClosed = false
  #news: (() => void)[] = []

  constructor(child: ChildProcess) {
    this.child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      this.#tell()
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#tell()
    })
    this.#closed = once(child, 'close').then(() => {
      this.#hasClosed = true
      this.#tell()
    })
  }

  /** Resolves when what was printed fulfils `isEnough`; rejects when the program ends before. */
  async until(isEnough: (printed: { stdout: string; stderr: string }) => boolean): Promise<void> {
    while (!isEnough(this)) {
      if (this.#hasClosed)
        throw new Error(`the program ended with ${this.child.exitCode} too early: ${this.stdout}${this.stderr}`)
      await new Promise<void>((resolve) => this.#news.push(resolve))
    }
  }

  async ended(): Promise<CliResult> {
    await this.#closed
    return { exitCode: this.child.exitCode, stdout: this.stdout, stderr: this.stderr }
  }

  /** However a test ends, the program does not outlive it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL')
    await this.#closed
  }

  #tell(): void {
    for (const tell of this.#news.splice(0)) tell()
  }
}
