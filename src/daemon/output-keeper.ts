import { write } from 'node:fs'
import type { Clock, Timer } from '../clock.ts'
import { StorageError } from '../errors.ts'
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
  #failure: StorageError | undefined

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

  async finish(): Promise<number> {
    this.#flush()
    await this.#writing
    if (this.#failure !== undefined) throw this.#failure
    return 0
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
      await this.#write(bytes)
      this.#unwrittenCount -= recordCount
      this.#unwrittenBytes -= bytes.length
    })
  }

  async #write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length && this.#failure === undefined; ) {
      try {
        at += await writeSome(this.#options.descriptor, bytes, at)
      } catch (cause) {
        const { message } = cause as NodeJS.ErrnoException
        this.#failure = new StorageError(`can't write records to the output: ${message}`, { cause })
      }
    }
  }
}

function writeSome(descriptor: number, bytes: Buffer, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, at, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

/** A burst is written in pieces of about this size. */
const flushBytes = 4 * 1024 * 1024
