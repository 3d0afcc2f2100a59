import { NotFoundError, RefusedError } from '../errors.ts'
import { isTlsFailure, KinesisCallError, tlsAdvice } from '../kinesis/retry-class.ts'

/** Whether the same call can succeed later: readers wait for as long as it takes. */
export function isWorthRetrying(error: unknown): error is KinesisCallError {
  return error instanceof KinesisCallError && (error.retryClass === 'throttled' || error.retryClass === 'transient')
}

/** What a reader tells its caller when a call failed for good. */
export function toReadError(error: unknown, place: { stream: string; shardId?: string }): unknown {
  if (!(error instanceof KinesisCallError)) return error
  const where =
    place.shardId === undefined ? `stream "${place.stream}"` : `${place.shardId} of stream "${place.stream}"`
  const told = error.message.replace(/\.$/, '')
  switch (error.retryClass) {
    case 'not-found':
      return new NotFoundError(
        `${where} does not exist: ${told}. Check the name, the region and the endpoint; ` +
          '`triton stream list` shows the streams there are.',
        { cause: error },
      )
    case 'denied':
      if (isTlsFailure(error.errorCode)) {
        return new RefusedError(`${where} can't be read: ${told}. ${tlsAdvice}`, error.errorCode, { cause: error })
      }
      return new RefusedError(
        `reading ${where} was denied: ${told}. The credentials need kinesis:ListShards, ` +
          'kinesis:GetShardIterator and kinesis:GetRecords on it.',
        error.errorCode,
        { cause: error },
      )
    default:
      return new RefusedError(`reading ${where} was refused: ${told}`, error.errorCode, { cause: error })
  }
}
