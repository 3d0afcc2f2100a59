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
export interface PendingRecord {
  readonly entry: PutEntry
  readonly call: PutCall
  /** Its place in the call. */
  readonly index: number
  /** Data and key, as Kinesis counts them. */
  readonly sentBytes: number
  readonly admittedAtMs: number
  state: 'waiting' | 'sent' | 'settled'
  attemptCount: number
  /** When the first attempt began, from which on its deadline counts. */
  firstSentAtMs: number
  mayHaveBeenWritten: boolean
  /** A record of its key that was put later was accepted before it. */
  isOvertaken: boolean
  /** Its caller wants no further attempt. */
  isCalledOff: boolean
  lane: KeyLane | undefined
  /** The record behind it in its lane. */
  next: PendingRecord | undefined
}

/** One `put` or `putMany`: where records come from and outcomes go to. */
export interface PutCall {
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

export function pendingRecord(
  entry: PutEntry,
  call: PutCall,
  index: number,
  sentBytes: number,
  nowMs: number,
): PendingRecord {
  return {
    entry,
    call,
    index,
    sentBytes,
    admittedAtMs: nowMs,
    state: 'waiting',
    attemptCount: 0,
    firstSentAtMs: 0,
    mayHaveBeenWritten: false,
    isOvertaken: false,
    isCalledOff: false,
    lane: undefined,
    next: undefined,
  }
}

/** What a record takes beside its data and key, roughly. */
export const bookkeepingBytes = 128
