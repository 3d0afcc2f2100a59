import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Clock, sleep } from '../clock.ts'

/**
 * A program of the user's, in a process group of its own: batches go to its stdin one at a time, and each line that it
 * prints answers the one under way. What it writes to stderr goes to ours; the last of it stands in messages.
 */
export class ExecChild {
  /** Resolves when nothing of it is left that could answer. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  #answer: { resolve: () => void; reject: (error: Error) => void } | undefined
  #rest = ''
  #lastWords = ''
  /** Why it takes no batch any more: it has ended, or broke the rules and is being ended. */
  #failure: Error | undefined
  #hasEnded = false
  #isClosing = false
  readonly #onIdleFailure: (reason: string) => void

  constructor({ command, environment, clock, onIdleFailure }: ExecChildOptions) {
    this.#onIdleFailure = onIdleFailure
    this.#child = spawn('/bin/sh', ['-c', command], { env: environment, stdio: 'pipe', detached: true })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#hear(text))
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      process.stderr.write(text)
      this.#lastWords = (this.#lastWords + text).slice(-lastWordsLength)
    })
    this.#child.stdin?.on('error', () => {}) // the end of the process tells it, with a reason
    this.#child.on('error', (error) => this.#fail(`it can't be started: ${error.message}`))
    this.#child.once('exit', () => this.#cutOff(clock))
    this.ended = once(this.#child, 'close').then(
      ([code, signal]) => {
        this.#hasEnded = true
        this.#fail(signal ? `it was ended by ${signal}` : `it ended with exit code ${code}`)
      },
      () => {
        this.#hasEnded = true // it was never there
      },
    )
  }

  get isAlive(): boolean {
    return this.#failure === undefined
  }

  /**
   * Hands over one batch and waits for the line that answers it. Rejects with what the program said is wrong
   * (`{"error":"..."}`), or with how it ended.
   */
  async handle(pieces: Iterable<string | Uint8Array>): Promise<void> {
    const answered = new Promise<void>((resolve, reject) => {
      this.#answer = { resolve, reject }
    })
    answered.catch(() => {}) // waited for below, when all is written
    for (const piece of pieces) {
      if (this.#child.stdin?.write(piece) === false) {
        await Promise.race([once(this.#child.stdin, 'drain').catch(() => {}), this.ended, answered.catch(() => {})])
      }
      if (this.#failure !== undefined) break
    }
    await answered
  }

  /** Closes its stdin, gives it so long to end by itself, and then ends it with all its children. */
  async close(patienceMs: number, clock: Clock): Promise<void> {
    this.#isClosing = true
    this.#child.stdin?.end()
    if (this.isAlive) {
      const enough = new AbortController()
      await Promise.race([this.ended.then(() => enough.abort()), sleep(clock, patienceMs, enough.signal)])
    }
    this.kill()
    await this.ended
  }

  /** At once, with all its children. */
  kill(): void {
    const { pid } = this.#child
    if (pid === undefined || this.#hasEnded) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }

  /** The shell has ended. What it left behind holds its pipes, and would have a batch wait for an answer for ever. */
  async #cutOff(clock: Clock): Promise<void> {
    const enough = new AbortController()
    await Promise.race([this.ended.then(() => enough.abort()), sleep(clock, lastAnswerMs, enough.signal)])
    if (this.#hasEnded) return
    this.kill()
    for (const pipe of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) pipe?.destroy()
  }

  #hear(text: string): void {
    if (this.#failure !== undefined) return
    if (this.#rest.length + text.length > longestLine && !text.includes('\n')) {
      this.#end(`it printed a line of more than ${longestLine} characters`)
      return
    }
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (this.#failure !== undefined) return
      const answer = this.#answer
      this.#answer = undefined
      const reason = errorIn(line)
      if (answer === undefined)
        this.#end(`it printed ${JSON.stringify(line.slice(0, 200))} without having been given a batch`)
      else if (reason === undefined) answer.resolve()
      else answer.reject(new ExecError(reason))
    }
  }

  /** It broke the rules: whatever it still prints or does counts no more. */
  #end(what: string): void {
    this.#fail(what)
    this.kill()
  }

  #fail(what: string): void {
    if (this.#failure === undefined) {
      const words = this.#lastWords.trim()
      this.#failure = new ExecError(words === '' ? what : `${what}; its last words: ${words}`)
      this.#child.stdin?.destroy()
      if (this.#answer === undefined && !this.#isClosing) this.#onIdleFailure(this.#failure.message)
    }
    this.#answer?.reject(this.#failure)
    this.#answer = undefined
  }
}

export interface ExecChildOptions {
  /** Given to a shell. */
  command: string
  environment: NodeJS.ProcessEnv
  clock: Clock
  /** It ended, or broke the rules, while no batch waited for it. */
  onIdleFailure: (reason: string) => void
}

/** The program did not handle a batch. */
class ExecError extends Error {
  override readonly name = 'ExecError'
}

/** A line that is a JSON object with an `error` says that the batch failed; any other that it is done. */
function errorIn(line: string): string | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const { error } = JSON.parse(line) as { error?: unknown }
    if (error === undefined || error === null) return undefined
    return typeof error === 'string' ? error : JSON.stringify(error)
  } catch {
    return undefined
  }
}

/** What a program wrote before its end is read within this, in milliseconds. */
const lastAnswerMs = 1_000
const lastWordsLength = 1_000
const longestLine = 1024 * 1024
