import { spawn } from 'node:child_process'
import type { Clock, Timer } from '../clock.ts'
import { report } from '../diagnostics.ts'

export interface ServiceManagerOptions {
  /** NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID and PATH count. */
  environment: NodeJS.ProcessEnv
  clock: Clock
}

/**
 * Tells systemd that the daemon is ready, that it stops, and, as often as it wants to hear it, that its event loop still
 * turns. Node has no Unix datagram sockets, which systemd listens at, so that systemd's own `systemd-notify` does the
 * telling: units need `NotifyAccess=all`.
 *
 *     silent --ready--> watched: a word at every half of the watchdog's time, until the end --dispose--> silent
 */
export class ServiceManager implements Disposable {
  readonly #options: ServiceManagerOptions
  readonly #watchdogMs: number | undefined
  #timer: Timer | undefined
  #isTelling = false
  #hasFailed = false

  private constructor(options: ServiceManagerOptions) {
    this.#options = options
    this.#watchdogMs = watchdogMsOf(options.environment)
  }

  /** Undefined where no service manager wants to hear anything. */
  static of(options: ServiceManagerOptions): ServiceManager | undefined {
    return options.environment['NOTIFY_SOCKET'] ? new ServiceManager(options) : undefined
  }

  async ready(status: string): Promise<void> {
    await this.#tell('--ready', `--status=${status}`)
    this.#watch()
  }

  stopping(): Promise<void> {
    return this.#tell('STOPPING=1')
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #watch(): void {
    if (this.#watchdogMs === undefined) return
    this.#timer = this.#options.clock.setTimer(() => {
      // A word that is still on its way is not followed by another one.
      if (!this.#isTelling) void this.#tell('WATCHDOG=1')
      this.#watch()
    }, this.#watchdogMs / 2)
  }

  /** Resolves when it was told, or could not be: no daemon ends for that. */
  async #tell(...words: string[]): Promise<void> {
    this.#isTelling = true
    const failure = await run('systemd-notify', words, this.#options.environment)
    this.#isTelling = false
    if (failure === undefined || this.#hasFailed) return
    this.#hasFailed = true
    report({ type: 'service-manager-unreachable', reason: failure })
  }
}

/** Answers what went wrong. */
function run(program: string, words: readonly string[], environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, words, { env: environment, stdio: 'ignore', timeout: patienceMs })
    child.once('error', ({ message }) => resolve(message))
    child.once('exit', (code, signal) => {
      resolve(code === 0 ? undefined : `${program} ${words[0]} ended with ${signal ?? `exit code ${code}`}`)
    })
  })
}

/** How often systemd wants a word; it may be meant for another process. */
function watchdogMsOf(environment: NodeJS.ProcessEnv): number | undefined {
  const { WATCHDOG_USEC: micros = '', WATCHDOG_PID: pid } = environment
  if (!/^[1-9]\d{0,15}$/.test(micros) || (pid && pid !== String(process.pid))) return undefined
  return Number(micros) / 1000
}

const patienceMs = 5_000
