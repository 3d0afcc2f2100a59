/** Lines that renew themselves on a terminal; elsewhere, lines only when something happened. */
export class Screen {
  readonly #isTerminal = process.stdout.isTTY === true
  readonly #startedMs = performance.now()
  #liveCount = 0

  constructor() {
    // Whoever looked has gone (`| head`): nobody is left to show anything to.
    process.stdout.on('error', () => process.exit(1))
  }

  /** Something happened: stays on the screen. */
  tell(text: string): void {
    this.#clearLiveLine()
    process.stdout.write(`${this.#time()}  ${text}\n`)
  }

  /** How far things are: replaced by the next call. */
  progress(text: string): void {
    if (!this.#isTerminal) return
    this.#clearLiveLine()
    process.stdout.write(`${this.#time()}  ${text}`)
    this.#liveCount = 1
  }

  /** How far things are, in several lines: replaced by the next call, and by whatever else is written. */
  live(lines: readonly string[]): void {
    if (!this.#isTerminal) return
    this.#clearLiveLine()
    process.stdout.write(lines.map((line) => `         ${line}`).join('\n'))
    this.#liveCount = lines.length
  }

  print(text: string): void {
    this.#clearLiveLine()
    process.stdout.write(`${text}\n`)
  }

  #time(): string {
    return `${((performance.now() - this.#startedMs) / 1000).toFixed(1).padStart(5)} s`
  }

  #clearLiveLine(): void {
    if (this.#liveCount > 0) process.stdout.write('\r\x1b[2K')
    for (let above = 1; above < this.#liveCount; above++) process.stdout.write('\x1b[1A\x1b[2K')
    this.#liveCount = 0
  }
}

export function bar(share: number, width = 30): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return '█'.repeat(filled) + '░'.repeat(width - filled)
}

export function bars(counts: ReadonlyMap<string, number>): string {
  const most = Math.max(1, ...counts.values())
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `  ${name}  ${bar(count / most)}  ${count.toLocaleString('en')}`)
    .join('\n')
}
