import { TritonError } from '../errors.ts'
import { type DurableRefusalReason, isPassing } from './durable-protocol.ts'

/** tritond did not take a record of `putDurable` into its spool, or did not say so in time. */
export class DurablePutError extends TritonError {
  readonly code = 'TRITON_DURABLE_PUT'
  override readonly retryable: boolean
  readonly reason: DurableFailure
  /** True when it was sent and no answer came, or the disk refused it just then: it may be in the spool all the same, or come there. */
  readonly mayHaveBeenKept: boolean

  constructor(message: string, reason: DurableFailure, mayHaveBeenKept: boolean, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
    this.mayHaveBeenKept = mayHaveBeenKept
    this.retryable = reason === 'no-answer' || reason === 'queue-full' || (reason !== 'unsendable' && isPassing(reason))
  }
}

/** The daemon's reasons, and ours: no answer in time, too many that wait, no way to send at all. */
export type DurableFailure = DurableRefusalReason | 'no-answer' | 'queue-full' | 'unsendable'
