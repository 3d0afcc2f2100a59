import { AnswerError, BodyError, type BodyOutput, describeBody } from './aws-body-protocol.ts'
import { classifyAnswer, classifyThrown, KinesisCallError } from './retry-class.ts'

/** Tells what was tried, what came of it, and what to do where somebody can do something. */
export function callErrorOf(error: unknown, what: string, endpoint: string): KinesisCallError {
  if (error instanceof AnswerError) return answered(error, what, endpoint)
  if (error instanceof BodyError) {
    const facts = { retryClass: 'transient', errorCode: error.code, mayHaveBeenWritten: true } as const
    return new KinesisCallError(
      `${what}: ${endpoint} broke off in the middle of its answer: ${error.message}.`,
      facts,
      {
        cause: error,
      },
    )
  }
  const facts = classifyThrown(error)
  const reason = reasonOf(error)
  if (facts.errorCode.endsWith('ProviderError')) {
    const message = `${what}: no AWS credentials were found (${reason}). Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or a role; only an endpoint on this machine works without.`
    return new KinesisCallError(message, facts, { cause: error })
  }
  const target = endpoint === '' ? 'Kinesis' : endpoint
  const message = facts.mayHaveBeenWritten
    ? `${what}: ${target} gave no answer: ${reason}.`
    : `${what}: ${target} could not be reached: ${reason}.`
  return new KinesisCallError(message, facts, { cause: error })
}

/** An answer with a good status that is none of Kinesis'. It may have been carried out all the same. */
export function garbageError(what: string, output?: BodyOutput, cause?: Error): KinesisCallError {
  const facts = { retryClass: 'transient', errorCode: 'UnreadableAnswer', mayHaveBeenWritten: true } as const
  if (output === undefined) return new KinesisCallError(what, facts)
  const { body, contentType } = output
  const came = body.length === 0 ? 'nothing came' : `${body.length} bytes of ${contentType || 'no content type'} came`
  const begins = body.length === 0 ? '' : `, beginning "${describeBody(body)}"`
  return new KinesisCallError(`${what}: ${came}${begins} (${cause?.message}).`, facts, { cause })
}

function answered(error: AnswerError, what: string, endpoint: string): KinesisCallError {
  const { httpStatusCode, requestId, clockSkewCorrected } = error.$metadata
  const { type, message } = error.answer
  const facts = classifyAnswer({ ...error.answer, isClockCorrected: clockSkewCorrected === true })
  const trace = requestId === undefined ? `HTTP ${httpStatusCode}` : `HTTP ${httpStatusCode}, request ${requestId}`
  if (type !== undefined) {
    return new KinesisCallError(`${what}: ${type}: ${message ?? 'no reason was given.'} (${trace})`, facts)
  }
  const came = message === undefined ? 'and nothing else' : `and "${message}"`
  return new KinesisCallError(`${what}: ${endpoint} answered HTTP ${httpStatusCode} ${came}.`, facts)
}

/** When each address of a host failed, Node's sum of it has no message of its own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map(reasonOf))].join(', ')
  }
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(openSslTrace, '$1').replace(/\s+/g, ' ').trim().replace(/\.$/, '')
}

/** Of `800C:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/.../ssl3_record.c:350:` the words. */
const openSslTrace = /[0-9A-F]+:error:[0-9A-F]+:SSL routines:[^:]*:([^:]+):.*/s
