import type { Clock, Timer } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { keyRefusals, messageRefusals } from './message-frames.ts'
import { connectionRefusals } from './zmtp-peer.ts'

/**
 * Tells of messages that were skipped: the first of a kind at once, with what it was, and those that follow as one number
 * a second, so that a client gone mad can't fill a disk with our log. No message is left uncounted.
 */
export class SkipCounter implements Disposable {
  readonly #clock: Clock
  readonly #kinds = new Map<string, Skipped>()
  #timer: Timer | undefined
  #total = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** All that was skipped so far. */
  get total(): number {
    return this.#total
  }

  /** `stream` only where it is one of ours: a client chooses names freely. */
  add(reason: SkipReason, detail: string, stream?: string): void {
    this.#total++
    const kind = stream === undefined ? reason : `${reason} ${stream}`
    const skipped = this.#kinds.get(kind)
    if (skipped !== undefined) {
      skipped.recordCount++
      skipped.detail = detail
      return
    }
    const fresh = { reason, detail, stream, recordCount: 1 }
    this.#kinds.set(kind, fresh)
    this.#tell(fresh)
    this.#timer ??= this.#clock.setTimer(() => this.#tellAll(), tellEveryMs)
  }

  /** Tells what was not told yet. */
  [Symbol.dispose](): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (const skipped of this.#kinds.values()) this.#tell(skipped)
    this.#kinds.clear()
  }

  #tellAll(): void {
    this.#timer = undefined
    for (const [kind, skipped] of this.#kinds) {
      if (skipped.recordCount === 0) this.#kinds.delete(kind)
      else this.#tell(skipped)
    }
    if (this.#kinds.size > 0) this.#timer = this.#clock.setTimer(() => this.#tellAll(), tellEveryMs)
  }

  #tell(skipped: Skipped): void {
    const { reason, detail, stream, recordCount } = skipped
    if (recordCount === 0) return
    skipped.recordCount = 0
    report({ type: 'message-skipped', reason, detail, recordCount, ...(stream !== undefined && { stream }) })
  }
}

/** Why a message, or what a connection brought, did not become a record of a stream. */
export type SkipReason = (typeof skipReasons)[number]

/** All there are, for counters that start at zero. */
export const skipReasons = [
  ...connectionRefusals,
  ...messageRefusals,
  ...keyRefusals,
  'not-durable-put',
  'unknown-stream',
  'record-too-large',
  'share-full',
] as const

interface Skipped {
  reason: SkipReason
  /** Of the latest one. */
  detail: string
  stream: string | undefined
  /** Not told yet. */
  recordCount: number
}

const tellEveryMs = 1_000
