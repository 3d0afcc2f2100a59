import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Diagnostic } from '../../src/diagnostics.ts'
import { wordsWith } from './built.ts'

export interface WorkerProcessSettings {
  endpoint: string
  stream: string
  client: string
  leases: string
  failoverMs?: number
  handOffMs?: number
  /** How long handling a batch takes, in milliseconds. */
  handlerMs?: number
  workerId?: string
  /** How long the first batch blocks the event loop, in milliseconds. */
  blockMs?: number
  startFrom?: 'oldest' | 'latest'
  idlePollMs?: number
}

/** One line that a worker process printed. */
export interface WorkerLine {
  record?: string
  shardId?: string
  news?: Diagnostic
  closed?: boolean
  /** When it was printed, by the wall clock that all processes share. */
  atMs: number
}

/** A worker in a process of its own, for as long as the block that holds it. */
export class WorkerProgram implements AsyncDisposable {
  readonly child: ChildProcess
  readonly lines: WorkerLine[] = []
  stderr = ''
  readonly #closed: Promise<unknown>
  #rest = ''
  #listeners: (() => void)[] = []

  constructor(settings: WorkerProcessSettings) {
    const words = wordsWith('index', join(import.meta.dirname, 'worker-process.js'))
    this.child = spawn(process.execPath, [...words, JSON.stringify(settings)], { stdio: 'pipe' })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#read(text))
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.#closed = once(this.child, 'close').then(() => this.#tell())
  }

  get records(): string[] {
    return this.lines.flatMap(({ record }) => (record === undefined ? [] : [record]))
  }

  /** News of this kind, with the time of each. */
  news<T extends Diagnostic['type']>(type: T): (Extract<Diagnostic, { type: T }> & { atMs: number })[] {
    return this.lines.flatMap(({ news, atMs }) =>
      news?.type === type ? [{ ...(news as Extract<Diagnostic, { type: T }>), atMs }] : [],
    )
  }

  /** Shards that it reads now, by its own news. */
  get shardIds(): Set<string> {
    const held = new Set<string>()
    for (const { news } of this.lines) {
      if (news?.type === 'lease-taken') held.add(news.name)
      if (news?.type === 'lease-released' || news?.type === 'lease-lost') held.delete(news.name)
    }
    return held
  }

  /** Resolves when what was printed fulfils `isEnough`; rejects when the process ends before. */
  async until(isEnough: (program: this) => boolean): Promise<void> {
    while (!isEnough(this)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(
          `the worker ended with ${this.child.exitCode ?? this.child.signalCode} too early: ${this.stderr}`,
        )
      }
      await new Promise<void>((resolve) => this.#listeners.push(resolve))
    }
  }

  /** Calls back at each line. */
  onLine(listener: () => void): void {
    this.#permanent.push(listener)
  }

  /** Sends the signal and waits for the end of the process. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal)
    await this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL')
    await this.#closed
  }

  readonly #permanent: (() => void)[] = []

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.lines.push(JSON.parse(line) as WorkerLine)
    this.#tell()
  }

  #tell(): void {
    for (const tell of this.#listeners.splice(0)) tell()
    for (const tell of this.#permanent) tell()
  }
}

/** Resolves when these programs together fulfil `isEnough`. */
export async function untilAll(programs: readonly WorkerProgram[], isEnough: () => boolean): Promise<void> {
  while (!isEnough()) await Promise.race(programs.map((program) => nextLine(program)))
}

async function nextLine(program: WorkerProgram): Promise<void> {
  const { length } = program.lines
  await program.until(() => program.lines.length > length)
}
