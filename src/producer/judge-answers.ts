import { TritonError } from '../errors.ts'
import type { PutAnswer } from '../kinesis/kinesis-api.ts'
import { classifyCode, KinesisCallError, type RetryClass } from '../kinesis/retry-class.ts'
import type { AcceptedAnswer, PendingRecord } from './pending-record.ts'

/** What one attempt came to for one record. */
export type Verdict = AcceptedAnswer | Failure

export interface Failure {
  errorCode: string
  errorMessage: string
  errorClass: RetryClass
  mayHaveBeenWritten: boolean
  cause?: unknown
}

export function isAccepted(verdict: Verdict): verdict is AcceptedAnswer {
  return verdict.errorCode === undefined
}

/** Whether another attempt can succeed without anybody acting. */
export function isRetryable(failure: Failure): boolean {
  return failure.errorClass === 'throttled' || failure.errorClass === 'transient'
}

/** Verdicts over an answered request: Kinesis says of each record whether it has it. */
export function judgeAnswers(answers: readonly PutAnswer[]): readonly Verdict[] {
  // Nearly always there is nothing to judge.
  if (answers.every(isAcceptedAnswer)) return answers
  return answers.map((answer) => {
    if (answer.errorCode === undefined) return answer
    const errorClass = classifyCode(answer.errorCode, answer.errorMessage) ?? 'refused'
    // A record that met an internal failure may have been stored before the failure.
    return { ...answer, errorClass, mayHaveBeenWritten: errorClass === 'transient' }
  })
}

function isAcceptedAnswer(answer: PutAnswer): answer is AcceptedAnswer {
  return answer.errorCode === undefined
}

/** One verdict for all records of a request that failed as a whole. */
export function judgeCallError(error: unknown): Failure {
  if (error instanceof KinesisCallError) {
    const { errorCode, retryClass, mayHaveBeenWritten, message } = error
    return { errorCode, errorMessage: message, errorClass: retryClass, mayHaveBeenWritten, cause: error }
  }
  // Not a failure of Kinesis': the connection was closed under us, or there is a bug. Trying again won't help.
  const { name, message } = error instanceof Error ? error : new Error(String(error))
  const errorCode = error instanceof TritonError ? error.code : name
  return { errorCode, errorMessage: message, errorClass: 'denied', mayHaveBeenWritten: true, cause: error }
}

/**
 * Marks failed records that a later one of their key has overtaken: it was accepted in the same request. Should the
 * failed one be accepted yet, it will stand behind it.
 */
export function markOvertaken(batch: readonly PendingRecord[], verdicts: readonly Verdict[]): void {
  const acceptedKeys = new Set<string>()
  for (let index = batch.length - 1; index >= 0; index--) {
    const record = batch[index] as PendingRecord
    const key = record.entry.partitionKey
    if (isAccepted(verdicts[index] as Verdict)) acceptedKeys.add(key)
    else if (acceptedKeys.has(key)) record.isOvertaken = true
  }
}
