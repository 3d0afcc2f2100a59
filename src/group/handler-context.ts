import type { StreamRecord } from '../consumer/stream-record.ts'

/** What a handler knows beside its records. */
export interface HandlerContext<T = unknown> {
  readonly shardId: string
  /** How far behind the shard's tip these records' page ended, in milliseconds. */
  readonly millisBehindLatest: number
  /** 1 at first; more when the same records come again because the handler failed. */
  readonly attempt: number
  /**
   * Fires when these records must not be handled any further: the lease is lost (its reason is then a LeaseLostError), or
   * the time to hand the shard over has passed. Somebody else goes on from the last checkpoint.
   */
  readonly signal: AbortSignal
  /**
   * Keeps that everything up to this record of the batch is handled; without one, all of the batch. Resolves when it is
   * kept. Rejects with a LeaseLostError when the lease is lost, with the signal's reason once it has fired, and with a TritonCheckpointError when the record was not
   * given with this context, lies before what is kept already, or the database can't be written.
   */
  checkpoint(record?: Pick<StreamRecord<T>, 'sequenceNumber'>): Promise<void>
}
