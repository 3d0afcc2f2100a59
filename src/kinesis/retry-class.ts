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

  constructor(message: string, facts: CallFailure, options?: ErrorOptions) {
    super(message, options)
    this.name = 'KinesisCallError'
    this.retryClass = facts.retryClass
    this.errorCode = facts.errorCode
    this.mayHaveBeenWritten = facts.mayHaveBeenWritten
  }
}

export interface CallFailure {
  retryClass: RetryClass
  errorCode: string
  mayHaveBeenWritten: boolean
}

/** An answer that says no: what Kinesis, or something in between, sent instead of a result. */
export interface ErrorAnswer {
  httpStatus: number
  /** `__type` of the body or `x-amzn-ErrorType`, without its namespace; absent when the answer is not Kinesis'. */
  type?: string
  message?: string
  /** The SDK found our clock wrong by the answer's date and signs with the right time from now on. */
  isClockCorrected?: boolean
}

/** What an answer with an error means. */
export function classifyAnswer(answer: ErrorAnswer): CallFailure {
  const { httpStatus, type } = answer
  if (type === undefined) return classifyStatus(httpStatus)
  if (answer.isClockCorrected && clockCodes.has(type)) {
    return { retryClass: 'transient', errorCode: type, mayHaveBeenWritten: false }
  }
  const retryClass = classifyCode(type, answer.message ?? '') ?? (httpStatus >= 500 ? 'transient' : 'refused')
  return { retryClass, errorCode: type, mayHaveBeenWritten: retryClass === 'transient' }
}

/** What an error code of Kinesis' means, of a whole call or of one record of a PutRecords answer. */
export function classifyCode(code: string, message: string): RetryClass | undefined {
  // The same type says "slow down" of control calls and "you may not have more" of shards; only the text differs.
  if (code === 'LimitExceededException') return message.startsWith('Rate exceeded') ? 'throttled' : 'refused'
  if (throttlingCodes.has(code)) return 'throttled'
  if (transientCodes.has(code)) return 'transient'
  if (code === 'ExpiredIteratorException') return 'expired-iterator'
  if (code === 'ResourceNotFoundException') return 'not-found'
  if (deniedCodes.has(code)) return 'denied'
  return undefined
}

/** What an error means that was thrown on the way to an answer: by Node's network code, or by the SDK before sending. */
export function classifyThrown(error: unknown): CallFailure {
  const { name, code, syscall, message } = factsOf(error)
  if (neverSentCodes.has(code) || syscall === 'connect' || syscall === 'getaddrinfo') {
    return { retryClass: 'transient', errorCode: code, mayHaveBeenWritten: false }
  }
  if (message.includes('before secure TLS connection was established')) {
    return { retryClass: 'transient', errorCode: code, mayHaveBeenWritten: false }
  }
  if (certificateCode.test(code)) return { retryClass: 'denied', errorCode: code, mayHaveBeenWritten: false }
  if (credentialErrors.has(name)) return { retryClass: 'denied', errorCode: name, mayHaveBeenWritten: false }
  if (name === 'TimeoutError' && message.includes('did not establish a connection')) {
    return { retryClass: 'transient', errorCode: 'ETIMEDOUT', mayHaveBeenWritten: false }
  }
  if (name === 'EndpointError' || code === 'ERR_INVALID_URL') {
    return { retryClass: 'refused', errorCode: code === '' ? name : code, mayHaveBeenWritten: false }
  }
  return { retryClass: 'transient', errorCode: code === '' ? name : code, mayHaveBeenWritten: true }
}

/** Whether a call was denied from our side: who answers there can't be trusted, or speaks no TLS. */
export function isTlsFailure(errorCode: string): boolean {
  return certificateCode.test(errorCode)
}

export const tlsAdvice =
  'Is the address right, does it speak TLS (https), and does this machine trust its certificate (NODE_EXTRA_CA_CERTS adds one)?'

/** An answer without any of Kinesis' words, from a proxy or a broken server, is known by its status alone. */
function classifyStatus(httpStatus: number): CallFailure {
  const errorCode = `HTTP ${httpStatus}`
  if (httpStatus === 429) return { retryClass: 'throttled', errorCode, mayHaveBeenWritten: false }
  if (httpStatus === 401 || httpStatus === 403 || httpStatus === 407) {
    return { retryClass: 'denied', errorCode, mayHaveBeenWritten: false }
  }
  if (httpStatus >= 400 && httpStatus < 500 && httpStatus !== 408) {
    return { retryClass: 'refused', errorCode, mayHaveBeenWritten: false }
  }
  return { retryClass: 'transient', errorCode, mayHaveBeenWritten: true }
}

function factsOf(error: unknown): { name: string; code: string; syscall: string; message: string } {
  if (!(error instanceof Error)) return { name: 'Error', code: '', syscall: '', message: String(error) }
  const { code, syscall } = error as NodeJS.ErrnoException
  // Node tries all addresses of a host; when all fail the same way, that way is the sum.
  return {
    name: error.name,
    code: typeof code === 'string' ? code : '',
    syscall: syscall ?? '',
    message: error.message,
  }
}

// Common errors of the Kinesis Data Streams API reference, and the names under which the SDKs retry.
const throttlingCodes = new Set([
  'ProvisionedThroughputExceededException',
  'KMSThrottlingException',
  'ThrottlingException',
  'Throttling',
  'ThrottledException',
  'RequestThrottled',
  'RequestThrottledException',
  'RequestLimitExceeded',
  'TooManyRequestsException',
  'SlowDown',
])
const transientCodes = new Set([
  'InternalFailure',
  'InternalFailureException',
  'InternalServerError',
  'InternalServiceError',
  'ServiceUnavailable',
  'ServiceUnavailableException',
  'RequestTimeout',
  'RequestTimeoutException',
])
const deniedCodes = new Set([
  'AccessDeniedException',
  'AccessDenied',
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'KMSAccessDeniedException',
  'KMSDisabledException',
  'KMSInvalidStateException',
  'KMSNotFoundException',
  'KMSOptInRequired',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'NotAuthorized',
  'OptInRequired',
  'RequestExpired',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
])
const clockCodes = new Set([
  'InvalidSignatureException',
  'RequestExpired',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
])
const neverSentCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
])
const credentialErrors = new Set(['CredentialsProviderError', 'TokenProviderError', 'ProviderError'])
/** Node's and OpenSSL's names for a certificate that can't be trusted, and for a peer that doesn't speak TLS. */
const certificateCode = /^(CERT_|DEPTH_ZERO|ERR_TLS_CERT|SELF_SIGNED|UNABLE_TO|EPROTO$|ERR_SSL_WRONG)/
