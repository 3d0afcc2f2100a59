/**
 * What a failed Kinesis call means for who made it:
 * - `throttled`: nothing happened; slow down and try again
 * - `transient`: the service or the network failed; try again. The request may have been carried out
 * - `expired-iterator`: get a new iterator where reading stood
 * - `not-found`: the stream or shard does not exist (or not yet)
 * - `refused`: the request itself is wrong; trying again changes nothing
 * - `denied`: credentials or permissions are wrong; trying again changes nothing until somebody acts
 */
export type RetryClass = 'throttled' | 'transient' | 'expired-iterator' | 'not-found' | 'refused' | 'denied'

/** A Kinesis call failed. Internal: the rooms above turn it into an outcome or into one of the errors in errors.ts. */
export class KinesisCallError extends Error {
  readonly retryClass: RetryClass
  /** Kinesis' name for it, such as `ProvisionedThroughputExceededException`, or Node's, such as `ECONNREFUSED`. */
  readonly errorCode: string
  /** False when the request surely never reached Kinesis or Kinesis surely refused it. */
  readonly mayHaveBeenWritten: boolean

  constructor(
    message: string,
    facts: { retryClass: RetryClass; errorCode: string; mayHaveBeenWritten: boolean },
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.name = 'KinesisCallError'
    this.retryClass = facts.retryClass
    this.errorCode = facts.errorCode
    this.mayHaveBeenWritten = facts.mayHaveBeenWritten
  }
}
