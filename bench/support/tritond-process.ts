import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface TritondUsage {
  acceptedCount: number
  waitingCount: number
  rssBytes: number
}

/** The program as users run it, built, in a process of its own. */
export class TritondProcess {
  readonly endpoint: string
  /** When it was started, on this process' monotonic clock. */
  readonly startedMs: number
  readonly #child: ChildProcess
  readonly #metrics: string

  private constructor(child: ChildProcess, startedMs: number, endpoint: string, metrics: string) {
    this.#child = child
    this.startedMs = startedMs
    this.endpoint = endpoint
    this.#metrics = metrics
  }

  static async start(...flags: string[]): Promise<TritondProcess> {
    if (!existsSync(join(root, 'dist/cli/tritond-main.js'))) throw new Error('not built: run `make dev` first')
    // Ends with its stdin, so that none is left behind by a bench that was killed.
    const withParent = `data:text/javascript,process.stdin.on('end',()=>process.exit(1)).resume().unref()`
    const words = ['--import', withParent, join(root, 'bin/tritond.js'), '--port', '0', '--durable-port', '0', ...flags]
    const startedMs = performance.now()
    const child = spawn(process.execPath, words, { stdio: ['pipe', 'ignore', 'pipe'] })
    let told = ''
    const [endpoint, metrics] = await new Promise<string[]>((resolve, reject) => {
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        told = (told + text).slice(-10_000)
        const found = /listening at (\S+)\n(?:.*\n)*?(?:.*metrics at (\S+)\n)?/.exec(told)
        if (found !== null && (found[2] !== undefined || !flags.includes('--metrics'))) resolve(found.slice(1))
      })
      child.once('exit', (code) => reject(new Error(`tritond ended with exit code ${code}: ${told}`)))
    })
    return new TritondProcess(child, startedMs, endpoint ?? '', metrics ?? '')
  }

  /** As Linux tells it, without asking the daemon. */
  get rssBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024
  }

  /** Of one that was started with `--metrics 0`. */
  async usage(): Promise<TritondUsage> {
    const text = await (await fetch(this.#metrics)).text()
    const sumOf = (name: string) =>
      text
        .split('\n')
        .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
    return {
      acceptedCount: sumOf('tritond_records_accepted_total'),
      waitingCount: sumOf('tritond_waiting_records'),
      rssBytes: sumOf('process_resident_memory_bytes'),
    }
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGTERM')
    await ended
  }
}

const root = join(import.meta.dirname, '../..')
