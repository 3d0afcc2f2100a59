import { type Clock, systemClock, type Timer } from '../clock.ts'

/**
 * How far a long job is, on stderr, rewritten in place: only on a terminal, and only after the first second.
 * `stop` wipes it.
 */
export class Progress {
  private recordCount = 0
  private byteCount = 0
  private isShown = false
  private timer: Timer | undefined
  private readonly startedMs: number
  private readonly verb: string
  private readonly clock: Clock
  private readonly terminal: NodeJS.WriteStream

  constructor(verb: string, { clock = systemClock, terminal = process.stderr }: ProgressOptions = {}) {
    this.verb = verb
    this.clock = clock
    this.terminal = terminal
    this.startedMs = clock.monotonic()
    if (terminal.isTTY) this.planShow(firstShowMs)
  }

  add(recordCount: number, byteCount: number): void {
    this.recordCount += recordCount
    this.byteCount += byteCount
  }

  /** May be called twice. */
  stop(): void {
    this.timer?.cancel()
    this.timer = undefined
    if (this.isShown) this.terminal.write(wipeLine)
    this.isShown = false
  }

  /** `20,000 records, 3.9 MB, 61,000/s`. */
  describe(): string {
    const seconds = (this.clock.monotonic() - this.startedMs) / 1000
    const rate = seconds > 0 ? Math.round(this.recordCount / seconds) : 0
    return `${withCommas(this.recordCount)} records, ${megabytes(this.byteCount)}, ${withCommas(rate)}/s`
  }

  private planShow(ms: number): void {
    this.timer = this.clock.setTimer(() => {
      this.terminal.write(`${wipeLine}${this.verb} ${this.describe()}`)
      this.isShown = true
      this.planShow(showEveryMs)
    }, ms)
  }
}

export interface ProgressOptions {
  /** @default systemClock */
  clock?: Clock
  /** @default process.stderr */
  terminal?: NodeJS.WriteStream
}

const firstShowMs = 1_000
const showEveryMs = 500
const wipeLine = '\r\x1b[2K'

/** `1 record`, `20,000 records`. */
export function counted(count: number, thing: string): string {
  return `${withCommas(count)} ${thing}${count === 1 ? '' : 's'}`
}

export function withCommas(count: number): string {
  return count.toLocaleString('en-US')
}

function megabytes(bytes: number): string {
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}
