import { ClosedError, StorageError, TritonError } from '../errors.ts'
import type { ObjectUpload } from './archive-store.ts'

/** The requests of one multipart upload. */
export interface UploadCalls {
  putPart(number: number, bytes: Buffer): Promise<PartDone>
  complete(parts: PartDone[], bytes: number): Promise<void>
  /** Fine when there is no such upload any more. */
  abort(): Promise<void>
}

/** A part that is stored, as the completion of the upload names it. */
export interface PartDone {
  PartNumber: number
  ETag: string
  ChecksumCRC32C: string
}

/** Parts go while the next is filled: one on its way, one waiting, and who writes more than that waits. */
export class S3Upload implements ObjectUpload {
  readonly key: string
  readonly #partBytes: number
  readonly #calls: UploadCalls
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #totalBytes = 0
  readonly #parts: PartDone[] = []
  #partCount = 0
  #sending: Promise<void> = Promise.resolve()
  #failure: unknown
  #isOver = false

  constructor(key: string, partBytes: number, calls: UploadCalls) {
    this.key = key
    this.#partBytes = partBytes
    this.#calls = calls
  }

  async write(pieces: Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      this.#waiting.push(piece)
      this.#waitingBytes += piece.length
      this.#totalBytes += piece.length
      if (this.#waitingBytes >= this.#partBytes) await this.#sendPart()
    }
    this.#throwFailure()
  }

  async flush(): Promise<void> {
    if (this.#waitingBytes > 0) await this.#sendPart()
    await this.#sending
    this.#throwFailure()
  }

  async complete(): Promise<void> {
    await this.flush()
    if (this.#isOver) throw new ClosedError(`the upload of ${this.key} is over`)
    await this.#calls.complete(this.#parts, this.#totalBytes)
    this.#isOver = true
  }

  async abort(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    this.#waiting = []
    // A part that arrives behind the request to give up would stay.
    await this.#sending
    await this.#calls.abort().catch((error: unknown) => {
      // The next start gives up what is open; and buckets have a rule for what nobody comes back to.
      if (!(error instanceof TritonError)) throw error
    })
  }

  /** Waits for the part before. */
  async #sendPart(): Promise<void> {
    await this.#sending
    this.#throwFailure()
    if (this.#isOver) throw new ClosedError(`the upload of ${this.key} is over`)
    const bytes = Buffer.concat(this.#waiting, this.#waitingBytes)
    this.#waiting = []
    this.#waitingBytes = 0
    const number = ++this.#partCount
    if (number > maxParts) throw new StorageError(`${this.key} has more than ${maxParts} parts: let it rotate earlier`)
    this.#sending = this.#calls.putPart(number, bytes).then(
      (part) => {
        this.#parts.push(part)
      },
      (error: unknown) => {
        this.#failure ??= error
      },
    )
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure
  }
}

/** "Amazon S3 multipart upload limits" in the S3 User Guide. */
const maxParts = 10_000
