import { LeaseLostError } from '../errors.ts'
import type { Checkpoint } from './checkpoint-store.ts'
import { type LeaseChange, type LeaseFacts, unknownFacts } from './lease-store.ts'

/**
 * A lease that is ours until `signal` fires. Made by the `LeaseKeeper`, which renews it.
 *
 *     held      until released or lost
 *     leaving   `release` was called: nothing else is taken on
 *     gone      released, taken by somebody else, or not renewed in time
 */
export class HeldLease {
  readonly name: string
  /** Told with the next write. */
  facts: LeaseFacts = unknownFacts
  readonly #life = new AbortController()
  readonly #onUrgent: () => void
  /** Counter of the last write that is known to have succeeded, and the highest that was ever tried. */
  counter: number
  triedCounter: number
  /** Nothing is done under this lease after it: `failoverMs` after the last successful write began, monotonic. */
  deadlineMs: number
  #pending = newWrite()

  constructor(name: string, counter: number, deadlineMs: number, onUrgent: () => void) {
    this.name = name
    this.counter = counter
    this.triedCounter = counter
    this.deadlineMs = deadlineMs
    this.#onUrgent = onUrgent
  }

  /** Fires when the lease is gone; its reason is a LeaseLostError unless the lease was released. */
  get signal(): AbortSignal {
    return this.#life.signal
  }

  /** The next renewal takes this checkpoint along, unless a later one comes before. */
  note(checkpoint: Checkpoint): void {
    this.#pending.checkpoint = checkpoint
  }

  /** As `note`; answers how many records were noted since the last write. */
  noteDone(checkpoint: Checkpoint, recordCount: number): number {
    this.#pending.checkpoint = checkpoint
    this.#pending.recordCount += recordCount
    return this.#pending.recordCount
  }

  /** What will be written next, when nothing else comes. */
  get noted(): Checkpoint | undefined {
    return this.#pending.checkpoint
  }

  /**
   * Writes what was noted, and carries out `changes` in the same transaction before it. Resolves when it is written;
   * rejects with a LeaseLostError when the lease was lost, and with what the store said when it could not: then the
   * checkpoint stays noted.
   */
  write(changes: readonly LeaseChange[] = []): Promise<void> {
    return this.#ask({ changes })
  }

  /** As `write`, and gives the lease to `to`, or back when that is empty. */
  release(to = ''): Promise<void> {
    return this.#ask({ changes: [], releaseTo: to })
  }

  /** As `write`, and gives the lease back as finished, also when no checkpoint says so. */
  finish(changes: readonly LeaseChange[]): Promise<void> {
    return this.#ask({ changes, releaseTo: '', isFinished: true })
  }

  get isUrgent(): boolean {
    return this.#pending.isUrgent
  }

  /** For the keeper: what to write now; what comes later is another write. */
  takePending(): PendingWrite {
    const pending = this.#pending
    this.#pending = newWrite()
    return pending
  }

  /** For the keeper: the write failed, and nobody knows whether it was carried out. */
  putBack(failed: PendingWrite): void {
    const { checkpoint, isFinished } = failed
    // The end counts only together with the leases that were to be made; a mere renewal must not tell of it.
    const position = checkpoint && isFinished ? { ...checkpoint, isFinished: false } : checkpoint
    // What was noted meanwhile is newer.
    this.#pending.checkpoint ??= position
  }

  /** For the keeper: it is ours no more. */
  end(reason: unknown): void {
    if (this.#life.signal.aborted) return
    this.#life.abort(reason)
    for (const waiting of this.takePending().waiting) waiting.reject(reason)
  }

  #ask({ changes, releaseTo, isFinished = false }: AskedWrite): Promise<void> {
    if (this.#life.signal.aborted) return Promise.reject(this.#life.signal.reason)
    return new Promise((resolve, reject) => {
      const pending = this.#pending
      pending.isUrgent = true
      pending.releaseTo ??= releaseTo
      pending.isFinished ||= isFinished
      pending.changes.push(...changes)
      pending.waiting.push({ resolve, reject })
      this.#onUrgent()
    })
  }
}

export interface PendingWrite {
  checkpoint?: Checkpoint | undefined
  changes: LeaseChange[]
  waiting: { resolve: () => void; reject: (error: unknown) => void }[]
  isUrgent: boolean
  /** Who has it afterwards, when it is released. */
  releaseTo: string | undefined
  isFinished: boolean
  /** Records that the checkpoint covers and the last write did not. */
  recordCount: number
}

function newWrite(): PendingWrite {
  return { changes: [], waiting: [], isUrgent: false, releaseTo: undefined, isFinished: false, recordCount: 0 }
}

interface AskedWrite {
  changes: readonly LeaseChange[]
  releaseTo?: string
  isFinished?: boolean
}

export function leaseTaken(name: string, by: string | undefined): LeaseLostError {
  const who = by === undefined ? 'removed' : by === '' ? 'released by somebody else' : `taken by ${by}`
  return new LeaseLostError(`the lease of ${name} is lost: it was ${who}. Others go on from its last checkpoint.`)
}

export function leaseOverdue(name: string, failoverMs: number): LeaseLostError {
  return new LeaseLostError(
    `the lease of ${name} could not be renewed for ${failoverMs} ms, so others may have taken it. ` +
      'Is the lease database reachable and quick, and the event loop free?',
  )
}

export function leaseReleased(name: string): LeaseLostError {
  return new LeaseLostError(`the lease of ${name} was given back`)
}
