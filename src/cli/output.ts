import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { StorageError } from '../errors.ts'
import { OutputClosedError } from './exit-code.ts'

/**
 * Standard output, written in pieces large enough to be cheap. What is written leaves at the next turn of the event loop
 * at the latest; `settle` waits for it, and so do writers once `pieceLength` wait.
 */
export class Output {
  private readonly stream: Writable
  private readonly pieceLength: number
  private waiting = ''
  private unsettledCount = 0
  private isFlushPlanned = false
  private failure: Error | undefined

  constructor(stream: Writable, pieceLength = 64 * 1024) {
    this.stream = stream
    this.pieceLength = pieceLength
    stream.on('error', (error) => {
      this.failure ??= failureOf(error)
    })
  }

  /** Throws once the output is closed. What it answers, when it answers something, is to be awaited before more is written. */
  write(piece: string): Promise<void> | undefined {
    if (this.failure) throw this.failure
    this.waiting += piece
    if (this.waiting.length >= this.pieceLength) return this.settle()
    if (!this.isFlushPlanned) {
      this.isFlushPlanned = true
      setImmediate(() => {
        this.isFlushPlanned = false
        this.flush()
      })
    }
    return undefined
  }

  /** Bytes that are a piece by themselves, behind what was written before. Resolves when they have left. */
  async writeBytes(bytes: Buffer): Promise<void> {
    if (this.failure) throw this.failure
    this.flush()
    this.send(bytes)
    await this.settle()
  }

  /** Everything written so far has left: it is in the file, or in the pipe to who reads it. */
  get isSettled(): boolean {
    return this.waiting === '' && this.unsettledCount === 0 && this.failure === undefined
  }

  /** Rejects with what went wrong; an `OutputClosedError` when the reader has gone. */
  async settle(): Promise<void> {
    this.flush()
    while (this.unsettledCount > 0 && !this.failure) await once(this.stream, settled).catch(() => undefined)
    if (this.failure) throw this.failure
  }

  private flush(): void {
    if (this.waiting === '' || this.failure) return
    const piece = this.waiting
    this.waiting = ''
    this.send(piece)
  }

  private send(piece: string | Buffer): void {
    this.unsettledCount++
    this.stream.write(piece, (error) => {
      this.unsettledCount--
      if (error) this.failure ??= failureOf(error)
      this.stream.emit(settled)
    })
  }
}

const settled = Symbol('settled')

function failureOf(error: NodeJS.ErrnoException): Error {
  if (error.code === 'EPIPE') return new OutputClosedError()
  return new StorageError(`can't write to stdout: ${error.message}`, { cause: error })
}

let standard: Output | undefined

/** The one on stdout. */
export function standardOutput(): Output {
  standard ??= new Output(process.stdout)
  return standard
}

/** Prints a command's whole output. */
export async function print(text: string): Promise<void> {
  const output = standardOutput()
  await output.write(text)
  await output.settle()
}
