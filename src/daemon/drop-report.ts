import type { Clock, Timer } from '../clock.ts'
import { isObserved, report } from '../diagnostics.ts'

/** Why `put` of a non-blocking stream did not hand a record on. */
export type DropReason =
  /** The ring is full: tritond is away, or slower than the writer. */
  | 'queue-full'
  /** The record has no form in the stream's format. */
  | 'not-encodable'
  /** Its partition key is missing, empty or too long. */
  | 'partition-key'
  /** Larger than the largest record of Kinesis. */
  | 'too-large'
  /** `put` after `close`. */
  | 'closed'
  /** Still in the ring when `close` had waited for `lingerMs`. */
  | 'not-sent'

/**
 * Counts what was dropped, and tells of it at most once a second: as a diagnostic, and as a warning of the process while
 * nobody listens to those, because a loss that nobody hears of is none that anybody can repair.
 */
export class DropReport {
  readonly #streamName: string
  readonly #clock: Clock
  readonly #counts = new Map<DropReason, number>()
  readonly #untold = new Map<DropReason, { recordCount: number; detail: string }>()
  #pause: Timer | undefined

  constructor(streamName: string, clock: Clock) {
    this.#streamName = streamName
    this.#clock = clock
  }

  /** By reason, since the beginning. */
  get counts(): ReadonlyMap<DropReason, number> {
    return this.#counts
  }

  add(reason: DropReason, detail: string, recordCount = 1): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + recordCount)
    const untold = this.#untold.get(reason)
    if (untold === undefined) this.#untold.set(reason, { recordCount, detail })
    else untold.recordCount += recordCount
    if (this.#pause === undefined) this.#tell()
  }

  /** Tells what was not told yet, and nothing later on its own. */
  close(): void {
    this.#pause?.cancel()
    this.#pause = undefined
    this.#tellNow()
  }

  readonly #tell = () => {
    this.#pause = undefined
    if (this.#untold.size === 0) return
    this.#pause = this.#clock.setTimer(this.#tell, 1000)
    this.#tellNow()
  }

  #tellNow(): void {
    for (const [reason, { recordCount, detail }] of this.#untold) {
      report({ type: 'message-dropped', stream: this.#streamName, recordCount, reason, detail })
      if (isObserved()) continue
      const records = recordCount === 1 ? 'a record' : `${recordCount} records`
      process.emitWarning(`${records} of stream "${this.#streamName}" did not go to tritond: ${detail}`, {
        type: 'TritonWarning',
        code: 'TRITON_MESSAGE_DROPPED',
      })
    }
    this.#untold.clear()
  }
}
