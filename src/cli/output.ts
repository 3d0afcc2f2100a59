import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { OutputClosedError } from './exit-code.ts'

/**
 * Standard output, written in pieces large enough to be cheap. What is written leaves at the next turn of the event loop
 * at the latest; `settle` waits for it, and so do writers once `pieceBytes` wait.
 */
export class Output {
  private readonly stream: Writable
  private readonly pieceBytes: number
  private waiting: (string | Uint8Array)[] = []
  private waitingBytes = 0
  private unsettledCount = 0
  private isFlushPlanned = false
  private failure: Error | undefined

  constructor(stream: Writable, pieceBytes = 64 * 1024) {
    this.stream = stream
    this.pieceBytes = pieceBytes
    stream.on('error', (error) => {
      this.failure ??= (error as NodeJS.ErrnoException).code === 'EPIPE' ? new OutputClosedError() : error
    })
  }

  /** Throws once the output is closed. What it answers, when it answers something, is to be awaited before more is written. */
  write(piece: string | Uint8Array): Promise<void> | undefined {
    if (this.failure) throw this.failure
    this.waiting.push(piece)
    this.waitingBytes += piece.length
    if (this.waitingBytes >= this.pieceBytes) return this.settle()
    if (!this.isFlushPlanned) {
      this.isFlushPlanned = true
      setImmediate(() => {
        this.isFlushPlanned = false
        this.flush()
      })
    }
    return undefined
  }

  /** Everything written so far has been taken by who reads it. */
  get isSettled(): boolean {
    return this.waiting.length === 0 && this.unsettledCount === 0
  }

  /** Rejects with what went wrong; an `OutputClosedError` when the reader has gone. */
  async settle(): Promise<void> {
    this.flush()
    while (this.unsettledCount > 0 && !this.failure) await once(this.stream, settled).catch(() => undefined)
    if (this.failure) throw this.failure
  }

  private flush(): void {
    if (this.waiting.length === 0 || this.failure) return
    const piece = Buffer.concat(this.waiting.map((each) => (typeof each === 'string' ? Buffer.from(each) : each)))
    this.waiting = []
    this.waitingBytes = 0
    this.unsettledCount++
    this.stream.write(piece, (error) => {
      this.unsettledCount--
      if (error) this.failure ??= (error as NodeJS.ErrnoException).code === 'EPIPE' ? new OutputClosedError() : error
      this.stream.emit(settled)
    })
  }
}

const settled = Symbol('settled')

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
