import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'

/** The demo's child processes: the engine, the reader and single commands. What was started here is ended here. */
export class Processes implements AsyncDisposable {
  readonly #children = new Set<ChildProcess>()
  readonly #lastWords = new WeakMap<ChildProcess, string>()
  readonly #directory: string
  readonly #port: number
  readonly #environment: NodeJS.ProcessEnv

  constructor(directory: string, port: number, streamNames: readonly string[], keyField: string) {
    this.#directory = directory
    this.#port = port
    const config = join(directory, 'triton.yaml')
    const definitions = streamNames.map(
      (name) =>
        `${name}:\n  name: ${name}\n  partition_key: ${JSON.stringify(keyField)}\n  endpoint: ${this.endpoint}\n`,
    )
    writeFileSync(config, definitions.join(''))
    this.#environment = {
      ...process.env,
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
      TRITON_CONFIG: config,
      TRITON_DB: `sqlite://${join(directory, 'checkpoints.db')}`,
      TRITON_CLIENT_NAME: 'demo',
    }
    // However this process ends, the engine does not outlive it.
    process.once('exit', this.#killAll)
    for (const signal of endingSignals) process.once(signal, endBySignal)
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** What a process needs in its environment to find stream, engine and checkpoints. */
  get environment(): NodeJS.ProcessEnv {
    return this.#environment
  }

  async startEngine(streamName: string, shardCount: number): Promise<ChildProcess> {
    const engine = this.#spawn([
      program,
      'local',
      '--port',
      String(this.#port),
      '--data',
      join(this.#directory, 'engine'),
      '--stream',
      `${streamName}:${shardCount}`,
    ])
    await this.#isAnswering(engine)
    return engine
  }

  /** Resolves when it listens. */
  async startDaemon(port: number, durablePort: number, spool: string): Promise<ChildProcess> {
    const ports = ['--port', String(port), '--durable-port', String(durablePort)]
    const daemon = this.#spawn([join(import.meta.dirname, '../bin/tritond.js'), ...ports, '--spool', spool])
    const deadlineMs = performance.now() + longestStartMs
    while (!this.#lastWords.get(daemon)?.includes('listening at')) {
      if (daemon.exitCode !== null || daemon.signalCode !== null || performance.now() > deadlineMs)
        throw new Error(`tritond did not start: ${this.lastWordsOf(daemon)}`)
      await wait(10)
    }
    return daemon
  }

  startReader(streamName: string, noteFile: string, keyField: string): ChildProcess {
    return this.#spawn(['--import', 'tsx', join(import.meta.dirname, 'reader.ts'), streamName, noteFile, keyField], {
      hasChannel: true,
    })
  }

  /** Runs one command of the program to its end. */
  async run(...words: string[]): Promise<void> {
    const child = this.#spawn([program, ...words])
    await exited(child)
    if (child.exitCode !== 0) throw new Error(`'triton ${words.join(' ')}' failed: ${this.lastWordsOf(child)}`)
  }

  /** The same, for each line that the command prints. */
  async readLines(words: readonly string[], onLine: (line: string) => void): Promise<void> {
    const child = this.#spawn([program, ...words], { printsLines: true })
    const ended = exited(child)
    if (child.stdout) for await (const line of createInterface({ input: child.stdout })) onLine(line)
    await ended
    if (child.exitCode !== 0) throw new Error(`'triton ${words.join(' ')}' failed: ${this.lastWordsOf(child)}`)
  }

  /** What a child wrote on stderr at last: of interest only when it ended against our will. */
  lastWordsOf(child: ChildProcess): string {
    return (this.#lastWords.get(child) ?? '').trim() || `exit code ${child.exitCode ?? child.signalCode}`
  }

  /** Waits for the end of a child that was told to end. */
  async ended(child: ChildProcess, what: string, longestMs: number): Promise<void> {
    const timer = setTimeout(() => child.kill('SIGKILL'), longestMs)
    await exited(child)
    clearTimeout(timer)
    if (child.exitCode !== 0) throw new Error(`${what} did not end well: ${this.lastWordsOf(child)}`)
  }

  async kill(child: ChildProcess): Promise<void> {
    child.kill('SIGKILL')
    await exited(child)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#children].map((child) => this.kill(child)))
    process.off('exit', this.#killAll)
    for (const signal of endingSignals) process.off(signal, endBySignal)
  }

  readonly #killAll = (): void => {
    for (const child of this.#children) child.kill('SIGKILL')
  }

  async #isAnswering(engine: ChildProcess): Promise<void> {
    const deadlineMs = performance.now() + longestStartMs
    while (performance.now() < deadlineMs) {
      if (engine.exitCode !== null || engine.signalCode !== null)
        throw new Error(`the engine ended by itself: ${this.lastWordsOf(engine)}`)
      try {
        const answer = await fetch(this.endpoint, { signal: AbortSignal.timeout(longestStartMs) })
        await answer.text()
        return
      } catch {
        // Not listening yet.
        await wait(25)
      }
    }
    throw new Error(`the engine did not answer within ${longestStartMs / 1000} s: ${this.lastWordsOf(engine)}`)
  }

  #spawn(words: string[], { hasChannel = false, printsLines = false } = {}): ChildProcess {
    const child = spawn(process.execPath, words, {
      env: this.#environment,
      stdio: ['ignore', printsLines ? 'pipe' : 'ignore', 'pipe', ...(hasChannel ? (['ipc'] as const) : [])],
    })
    this.#children.add(child)
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords.set(child, ((this.#lastWords.get(child) ?? '') + text).slice(-2000))
    })
    child.once('exit', () => this.#children.delete(child))
    return child
  }
}

/** A start on a busy machine takes seconds; what takes longer than this does not start any more. */
const longestStartMs = 60_000

const endingSignals = ['SIGINT', 'SIGTERM'] as const

function endBySignal(signal: NodeJS.Signals): void {
  process.exit(128 + constants.signals[signal])
}

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

const program = join(import.meta.dirname, '../bin/triton.js')
