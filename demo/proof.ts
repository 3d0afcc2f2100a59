import { closeSync, openSync, readSync } from 'node:fs'

/**
 * What the reader noted down, judged: was every record read, how often, and in which order.
 *
 * The reader writes one line per record handed to it: shard, sequence number, line number of the input, key.
 */
export interface Reading {
  shardId: string
  sequenceNumber: string
  inputLine: number
  key: string
}

export class Proof {
  readonly #inputLinesRead = new Set<number>()
  readonly #sequenceNumbersRead = new Set<string>()
  readonly #newestLineOfKey = new Map<string, number>()
  readonly recordsOfShard = new Map<string, number>()
  /** Read once more by a reader that started again at its checkpoint. */
  readAgain = 0
  /** Stored twice: a put whose answer was lost was sent again. */
  writtenAgain = 0
  /** First readings of a record that came after a later one of its key. */
  outOfOrder = 0

  add(reading: Reading): void {
    if (this.#sequenceNumbersRead.has(reading.sequenceNumber)) {
      this.readAgain++
      return
    }
    this.#sequenceNumbersRead.add(reading.sequenceNumber)
    this.recordsOfShard.set(reading.shardId, (this.recordsOfShard.get(reading.shardId) ?? 0) + 1)
    if (this.#inputLinesRead.has(reading.inputLine)) {
      this.writtenAgain++
      return
    }
    this.#inputLinesRead.add(reading.inputLine)
    if (reading.inputLine < (this.#newestLineOfKey.get(reading.key) ?? 0)) this.outOfOrder++
    else this.#newestLineOfKey.set(reading.key, reading.inputLine)
  }

  /** Different input lines that were read. */
  get distinctCount(): number {
    return this.#inputLinesRead.size
  }

  get keyCount(): number {
    return this.#newestLineOfKey.size
  }

  missingOf(total: number): number[] {
    return Array.from({ length: total }, (_, index) => index + 1).filter((line) => !this.#inputLinesRead.has(line))
  }
}

export function formatReading(reading: Reading): string {
  return `${JSON.stringify([reading.shardId, reading.sequenceNumber, reading.inputLine, reading.key])}\n`
}

export function parseReading(line: string): Reading {
  const [shardId, sequenceNumber, inputLine, key] = JSON.parse(line) as [string, string, number, string]
  return { shardId, sequenceNumber, inputLine, key }
}

/** Reads the reader's notes as they grow, into a proof. */
export class NoteFollower implements Disposable {
  readonly proof = new Proof()
  readonly #file: number
  readonly #chunk = Buffer.alloc(1 << 20)
  #rest = Buffer.alloc(0)

  constructor(path: string) {
    this.#file = openSync(path, 'r')
  }

  follow(): void {
    for (;;) {
      const byteCount = readSync(this.#file, this.#chunk, 0, this.#chunk.length, null)
      if (byteCount === 0) return
      const bytes = Buffer.concat([this.#rest, this.#chunk.subarray(0, byteCount)])
      const end = bytes.lastIndexOf('\n') + 1
      for (const line of bytes.toString('utf8', 0, end).split('\n')) if (line !== '') this.proof.add(parseReading(line))
      this.#rest = bytes.subarray(end)
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file)
  }
}
