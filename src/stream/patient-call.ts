import { type Clock, sleep, systemClock } from '../clock.ts'
import { ClosedError, NotFoundError, RefusedError, ThrottledError, UnavailableError } from '../errors.ts'
import { isTlsFailure, KinesisCallError, tlsAdvice } from '../kinesis/retry-class.ts'
import { type Random, systemRandom } from '../random.ts'

export interface PatientCallOptions {
  /** Whether the call may be made again although it may have been carried out. @default true */
  isRepeatable?: boolean
  /** How long to go on trying when Kinesis throttles or can't be reached, in milliseconds. @default 3_000 */
  patienceMs?: number
  /** @default systemClock */
  clock?: Clock
  /** @default systemRandom */
  random?: Random
  signal?: AbortSignal
}

/**
 * Makes one of the calls that neither the producer nor the reader makes, such as ListShards: a few tries, and what
 * failed for good as one of Triton's errors. `what` completes "can't": `list the shards of stream "orders"`.
 */
export async function patientCall<T>(
  what: string,
  call: (signal: AbortSignal | undefined) => Promise<T>,
  options: PatientCallOptions = {},
): Promise<T> {
  const { isRepeatable = true, patienceMs = 3_000, clock = systemClock, random = systemRandom, signal } = options
  const deadlineMs = clock.monotonic() + patienceMs
  for (let attempt = 1; ; attempt++) {
    if (signal?.aborted) throw new ClosedError(`can't ${what}: it was called off`)
    try {
      return await call(signal)
    } catch (error) {
      if (!(error instanceof KinesisCallError)) throw error
      const delayMs = Math.min(1_000, 50 * 2 ** attempt) * (0.5 + random.next() / 2)
      const isSafe = isRepeatable || !error.mayHaveBeenWritten
      if (!isPassing(error) || !isSafe || clock.monotonic() + delayMs > deadlineMs) throw failureOf(what, error)
      await sleep(clock, delayMs, signal)
    }
  }
}

function isPassing({ retryClass }: KinesisCallError): boolean {
  return retryClass === 'throttled' || retryClass === 'transient'
}

function failureOf(what: string, cause: KinesisCallError): Error {
  const told = `can't ${what}: ${cause.message.replace(/\.$/, '')}`
  switch (cause.retryClass) {
    case 'not-found':
      return new NotFoundError(
        `${told}. Are name, region and endpoint right? \`triton stream list\` shows what there is.`,
        {
          cause,
        },
      )
    case 'throttled':
      return new ThrottledError(`${told}. Try again later.`, { cause })
    case 'transient':
      return new UnavailableError(`${told}. ${transientAdvice(cause)}`, { cause })
    case 'denied':
      return new RefusedError(`${told}. ${deniedAdvice(cause)}`, cause.errorCode, { cause })
    default:
      return new RefusedError(told, cause.errorCode, { cause })
  }
}

function deniedAdvice({ errorCode }: KinesisCallError): string {
  return isTlsFailure(errorCode) ? tlsAdvice : 'Are the AWS credentials right, and do they permit it?'
}

function transientAdvice({ errorCode }: KinesisCallError): string {
  if (errorCode === 'InternalFailure')
    return 'Kinesis failed inside; of the local engine, the log and GET /_triton/health say why.'
  return 'Is Kinesis, or the engine at the endpoint, running and reachable?'
}
