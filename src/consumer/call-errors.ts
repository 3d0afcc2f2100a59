import { NotFoundError, RefusedError } from '../errors.ts'
import { KinesisCallError } from '../kinesis/retry-class.ts'

/** Whether the same call can succeed later: readers wait for as long as it takes. */
export function isWorthRetrying(error: unknown): error is KinesisCallError {
  return error instanceof KinesisCallError && (error.retryClass === 'throttled' || error.retryClass === 'transient')
}

/** What a reader tells its caller when a call failed for good. */
export function toReadError(error: unknown, place: { stream: string; shardId?: string }): unknown {
  if (!(error instanceof KinesisCallError)) return error
  const where =
    place.shardId === undefined ? `stream "${place.stream}"` : `${place.shardId} of stream "${place.stream}"`
  switch (error.retryClass) {
    case 'not-found':
      return new NotFoundError(
        `${where} does not exist: ${error.message}. Check the name, the region and the endpoint; ` +
          '`triton stream list` shows the streams there are.',
        { cause: error },
      )
    case 'denied':
      return new RefusedError(
        `reading ${where} was denied: ${error.message}. The credentials need kinesis:ListShards, ` +
          'kinesis:GetShardIterator and kinesis:GetRecords on it.',
        error.errorCode,
        { cause: error },
      )
    default:
      return new RefusedError(`reading ${where} was refused: ${error.message}`, error.errorCode, { cause: error })
  }
}
