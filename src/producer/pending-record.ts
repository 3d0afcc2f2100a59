import type { TritonError } from '../errors.ts'
import type { PutAnswer, PutEntry } from '../kinesis/kinesis-api.ts'
import type { KeyLane } from './key-lanes.ts'

/**
 * A record between its `put` and its outcome.
 *
 *     waiting -> sent -> settled            accepted, or failed for good
 *                sent -> waiting            refused for now: it waits for its next attempt at the head of its lane
 *     waiting -> settled                    called off, or given up after its deadline
 */
export class PendingRecord {
  readonly entry: PutEntry
  readonly call: PutCall
  /** Its place in the call. */
  readonly index: number
  /** Data and key, as Kinesis counts them. */
  readonly sentBytes: number
  readonly admittedAtMs: number
  state: 'waiting' | 'sent' | 'settled' = 'waiting'
  attemptCount = 0
  /** When the first attempt began, from which on its deadline counts. */
  firstSentAtMs = 0
  mayHaveBeenWritten = false
  /** A record of its key that was put later was accepted before it. */
  isOvertaken = false
  /** Its caller wants no further attempt. */
  isCalledOff = false
  lane: KeyLane | undefined
  /** The record behind it in its lane. */
  next: PendingRecord | undefined

  // A class rather than a literal: V8 moves literals that lived long once to its old space from birth, and most don't.
  constructor(entry: PutEntry, call: PutCall, index: number, sentBytes: number, nowMs: number) {
    this.entry = entry
    this.call = call
    this.index = index
    this.sentBytes = sentBytes
    this.admittedAtMs = nowMs
  }
}

/** One `put` or `putMany`: where records come from and outcomes go to. */
export interface PutCall {
  /** When the call was made. */
  startedAtMs: number
  /** Its records come as they are asked for, and are best asked for when they can be sent. */
  readonly isDrawn: boolean
  /** The record to hand over next, the same one until it is taken; undefined when none is left. */
  peek(): PutEntry | undefined
  /** The record of the last `peek` was taken over; answers its place in the call. */
  take(): number
  accept(index: number, answer: AcceptedAnswer, isReordered: boolean): void
  fail(index: number, entry: PutEntry, failure: PutFailure): void
  /** Tells whoever waits, when no record is left and all have an outcome. */
  finishIfDone(): void
  /** Called once, when every record has its outcome. */
  onFinished: (() => void) | undefined
}

export type AcceptedAnswer = Extract<PutAnswer, { sequenceNumber: string }>

export interface PutFailure {
  code: string
  error: TritonError
  mayHaveBeenWritten: boolean
}

/** What a record takes beside its data and key, roughly. */
export const bookkeepingBytes = 128
