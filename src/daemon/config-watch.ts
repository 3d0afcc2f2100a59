import { statSync } from 'node:fs'
import type { Clock, Timer } from '../clock.ts'
import { type Config, defaultConfigPath, loadConfig } from '../config.ts'
import { report } from '../diagnostics.ts'
import { TritonError } from '../errors.ts'

export interface ConfigWatchOptions {
  /** @default TRITON_CONFIG, else /etc/triton.yaml */
  path: string | undefined
  pollMs: number
  clock: Clock
  onConfig: (config: Config, file: string) => void
}

/**
 * Reads triton.yaml now, whenever it changes, and when asked. A file that can't be used leaves the last good one in force
 * and is told of once. It is looked at by its path again and again: that sees a file that is not there yet, one that an
 * editor has replaced, and a link that leads elsewhere now, which watching the file itself does not. A changed file is read
 * when a second look finds it as the first did: half a file may well be YAML, with fewer streams.
 */
export class ConfigWatch implements Disposable {
  readonly #options: ConfigWatchOptions
  readonly #file: string
  /** Of the file as it was read. */
  #seen = ''
  /** Of the file at the last look. */
  #lastStamp = ''
  #toldReason = ''
  #timer: Timer | undefined
  #isGood = false

  constructor(options: ConfigWatchOptions) {
    this.#options = options
    this.#file = options.path ?? (process.env['TRITON_CONFIG'] || defaultConfigPath)
    this.#lastStamp = stampOf(this.#file)
    this.#look()
  }

  /** A file was read well at least once. */
  get isGood(): boolean {
    return this.#isGood
  }

  /** Reads the file, changed or not. */
  reload(): void {
    this.#toldReason = ''
    this.#seen = stampOf(this.#file)
    this.#read()
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #look(): void {
    const { clock, pollMs } = this.#options
    this.#timer = clock.setTimer(() => this.#look(), pollMs)
    const stamp = stampOf(this.#file)
    const isStill = stamp === this.#lastStamp
    this.#lastStamp = stamp
    if (!isStill || stamp === this.#seen) return
    this.#seen = stamp
    this.#read()
  }

  #read(): void {
    let config: Config
    try {
      config = loadConfig(this.#options.path)
    } catch (error) {
      if (!(error instanceof TritonError)) throw error
      const reason = error.message.trimEnd()
      if (reason !== this.#toldReason)
        report({ type: 'config-failed', file: this.#file, reason, isOldKept: this.#isGood })
      this.#toldReason = reason
      return
    }
    this.#toldReason = ''
    this.#isGood = true
    report({ type: 'config-read', file: this.#file, streamCount: Object.keys(config).length })
    this.#options.onConfig(config, this.#file)
  }
}

/** Changes whenever the file does; a file that can't be looked at has a stamp of its own. */
function stampOf(file: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(file)
    return `${ino} ${size} ${mtimeMs} ${ctimeMs}`
  } catch (error) {
    return `none: ${(error as NodeJS.ErrnoException).code}`
  }
}
