import { RecordError, type TritonError } from '../errors.ts'
import { classifyCode, KinesisCallError, type RetryClass } from '../kinesis/retry-class.ts'
import { PutError } from '../producer/put-outcome.ts'

/**
 * - `again`: the same record may be taken later, or when somebody has acted
 * - `given-up`: the same, but it has had its time
 * - `refused`: Kinesis will never take it
 */
export type Fate = 'again' | 'given-up' | 'refused'

export interface FailureFacts {
  error: TritonError
  /** How long ago the record came. */
  ageMs: number
  /** How long Kinesis has known no such stream. */
  missingMs: number
}

export interface Patience {
  /** How long a record is tried; Infinity where it is kept safe meanwhile. */
  recordTtlMs: number
  /** A stream that Kinesis doesn't know for so long is gone; before, it may just be on its way. */
  missingStreamMs: number
}

/** What to do with a record that the producer handed back. */
export function judgeFailure({ error, ageMs, missingMs }: FailureFacts, patience: Patience): Fate {
  if (error instanceof RecordError) return 'refused'
  const retryClass = retryClassOf(error)
  if (retryClass === 'refused') return 'refused'
  if (retryClass === 'not-found' && missingMs >= patience.missingStreamMs) return 'refused'
  return ageMs >= patience.recordTtlMs ? 'given-up' : 'again'
}

/** Whether Kinesis said that there is no such stream. */
export function isStreamMissing(error: TritonError): boolean {
  return retryClassOf(error) === 'not-found'
}

/** Undefined for what is no word of Kinesis': a call that was called off, or a bug. */
function retryClassOf(error: TritonError): RetryClass | undefined {
  if (!(error instanceof PutError)) return undefined
  const { cause, awsCode, message } = error
  if (cause instanceof KinesisCallError) {
    // The SDK refused an endpoint before anything was sent: that is the configuration's fault, not the record's.
    return isLocalCode(awsCode) ? 'denied' : cause.retryClass
  }
  if (cause !== undefined) return undefined
  return classifyCode(awsCode, message) ?? (error.retryable ? 'transient' : 'refused')
}

function isLocalCode(code: string): boolean {
  return code === 'EndpointError' || code.startsWith('ERR_')
}
