import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { encodeHeader } from '../../src/daemon/message-frames.ts'
import type { Tritond } from '../../src/daemon/tritond.ts'
import { realName, streamName, TritondPlace } from '../support/tritond.ts'

/** A daemon that does not end must not keep the tests from ending. */
const timeout = 120_000

describe('a daemon that is asked to end', () => {
  test('ends in its time although a stream left the configuration, is stuck, and came back', { timeout }, async () => {
    await using place = await TritondPlace.open()
    const streams = { [streamName]: realName, away: 'away_v2' }
    place.writeConfig(streams, ['away'])
    const daemon = await place.start()
    const push = place.push(daemon.endpoint)
    await push.send([encodeHeader('away', 'k'), 'stuck'])
    await untilWaiting(daemon, 1)
    place.writeConfig()
    daemon.reloadConfig()
    place.writeConfig(streams, ['away'])
    daemon.reloadConfig()
    await push.send([encodeHeader('away', 'k'), 'taken all the same'])
    await untilWaiting(daemon, 2)
    assert.deepEqual(await daemon.stop(100), { lostCount: 2 })
  })

  test('does not wait for a Kinesis that never answers', { timeout }, async () => {
    await using place = await TritondPlace.open({ faults: [{ action: 'answer-lost', operation: 'PutRecords' }] })
    const daemon = await place.start()
    const push = place.push(daemon.endpoint)
    await push.send([encodeHeader(streamName, 'k'), 'never answered'])
    await place.until(() => place.news.some(({ type }) => type === 'engine-fault'))
    assert.deepEqual(await daemon.stop(0), { lostCount: 1 })
    const codes = place.news.flatMap((news) => (news.type === 'put-failed' ? news.errorCode : []))
    assert.deepEqual(codes, ['TRITON_CLOSED'])
  })

  test('gives a spool back once although its stream is just leaving', { timeout }, async () => {
    await using place = await TritondPlace.open({
      faults: [{ action: 'delay', operation: 'PutRecords', delayMs: 300 }],
    })
    const daemon = await place.start({ spoolDir: join(place.directory, 'spool') })
    const push = place.push(daemon.endpoint)
    await push.send([encodeHeader(streamName, 'k'), 'under way'])
    await place.until(() => place.news.some(({ type }) => type === 'engine-fault'))
    place.writeConfig({ other: realName })
    daemon.reloadConfig()
    assert.deepEqual(await daemon.stop(), { lostCount: 0 })
    assert.ok(!place.news.some(({ type }) => type === 'journal-write-failed'))
  })

  test('at once takes nothing more, however busy its clients are, and counts what it had', { timeout }, async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start()
    const push = place.push(daemon.endpoint)
    const pump = async () => {
      for (;;) await push.send([encodeHeader(streamName, 'k'), Buffer.alloc(1000)])
    }
    // It ends when the socket is closed.
    void pump().catch(() => undefined)
    await place.records(1)
    void daemon.stop()
    const { lostCount } = await daemon.stop()
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
    const stopped = place.news.find((news) => news.type === 'daemon-stopped')
    assert.deepEqual(stopped, { type: 'daemon-stopped', acceptedCount: place.sentCount() + lostCount, lostCount })
  })

  test('reads no configuration any more', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start({ spoolDir: join(place.directory, 'spool') })
    const stopped = daemon.stop()
    place.writeConfig({ other: realName })
    daemon.reloadConfig()
    assert.deepEqual(await stopped, { lostCount: 0 })
    assert.equal(place.news.filter(({ type }) => type === 'config-read').length, 1)
  })
})

describe('a daemon whose output takes no more', () => {
  test('says so, keeps what comes, and goes on when it can', { timeout }, async (t) => {
    await using place = await TritondPlace.open()
    const { pipe, outputDescriptor } = pipeWithoutReader(place, t)
    const daemon = await place.start({ outputDescriptor })
    const push = place.push(daemon.endpoint)
    await push.send([encodeHeader('s', 'k'), 'one'])
    await place.until(() => place.news.some(({ type }) => type === 'output-blocked'))
    const second = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
    t.after(() => closeSync(second))
    await place.until(() => place.news.some(({ type }) => type === 'output-unblocked'))
    assert.deepEqual(await daemon.stop(), { lostCount: 0 })
    const written = Buffer.alloc(100)
    assert.equal(written.toString('latin1', 0, readSync(second, written)), '\xa1sone')
  })

  test('does not wait at its end for the reader of a pipe that has gone', { timeout }, async (t) => {
    await using place = await TritondPlace.open()
    const { outputDescriptor } = pipeWithoutReader(place, t)
    const daemon = await place.start({ outputDescriptor })
    await place.push(daemon.endpoint).send([encodeHeader('s', 'k'), 'one'])
    await place.until(() => place.news.some(({ type }) => type === 'output-blocked'))
    assert.deepEqual(await daemon.stop(2 * timeout), { lostCount: 1 })
  })

  test('ends with the number of those that it took in vain', { timeout }, async (t) => {
    await using place = await TritondPlace.open()
    const outputDescriptor = openSync('/dev/full', 'w')
    t.after(() => closeSync(outputDescriptor))
    const daemon = await place.start({ outputDescriptor })
    const push = place.push(daemon.endpoint)
    await push.send([encodeHeader('s', 'k'), 'one'])
    await place.until(() => place.news.some(({ type }) => type === 'output-blocked'))
    await push.send([encodeHeader('s', 'k'), 'two'])
    await untilWaiting(daemon, 2)
    assert.deepEqual(await daemon.stop(0), { lostCount: 2 })
  })
})

async function untilWaiting(daemon: Tritond, count: number): Promise<void> {
  while (daemon.waitingCount < count) await new Promise(setImmediate)
}

/** A pipe that could be opened, and whose reader has gone. */
function pipeWithoutReader(place: TritondPlace, t: TestContext) {
  const pipe = join(place.directory, 'pipe')
  execFileSync('mkfifo', [pipe])
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  const outputDescriptor = openSync(pipe, constants.O_WRONLY)
  t.after(() => closeSync(outputDescriptor))
  closeSync(reader)
  return { pipe, outputDescriptor }
}
