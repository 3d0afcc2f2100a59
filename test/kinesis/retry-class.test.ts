import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classifyAnswer, classifyCode, classifyThrown } from '../../src/kinesis/retry-class.ts'

test('what Kinesis says decides what its caller may do', () => {
  const cases: [number, string, string, string, boolean][] = [
    [400, 'ProvisionedThroughputExceededException', 'Rate exceeded for shard', 'throttled', false],
    [400, 'KMSThrottlingException', '', 'throttled', false],
    [400, 'LimitExceededException', 'Rate exceeded for stream S under account A.', 'throttled', false],
    [400, 'LimitExceededException', 'This request would exceed the shard limit', 'refused', false],
    [400, 'ExpiredIteratorException', 'Iterator expired.', 'expired-iterator', false],
    [400, 'ResourceNotFoundException', '', 'not-found', false],
    [400, 'ResourceInUseException', '', 'refused', false],
    [400, 'ValidationException', '', 'refused', false],
    [400, 'SomethingNewException', '', 'refused', false],
    [400, 'AccessDeniedException', '', 'denied', false],
    [400, 'ExpiredTokenException', '', 'denied', false],
    [400, 'KMSAccessDeniedException', '', 'denied', false],
    [500, 'InternalFailure', '', 'transient', true],
    [503, 'ServiceUnavailable', '', 'transient', true],
    [500, 'SomethingNewException', '', 'transient', true],
  ]
  for (const [httpStatus, type, message, retryClass, mayHaveBeenWritten] of cases) {
    const facts = { retryClass, errorCode: type, mayHaveBeenWritten }
    assert.deepEqual(classifyAnswer({ httpStatus, type, message }), facts, `${type}: ${message}`)
  }
  assert.equal(classifyCode('InternalFailure', 'Internal Service Failure.'), 'transient')
  assert.equal(classifyCode('Unheard', ''), undefined)
})

test('a wrong clock is worth another attempt once the SDK has corrected it', () => {
  const answer = { httpStatus: 400, type: 'InvalidSignatureException', message: 'Signature expired' }
  assert.equal(classifyAnswer(answer).retryClass, 'denied')
  assert.deepEqual(classifyAnswer({ ...answer, isClockCorrected: true }), {
    retryClass: 'transient',
    errorCode: 'InvalidSignatureException',
    mayHaveBeenWritten: false,
  })
})

test('what Node and the SDK throw tells whether anything was sent', () => {
  const cases: [Error, string, string, boolean][] = [
    [failure('ECONNREFUSED', { syscall: 'connect' }), 'transient', 'ECONNREFUSED', false],
    [failure('ETIMEDOUT', { syscall: 'connect' }), 'transient', 'ETIMEDOUT', false],
    [failure('ENOTFOUND', { syscall: 'getaddrinfo' }), 'transient', 'ENOTFOUND', false],
    [failure('ECONNRESET', { syscall: 'read' }), 'transient', 'ECONNRESET', true],
    [failure('EPIPE', { syscall: 'write' }), 'transient', 'EPIPE', true],
    [
      failure('ECONNRESET', {
        message: 'Client network socket disconnected before secure TLS connection was established',
      }),
      'transient',
      'ECONNRESET',
      false,
    ],
    [failure('ETIMEDOUT', {}), 'transient', 'ETIMEDOUT', true],
    [failure('DEPTH_ZERO_SELF_SIGNED_CERT', {}), 'denied', 'DEPTH_ZERO_SELF_SIGNED_CERT', false],
    [failure('CERT_HAS_EXPIRED', {}), 'denied', 'CERT_HAS_EXPIRED', false],
    [failure('ERR_TLS_CERT_ALTNAME_INVALID', {}), 'denied', 'ERR_TLS_CERT_ALTNAME_INVALID', false],
    [failure(undefined, { name: 'CredentialsProviderError' }), 'denied', 'CredentialsProviderError', false],
    [
      failure(undefined, {
        name: 'TimeoutError',
        message: 'the socket did not establish a connection with the server',
      }),
      'transient',
      'ETIMEDOUT',
      false,
    ],
    [failure(undefined, { name: 'Surprise' }), 'transient', 'Surprise', true],
  ]
  for (const [error, retryClass, errorCode, mayHaveBeenWritten] of cases) {
    assert.deepEqual(classifyThrown(error), { retryClass, errorCode, mayHaveBeenWritten }, errorCode)
  }
})

function failure(code: string | undefined, rest: { name?: string; syscall?: string; message?: string }): Error {
  return Object.assign(new Error(rest.message ?? 'it failed'), code === undefined ? {} : { code }, rest)
}
