import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { decideIntake, type IntakeFacts } from '../../src/daemon/decide-intake.ts'
import { judgeFailure } from '../../src/daemon/judge-failure.ts'
import { encodeHeader } from '../../src/daemon/message-frames.ts'
import { ClosedError, RecordError } from '../../src/errors.ts'
import { KinesisCallError, type RetryClass } from '../../src/kinesis/retry-class.ts'
import { PutError } from '../../src/producer/put-outcome.ts'
import { LeapingClock, realName, streamName, TritondPlace } from '../support/tritond.ts'

describe('the decision about a record that comes', () => {
  const mib = 1024 * 1024
  const facts: IntakeFacts = {
    bytes: mib,
    streamBytes: 0,
    streamAgeMs: 0,
    totalBytes: 0,
    pooledBytes: 0,
    streamCount: 4,
    limitBytes: 80 * mib,
  }
  const decide = (changes: Partial<IntakeFacts>) => decideIntake({ ...facts, ...changes })

  test('is to take it while there is room', () => {
    assert.equal(decide({}), 'take')
    assert.equal(decide({ totalBytes: 30 * mib, streamBytes: 30 * mib, pooledBytes: 20 * mib }), 'take')
  })

  test('is to take it into its own share although others have used up what is common', () => {
    assert.equal(decide({ totalBytes: 50 * mib, pooledBytes: 40 * mib, streamBytes: 9 * mib }), 'take')
  })

  test('is to drop it when its stream is stuck, and to wait a while when it is only busy', () => {
    const beyondShare = { totalBytes: 50 * mib, pooledBytes: 40 * mib, streamBytes: 10 * mib }
    assert.equal(decide({ ...beyondShare, streamAgeMs: 5_000 }), 'drop')
    assert.equal(decide({ ...beyondShare, streamAgeMs: 100 }), 'wait')
  })

  test('is to wait when all is full', () => {
    assert.equal(
      decide({ totalBytes: 80 * mib, pooledBytes: 40 * mib, streamBytes: 50 * mib, streamAgeMs: 9e5 }),
      'wait',
    )
  })

  test('is to take one that is larger than everything, when nothing else is there', () => {
    assert.equal(decide({ bytes: 100 * mib }), 'take')
  })
})

describe('the decision about a record that came back', () => {
  const patience = { recordTtlMs: 600_000, missingStreamMs: 60_000 }
  const failed = (retryClass: RetryClass, awsCode: string = retryClass) =>
    new PutError(
      'failed',
      { awsCode, retryable: false, mayHaveBeenWritten: false, attemptCount: 1 },
      { cause: new KinesisCallError('failed', { retryClass, errorCode: awsCode, mayHaveBeenWritten: false }) },
    )
  const judge = (error: PutError | RecordError | ClosedError, ageMs = 0, missingMs = 0) =>
    judgeFailure({ error, ageMs, missingMs }, patience)

  test('is to try again what somebody can make right, until it has had its time', () => {
    for (const error of [failed('denied'), failed('throttled'), failed('transient'), new ClosedError('called off')]) {
      assert.equal(judge(error), 'again')
      assert.equal(judge(error, 600_000), 'given-up')
    }
  })

  test('is to give a stream time to appear', () => {
    assert.equal(judge(failed('not-found'), 0, 59_999), 'again')
    assert.equal(judge(failed('not-found'), 0, 60_000), 'refused')
  })

  test('is never to try again what Kinesis will never take', () => {
    assert.equal(judge(new RecordError('too large')), 'refused')
    assert.equal(judge(failed('refused', 'ValidationException')), 'refused')
  })

  test('does not hold a wrong endpoint against the record', () => {
    assert.equal(judge(failed('refused', 'EndpointError')), 'again')
  })
})

describe('memory', () => {
  const body = Buffer.alloc(100_000)
  const streams = { [streamName]: realName, stuck: 'stuck_v2' }

  test('of a stuck stream ends at its share: its records are counted, those of others go on', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig(streams, ['stuck'])
    const clock = new LeapingClock()
    const daemon = await place.start({ memoryMaxBytes: 16 * 1024 * 1024, clock })
    const push = place.push(daemon.endpoint)
    for (let n = 0; n < 80; n++) await push.send([encodeHeader('stuck', `k${n}`), body])
    while (daemon.waitingCount < 80) await new Promise(setImmediate)
    clock.leap(6_000)
    for (let n = 0; n < 120; n++) await push.send([encodeHeader('stuck', `k${n}`), body])
    await push.send([encodeHeader(streamName, 'k'), 'goes on'])
    const [record] = await place.records(1)
    assert.equal(String(record?.bytes), 'goes on')
    const held = daemon.waitingCount
    // Of 16 MiB a quarter is for messages under way, and of the rest a quarter is the other stream's.
    assert.equal(held, Math.floor((9 * 1024 * 1024) / (body.length + 512 + 3)))
    assert.deepEqual(await daemon.stop(0), { lostCount: held })
    assert.equal(place.skippedCount('share-full'), 200 - held)
  })

  test('that is full stops the reading, and a Kinesis that comes back starts it again', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig({ [streamName]: realName }, [streamName])
    const daemon = await place.start({ memoryMaxBytes: 16 * 1024 * 1024 })
    const push = place.push(daemon.endpoint)
    const sent = (async () => {
      for (let n = 0; n < 300; n++) await push.send([encodeHeader(streamName, `k${n}`), body])
    })()
    await place.until(() => place.news.some(({ type }) => type === 'intake-paused'))
    assert.ok(daemon.waitingCount <= (12 * 1024 * 1024) / body.length)
    place.writeConfig()
    await sent
    await place.until(() => place.sentCount() === 300)
    assert.equal(place.news.filter(({ type }) => type === 'records-lost').length, 0)
  })

  test('lets go of a record that has had its time, and tells', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig({ [streamName]: realName }, [streamName])
    const daemon = await place.start({ recordTtlMs: 50 })
    await place.push(daemon.endpoint).send([encodeHeader(streamName, 'k'), body])
    await place.until(() => place.news.some(({ type }) => type === 'records-lost'))
    const lost = place.news.find(({ type }) => type === 'records-lost')
    assert.ok(lost?.type === 'records-lost')
    // On a busy machine the 50 ms can end before the refused connection is heard of: then it is a time-out.
    const { errorCode, mayHaveBeenWritten, ...told } = lost
    assert.deepEqual(told, { type: 'records-lost', stream: streamName, recordCount: 1, reason: 'given-up' })
    assert.ok(errorCode === 'ECONNREFUSED' || errorCode === 'ETIMEDOUT', errorCode)
    assert.equal(mayHaveBeenWritten, errorCode === 'ETIMEDOUT')
    assert.equal(daemon.waitingCount, 0)
  })
})

describe('the configuration of a running daemon', () => {
  test('is read again when it changes: new streams are known, old ones end what they have', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start()
    const push = place.push(daemon.endpoint)
    await push.send([encodeHeader(streamName, 'k'), 'by its old name'])
    await place.records(1)
    place.writeConfig({ renamed: realName })
    await place.until(() => configsRead(place) === 2)
    await push.send([encodeHeader(streamName, 'k'), 'nobody'])
    await push.send([encodeHeader('renamed', 'k'), 'by its new name'])
    await place.until(() => place.sentCount('renamed') === 1)
    assert.equal((await place.records(1)).length, 2)
    assert.equal(place.skippedCount('unknown-stream'), 1)
  })

  test('stays what it was when the new one is broken, or gone', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start()
    writeFileSync(place.config, 'user_activity: [broken')
    await place.until(() => failures(place).length === 1)
    rmSync(place.config)
    await place.until(() => failures(place).length === 2)
    assert.deepEqual(
      failures(place).map(({ isOldKept }) => isOldKept),
      [true, true],
    )
    await place.push(daemon.endpoint).send([encodeHeader(streamName, 'k'), 'still here'])
    assert.equal((await place.records(1)).length, 1)
  })

  function configsRead(place: TritondPlace): number {
    return place.news.filter(({ type }) => type === 'config-read').length
  }

  function failures(place: TritondPlace) {
    return place.news.flatMap((news) => (news.type === 'config-failed' ? [news] : []))
  }
})
