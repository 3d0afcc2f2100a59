import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ClosedError, NotFoundError, RefusedError, ThrottledError, UnavailableError } from '../../src/errors.ts'
import { KinesisCallError, type RetryClass } from '../../src/kinesis/retry-class.ts'
import { patientCall } from '../../src/stream/patient-call.ts'
import { ManualClock, settle } from '../support/manual-clock.ts'

const random = { next: () => 1 }

function failure(retryClass: RetryClass, mayHaveBeenWritten = false, errorCode = 'Code') {
  return new KinesisCallError('it failed.', { retryClass, errorCode, mayHaveBeenWritten })
}

describe('a patient call', () => {
  test('is made again while Kinesis throttles or is out of reach', async () => {
    const clock = new ManualClock()
    let callCount = 0
    const answer = patientCall(
      'list the shards',
      async () => {
        if (++callCount < 3) throw failure(callCount === 1 ? 'throttled' : 'transient')
        return 'shards'
      },
      { clock, random },
    )
    await settle()
    assert.equal(callCount, 1)
    await clock.advance(100)
    assert.equal(callCount, 2)
    await clock.advance(200)
    assert.equal(await answer, 'shards')
  })

  const ends: [RetryClass, new (...args: never[]) => Error, RegExp][] = [
    ['throttled', ThrottledError, /can't list the shards: it failed\. Try again later/],
    ['transient', UnavailableError, /running and reachable\?/],
    ['not-found', NotFoundError, /`triton stream list` shows/],
    ['denied', RefusedError, /credentials right/],
    ['refused', RefusedError, /^can't list the shards: it failed$/],
  ]
  for (const [retryClass, ErrorClass, told] of ends) {
    test(`that stays ${retryClass} ends as ${ErrorClass.name}`, async () => {
      const clock = new ManualClock()
      const call = patientCall('list the shards', () => Promise.reject(failure(retryClass)), { clock, random })
      const outcome = assert.rejects(call, (error) => {
        assert.ok(error instanceof ErrorClass)
        assert.match(error.message, told)
        assert.ok(error.cause instanceof KinesisCallError)
        return true
      })
      await clock.advance(4_000)
      await outcome
    })
  }

  test('that failed inside of what answers is told as that', async () => {
    const clock = new ManualClock()
    const call = () => Promise.reject(failure('transient', true, 'InternalFailure'))
    await assert.rejects(patientCall('split a shard', call, { clock, random, isRepeatable: false }), {
      code: 'TRITON_UNAVAILABLE',
      message: /^can't split a shard: it failed\. Kinesis failed inside; .* GET \/_triton\/health say why\.$/,
    })
  })

  test('that may have been carried out is not repeated when that would do it twice', async () => {
    const clock = new ManualClock()
    let callCount = 0
    const call = () => {
      callCount++
      return Promise.reject(failure('transient', true))
    }
    await assert.rejects(patientCall('create', call, { clock, random, isRepeatable: false }), UnavailableError)
    assert.equal(callCount, 1)
  })

  test('can be called off', async () => {
    const calledOff = AbortSignal.abort()
    await assert.rejects(
      patientCall('list', () => Promise.resolve(1), { signal: calledOff }),
      ClosedError,
    )
  })
})
