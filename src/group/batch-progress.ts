import type { HeldLease } from '../checkpoint/held-lease.ts'
import type { StreamRecord } from '../consumer/stream-record.ts'
import { TritonCheckpointError } from '../errors.ts'
import { compareSequenceNumbers } from '../kinesis/sequence-number.ts'

export interface BatchProgressOptions {
  lease: HeldLease
  /** Only the handler's own checkpoints count. */
  isManual: boolean
  /** Records after which the checkpoint is written at once. */
  flushAfter: number
  /** Where the position stands now. */
  kept: () => string | undefined
  /** The position moved to this record. */
  onMoved: (sequenceNumber: string) => void
}

/**
 * How far the records of one batch are handled. They may be handled side by side, key by key: the position follows the
 * lowest one that is not done.
 */
export class BatchProgress<T> {
  readonly #records: StreamRecord<T>[]
  readonly #options: BatchProgressOptions
  /** Made when parts of the batch are asked for: most batches are done as a whole, and at their rate this is felt. */
  #parts: { indexes: Map<StreamRecord<T>, number>; isDone: Uint8Array } | undefined
  /** Everything before this index is done. */
  #low = 0
  #doneCount = 0
  /** Why whatever handlers still do with it counts no more. */
  #abandoned: { reason: unknown } | undefined

  constructor(records: StreamRecord<T>[], options: BatchProgressOptions) {
    this.#records = records
    this.#options = options
  }

  /** When the batch's last record arrived; undefined of an empty one. */
  get arrivedAtMs(): number | undefined {
    return this.#records.at(-1)?.arrivedAt.getTime()
  }

  get doneCount(): number {
    return this.#doneCount
  }

  /**
   * Calls `handle` with the records: with all of them, or for each key with its own, `keyCount` keys at a time. Rejects as
   * the first of them does, when all have ended.
   */
  async handleByKey(keyCount: number, handle: (lane: StreamRecord<T>[]) => Promise<void>): Promise<void> {
    if (keyCount === 1) return handle(this.#records)
    const lanes = byKey(this.#records)
    let failure: { error: unknown } | undefined
    const work = async () => {
      for (let lane = lanes.shift(); lane !== undefined; lane = lanes.shift()) {
        try {
          await handle(lane)
        } catch (error) {
          failure ??= { error }
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(keyCount, lanes.length) }, work))
    if (failure !== undefined) throw failure.error
  }

  unhandled(records: StreamRecord<T>[]): StreamRecord<T>[] {
    if (this.#doneCount === 0) return records
    const isLeft = (record: StreamRecord<T>) => !this.#isDone(record)
    return records.every(isLeft) ? records : records.filter(isLeft)
  }

  done(records: readonly StreamRecord<T>[]): void {
    this.#finish(records)
    if (!this.#options.isManual) this.#note()
  }

  /**
   * The handler itself says that these records of its call are done, up to the last of them. Resolves when the lowest
   * position that follows is kept.
   */
  async keep(records: readonly StreamRecord<T>[], sequenceNumber: string | undefined): Promise<void> {
    const { lease, kept } = this.#options
    if (lease.signal.aborted) throw lease.signal.reason
    // The lease may still be ours, on its way to somebody else, and nothing of this batch is kept under it.
    if (this.#abandoned !== undefined) throw this.#abandoned.reason
    const given = sequenceNumber ?? records.at(-1)?.sequenceNumber
    const before = kept()
    const last = records.findLastIndex((record) => record.sequenceNumber === given)
    if (last === -1) {
      throw new TritonCheckpointError(
        `can't checkpoint ${lease.name} at ${given}: that record was not given to the handler with this context`,
      )
    }
    const upTo = records.slice(0, last + 1)
    if (given !== undefined && before !== undefined && compareSequenceNumbers(given, before) < 0) {
      throw new TritonCheckpointError(
        `can't checkpoint ${lease.name} at ${given}: ${before} is kept already, and a checkpoint never goes back`,
      )
    }
    this.#finish(upTo)
    this.#note()
    await lease.write()
  }

  /** Whatever handlers still do with it counts no more. */
  abandon(reason: unknown): void {
    this.#abandoned ??= { reason }
  }

  #isDone(record: StreamRecord<T>): boolean {
    const { indexes, isDone } = this.#split()
    return isDone[indexes.get(record) ?? 0] === 1
  }

  #split() {
    this.#parts ??= {
      indexes: new Map(this.#records.map((record, index) => [record, index])),
      isDone: new Uint8Array(this.#records.length).fill(this.#doneCount === 0 ? 0 : 1),
    }
    return this.#parts
  }

  #finish(records: readonly StreamRecord<T>[]): void {
    if (this.#abandoned !== undefined) return
    if (records === this.#records && this.#parts === undefined) {
      this.#doneCount = records.length
      return
    }
    const { indexes, isDone } = this.#split()
    for (const record of records) {
      const index = indexes.get(record)
      if (index === undefined || isDone[index] === 1) continue
      isDone[index] = 1
      this.#doneCount += 1
    }
  }

  #note(): void {
    if (this.#abandoned !== undefined) return
    const before = this.#low
    if (this.#parts === undefined) this.#low = this.#doneCount
    else while (this.#parts.isDone[this.#low] === 1) this.#low += 1
    const record = this.#records[this.#low - 1]
    if (this.#low === before || record === undefined) return
    const { lease, flushAfter, onMoved } = this.#options
    const { sequenceNumber, subSequenceNumber } = record
    const inside = subSequenceNumber === undefined ? {} : { subSequenceNumber }
    onMoved(sequenceNumber)
    if (lease.noteDone({ sequenceNumber, ...inside, isFinished: false }, this.#low - before) >= flushAfter) {
      lease.write().catch(() => {}) // the keeper tells of it and tries again
    }
  }
}

function byKey<T>(records: readonly StreamRecord<T>[]): StreamRecord<T>[][] {
  const lanes = new Map<string, StreamRecord<T>[]>()
  for (const record of records) {
    const lane = lanes.get(record.partitionKey)
    if (lane === undefined) lanes.set(record.partitionKey, [record])
    else lane.push(record)
  }
  return [...lanes.values()]
}
