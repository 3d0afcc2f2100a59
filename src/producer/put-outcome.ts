import { TritonError } from '../errors.ts'
import type { PutEntry } from '../kinesis/kinesis-api.ts'
import { type Failure, isRetryable } from './judge-answers.ts'
import type { PendingRecord } from './pending-record.ts'

/** Kinesis has the record. */
export interface PutResult {
  shardId: string
  sequenceNumber: string
  /** The record had to be sent again and stands behind one of its key that was put later. */
  reordered: boolean
}

/** What became of one record of `putMany`. Outcomes stand in the order of the records. */
export type PutOutcome = PutAccepted | PutFailed

export interface PutAccepted extends PutResult {
  ok: true
  /** Place among the records given to `putMany`. */
  index: number
}

export interface PutFailed {
  ok: false
  /** Place among the records given to `putMany`. */
  index: number
  /** The record as it was given: put it again, or keep it elsewhere. */
  record: PutEntry
  /** Kinesis' or Node's name for the last failure, or the code of `error` when nothing was sent. */
  code: string
  error: TritonError
  /** True when an attempt got no clear answer: the record may stand in the stream all the same. */
  mayHaveBeenWritten: boolean
}

/** A record was sent and could not be written, for good or for longer than the deadline allows. */
export class PutError extends TritonError {
  readonly code = 'TRITON_PUT_FAILED'
  override readonly retryable: boolean
  /** Kinesis' name for the last failure, such as `ProvisionedThroughputExceededException`, or Node's. */
  readonly awsCode: string
  /** True when an attempt got no clear answer: the record may stand in the stream all the same. */
  readonly mayHaveBeenWritten: boolean
  readonly attemptCount: number

  constructor(
    message: string,
    facts: { awsCode: string; retryable: boolean; mayHaveBeenWritten: boolean; attemptCount: number },
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.awsCode = facts.awsCode
    this.retryable = facts.retryable
    this.mayHaveBeenWritten = facts.mayHaveBeenWritten
    this.attemptCount = facts.attemptCount
  }
}

/** What the caller is told about a record that was given up. */
export function putErrorOf(record: PendingRecord, failure: Failure, stream: string, deadlineMs: number): PutError {
  const { attemptCount, mayHaveBeenWritten } = record
  const { errorCode: awsCode, errorMessage, cause } = failure
  const retryable = isRetryable(failure)
  const attempts = attemptCount === 1 ? '1 attempt' : `${attemptCount} attempts`
  const story = retryable ? `was given up after ${attempts} and at most ${deadlineMs} ms` : `was refused`
  const trace = errorMessage.includes(awsCode) ? errorMessage : `${awsCode}: ${errorMessage}`
  const doubt = mayHaveBeenWritten ? ' It may stand in the stream all the same.' : ''
  return new PutError(
    `A record for stream ${stream} ${story}. ${trace}${doubt}`,
    { awsCode, retryable, mayHaveBeenWritten, attemptCount },
    cause === undefined ? undefined : { cause },
  )
}
