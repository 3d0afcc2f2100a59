import { write } from 'node:fs'
import { type Clock, sleep, type Timer } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { BodyCopies } from './body-copies.ts'
import type { Message } from './message-frames.ts'
import { rawText } from './raw-text.ts'
import type { RecordKeeper } from './record-keeper.ts'
import type { StreamFacts } from './stream-facts.ts'

export interface OutputKeeperOptions {
  descriptor: number
  /** How long a record waits for company, in milliseconds. */
  flushMs: number
  /** Records that wait for the file to take them, in bytes. */
  limitBytes: number
  clock: Clock
}

/**
 * Writes records to a file instead of Kinesis, as the old daemon did: at each flush, for each stream that has any, the
 * stream's name as a msgpack raw, then the bodies, back to back. Every stream name is taken: no configuration is read.
 *
 *     writing --the file takes no more--> blocked: tries again each second; clients wait when too much has piled up --> writing
 *     blocked --hurried at the end--> what was not written is lost
 */
export class OutputKeeper implements RecordKeeper {
  readonly #options: OutputKeeperOptions
  readonly #copies = new BodyCopies()
  #groups = new Map<string, Uint8Array[]>()
  #acceptedCount = 0
  #waitingCount = 0
  #waitingBytes = 0
  #timer: Timer | undefined
  #writing: Promise<void> = Promise.resolve()
  #unwrittenCount = 0
  #unwrittenBytes = 0
  #isBlocked = false
  #isEnding = false
  /** While it is blocked: tries again at once. */
  #again: (() => void) | undefined
  /** No further attempt is made. */
  readonly #givingUp = new AbortController()

  constructor(options: OutputKeeperOptions) {
    this.#options = options
  }

  async configure(): Promise<void> {}

  get waitingCount(): number {
    return this.#waitingCount + this.#unwrittenCount
  }

  get acceptedCount(): number {
    return this.#acceptedCount
  }

  streams(): StreamFacts[] {
    return []
  }

  take(message: Message): Promise<void> | undefined {
    const { streamName } = message
    const body = this.#copies.copy(message.body)
    const group = this.#groups.get(streamName)
    if (group === undefined) this.#groups.set(streamName, [body])
    else group.push(body)
    this.#acceptedCount++
    this.#waitingCount++
    this.#waitingBytes += body.length
    const { clock, flushMs, limitBytes } = this.#options
    if (this.#waitingBytes >= flushBytes) this.#flush()
    else this.#timer ??= clock.setTimer(() => this.#flush(), flushMs)
    return this.#unwrittenBytes > limitBytes / 2 ? this.#writing : undefined
  }

  async finish(signal: AbortSignal): Promise<number> {
    this.#flush()
    this.#isEnding = true
    const giveUp = () => {
      this.#givingUp.abort()
      this.#again?.()
    }
    // Who is blocked tries once more, and then knows what for.
    if (signal.aborted) giveUp()
    else this.#again?.()
    signal.addEventListener('abort', giveUp, { once: true })
    await this.#writing
    signal.removeEventListener('abort', giveUp)
    return this.#unwrittenCount
  }

  #flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#waitingCount === 0) return
    const bytes = Buffer.concat([...this.#groups].flatMap(([name, bodies]) => [rawText(name), ...bodies]))
    const recordCount = this.#waitingCount
    this.#groups = new Map()
    this.#waitingCount = 0
    this.#waitingBytes = 0
    this.#unwrittenCount += recordCount
    this.#unwrittenBytes += bytes.length
    this.#writing = this.#writing.then(async () => {
      if (await this.#write(bytes)) this.#unwrittenCount -= recordCount
      this.#unwrittenBytes -= bytes.length
    })
  }

  async #pause(): Promise<void> {
    const again = new AbortController()
    this.#again = () => again.abort()
    await sleep(this.#options.clock, retryMs, again.signal)
    this.#again = undefined
  }

  /** False when not all of it could be written until the end. */
  async #write(bytes: Buffer): Promise<boolean> {
    for (let at = 0; at < bytes.length; ) {
      try {
        at += await writeSome(this.#options.descriptor, bytes, at)
        if (this.#isBlocked) report({ type: 'output-unblocked' })
        this.#isBlocked = false
      } catch (cause) {
        if (!this.#isBlocked) report({ type: 'output-blocked', reason: (cause as Error).message })
        this.#isBlocked = true
        // Nobody waits for the reader of a pipe to come back when the daemon is to end.
        const isReaderGone = (cause as NodeJS.ErrnoException).code === 'EPIPE'
        if (this.#givingUp.signal.aborted || (this.#isEnding && isReaderGone)) return false
        await this.#pause()
      }
    }
    return true
  }
}

function writeSome(descriptor: number, bytes: Buffer, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, at, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

/** A burst is written in pieces of about this size. */
const flushBytes = 4 * 1024 * 1024
const retryMs = 1_000
