import {
  ClosedError,
  NotFoundError,
  RefusedError,
  StorageError,
  type TritonError,
  UnavailableError,
} from '../errors.ts'
import { classifyThrown } from '../kinesis/retry-class.ts'

/** Whether the same request may go well a little later. */
export function isPassing(error: unknown): boolean {
  const { name, status } = factsOf(error)
  if (passingCodes.has(name)) return true
  if (status !== undefined) return status >= 500 || status === 429 || status === 408
  // Our own bound on one try.
  if (name === 'AbortError' || name === 'TimeoutError') return true
  return classifyThrown(error).retryClass === 'transient'
}

/** What S3 said, as an error of ours that says what to do. */
export function storeErrorOf(error: unknown, what: string, address: string): TritonError {
  const { name, status, message } = factsOf(error)
  const tried = `can't ${what} in ${address}`
  if (name === 'NoSuchBucket') return new NotFoundError(`${tried}: there is no such bucket`, { cause: error })
  if (name === 'NoSuchKey' || (status === 404 && name === 'NotFound'))
    return new NotFoundError(`${tried}: there is no such object`, { cause: error })
  if (name === 'PreconditionFailed')
    return new StorageError(`${tried}: it was replaced while it was read`, { cause: error })
  if (name === 'PermanentRedirect' || status === 301)
    return new RefusedError(`${tried}: the bucket is in another region; say in which (--region, option region)`, name, {
      cause: error,
    })
  if (isPassing(error))
    return new UnavailableError(`${tried}: it was tried again until its time was over: ${name}: ${message}`, {
      cause: error,
    })
  if (status === 403 || status === 401 || classifyThrown(error).retryClass === 'denied')
    return new RefusedError(`${tried}: ${name}: ${message}. Are the AWS credentials and permissions right?`, name, {
      cause: error,
    })
  if (error instanceof ClosedError) return error
  return new RefusedError(`${tried}: ${name}: ${message}`, name, { cause: error })
}

function factsOf(error: unknown): { name: string; status: number | undefined; message: string } {
  if (!(error instanceof Error)) return { name: 'Error', status: undefined, message: String(error) }
  const { $metadata, Code } = error as { $metadata?: { httpStatusCode?: number }; Code?: string }
  const name = Code ?? error.name
  return { name, status: $metadata?.httpStatusCode, message: error.message.replace(/\s+/g, ' ').replace(/\.$/, '') }
}

/** "List of error codes" in the S3 API reference: those after which a retry is advised. */
const passingCodes = new Set([
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'ServiceUnavailable',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'BadDigest',
])
