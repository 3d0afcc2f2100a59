import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { encodeHeader } from '../../src/daemon/message-frames.ts'
import { realName, streamName, TritondPlace } from '../support/tritond.ts'

const golden = join(import.meta.dirname, '../golden')
const body = Buffer.from('81a16e01', 'hex')

describe('records that are pushed to the daemon', () => {
  test('stand in the stream, byte by byte, in their order and under their keys', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start()
    const push = place.push(daemon.endpoint)
    for (let n = 0; n < 1_200; n++) await push.send([encodeHeader(streamName, `k${n % 3}`), `record ${n}`])
    const records = await place.records(1_200)
    const numbers = records.map(({ bytes }) => Number(String(bytes).slice(7)))
    for (const key of [0, 1, 2]) {
      const ofKey = numbers.filter((_, at) => records[at]?.partitionKey === `k${key}`)
      assert.deepEqual(
        ofKey,
        Array.from({ length: 400 }, (_, n) => 3 * n + key),
      )
    }
  })

  test('a body that is no msgpack goes on as it is, and so does an empty one', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start()
    const push = place.push(daemon.endpoint)
    await push.send([encodeHeader(streamName, 'k'), Buffer.from('c1c1', 'hex')])
    await push.send([encodeHeader(streamName, 'k'), ''])
    const records = await place.records(2)
    assert.deepEqual(
      records.map(({ bytes }) => Buffer.from(bytes).toString('hex')),
      ['c1c1', ''],
    )
  })

  for (const client of ['py', 'go']) {
    test(`the frames of ${client}-triton's client arrive as that client meant them`, async () => {
      const sent = goldenFrames(client)
      const logicalNames = [...new Set(sent.map(({ header }) => header.stream_name))]
      const realNames = logicalNames.map((_, at) => `real_${at}`)
      await using place = await TritondPlace.open({ streams: realNames.map((name) => ({ name, shardCount: 1 })) })
      place.writeConfig(
        Object.fromEntries(logicalNames.flatMap((name, at) => (name ? [[name, realNames[at] ?? '']] : []))),
      )
      const daemon = await place.start()
      const push = place.push(daemon.endpoint)
      for (const { frames } of sent) await push.send(frames)

      for (const [at, name] of logicalNames.entries()) {
        const accepted = sent.filter(
          ({ header }) => name !== '' && header.stream_name === name && isKey(header.partition_key),
        )
        const records = await place.records(accepted.length, realNames[at], name)
        assert.deepEqual(
          records.map(({ partitionKey, bytes }) => `${partitionKey} ${digest(bytes)}`).sort(),
          accepted.map(({ header, frames }) => `${header.partition_key} ${digest(frames[1] ?? body)}`).sort(),
        )
      }
    })
  }
})

describe('messages that are no records', () => {
  const odd = JSON.parse(readFileSync(join(golden, 'tritond/py-tritond.odd-messages.json'), 'utf8')) as {
    case: string
    frames?: string[]
  }[]

  test('are counted by reason and survived, and the next record arrives', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start()
    const push = place.push(daemon.endpoint)
    for (const { frames } of odd) {
      if (frames === undefined) continue
      await push.send(frames.map((frame) => Buffer.from(frame, 'base64')))
    }
    await push.send([encodeHeader(streamName, 'last'), 'good'])
    // JSON with more fields, with a number as key, a body that is no msgpack, an empty body, and the good one.
    const records = await place.records(5)
    assert.deepEqual(records.map(({ partitionKey }) => partitionKey).sort(), ['5', 'k', 'k', 'k', 'last'])
    await daemon.stop()
    const counts = Object.fromEntries(
      place.news
        .flatMap((news) => (news.type === 'message-skipped' ? [news.reason] : []))
        .map((reason) => [reason, place.skippedCount(reason)]),
    )
    assert.deepEqual(counts, {
      'frame-count': 2,
      'unknown-header-form': 2,
      'broken-json': 1,
      'stream-name-missing': 1,
      'partition-key-missing': 1,
      'stream-name-not-text': 2,
      'empty-header': 1,
      'header-length': 2,
    })
  })

  test('of a hundred frames, for an unknown stream, with a bad key or too large are skipped with what they were', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start()
    const push = place.push(daemon.endpoint)
    await push.send(Array.from({ length: 100 }, () => body))
    await push.send([encodeHeader('nobody\u0000knows', 'k'), body])
    await push.send([encodeHeader(streamName, ''), body])
    await push.send([encodeHeader(streamName, 'x'.repeat(257)), body])
    await push.send([encodeHeader(streamName, 'k'), Buffer.alloc(10 * 1024 * 1024)])
    await push.send([encodeHeader(streamName, 'k'), body])
    await place.records(1)
    const told = place.news.flatMap((news) =>
      news.type === 'message-skipped' ? [`${news.reason}: ${news.detail}`] : [],
    )
    assert.deepEqual(told, [
      'frame-count: 100 frames, where a message has two: header and record',
      'unknown-stream: no stream "nobody\\u0000knows" among the 1 of triton.yaml',
      'partition-key-empty: a partition key of 0 characters',
      'partition-key-too-long: a partition key of 257 characters',
      'record-too-large: a record of 10485760 bytes; Kinesis takes 10 MiB at most',
    ])
  })

  test('a client that sends 64 MiB is cut off, and the others go on', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start()
    const rude = place.push(daemon.endpoint)
    const polite = place.push(daemon.endpoint)
    await rude.send([encodeHeader(streamName, 'k'), Buffer.alloc(64 * 1024 * 1024)])
    await polite.send([encodeHeader(streamName, 'k'), 'polite'])
    const [record] = await place.records(1)
    assert.equal(String(record?.bytes), 'polite')
    await place.skipped('frame-too-large')
  })

  test('and a client that speaks something else is cut off and told of', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start()
    await assert.rejects(fetch(daemon.endpoint.replace('tcp:', 'http:')))
    await place.skipped('not-zeromq')
    await place.push(daemon.endpoint).send([encodeHeader(streamName, 'k'), 'after'])
    assert.equal((await place.records(1)).length, 1)
  })

  test('a client that comes and goes a thousand times leaves nothing behind', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start()
    for (let n = 0; n < 1_000; n++) place.push(daemon.endpoint).close()
    await place.push(daemon.endpoint).send([encodeHeader(streamName, 'k'), 'after'])
    assert.equal((await place.records(1)).length, 1)
  })
})

describe('the end of a daemon', () => {
  test('comes when all that was received stands in the stream', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start({ flushMs: 60_000 })
    const push = place.push(daemon.endpoint)
    for (let n = 0; n < 700; n++) await push.send([encodeHeader(streamName, 'k'), `record ${n}`])
    await place.until(() => place.sentCount() >= 500)
    while (daemon.waitingCount < 200) await new Promise(setImmediate)
    assert.deepEqual(await daemon.stop(), { lostCount: 0 })
    assert.equal(place.sentCount(), 700)
  })

  test('after the drain time tells how many records are lost', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig({ [streamName]: realName }, [streamName])
    const daemon = await place.start()
    const push = place.push(daemon.endpoint)
    for (let n = 0; n < 10; n++) await push.send([encodeHeader(streamName, 'k'), 'lost'])
    await place.until(() => place.news.some(({ type }) => type === 'put-retry'))
    while (daemon.waitingCount < 10) await new Promise(setImmediate)
    assert.deepEqual(await daemon.stop(50), { lostCount: 10 })
  })

  test('comes at once when it is asked for a second time', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig({ [streamName]: realName }, [streamName])
    const daemon = await place.start()
    await place.push(daemon.endpoint).send([encodeHeader(streamName, 'k'), 'lost'])
    while (daemon.waitingCount < 1) await new Promise(setImmediate)
    const ends = await Promise.all([daemon.stop(), daemon.stop()])
    assert.deepEqual(ends, [{ lostCount: 1 }, { lostCount: 1 }])
  })
})

test('a port that is in use is an error that says so', async () => {
  await using place = await TritondPlace.open()
  const daemon = await place.start()
  const port = Number(daemon.endpoint.split(':').at(-1))
  await assert.rejects(place.start({ port }), { code: 'TRITON_STORAGE', message: /port is in use.*--port/ })
})

interface GoldenFrame {
  header: { stream_name: string; partition_key: string }
  frames: Buffer[]
}

function goldenFrames(client: string): GoldenFrame[] {
  const bytes = readFileSync(join(golden, `frames/${client}-client.frames.bin`))
  const lines = readFileSync(join(golden, `frames/${client}-client.expected.jsonl`), 'utf8')
    .trim()
    .split('\n')
  return lines.flatMap((line) => {
    const put = JSON.parse(line)
    if (put.not_sent !== undefined) return []
    const frames = [
      bytes.subarray(put.header_offset, put.header_offset + put.header_length),
      bytes.subarray(put.body_offset, put.body_offset + put.body_length),
    ]
    const { stream_name, partition_key: key } = put.header
    // A key that the old client cut inside a character is no text: what is left of that character becomes U+FFFD.
    const partition_key = typeof key === 'string' ? key : Buffer.from(key.$bytes, 'base64').toString()
    // A name that was cut so names no stream.
    return [{ header: { stream_name: typeof stream_name === 'string' ? stream_name : '', partition_key }, frames }]
  })
}

/** Of what is too long for a message about a failed test. */
function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function isKey(text: string): boolean {
  return text.length > 0 && [...text].length <= 256
}
