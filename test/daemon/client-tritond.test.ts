import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadConfig } from '../../src/config.ts'
import { getNonblockingStream } from '../../src/daemon/nonblocking-stream.ts'
import { decodeMsgpack } from '../../src/record/msgpack-decode.ts'
import { streamName, TritondPlace } from '../support/tritond.ts'

describe('a non-blocking stream and its tritond', () => {
  test('bring records into Kinesis with their keys and every digit', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start()
    await using stream = getNonblockingStream(streamName, loadConfig(place.config), { port: portOf(daemon.endpoint) })
    for (let n = 0; n < 1000; n++) assert.equal(stream.put({ id: `k${n % 7}`, n, big: 2n ** 63n }), true)
    const records = await place.records(1000)
    const found = records.map(({ partitionKey, bytes }) => ({ partitionKey, data: decodeMsgpack(bytes) }))
    const expected = Array.from({ length: 1000 }, (_, n) => {
      return { partitionKey: `k${n % 7}`, data: { id: `k${n % 7}`, n, big: 2n ** 63n } }
    })
    const byNumber = (a: { data: unknown }, b: { data: unknown }) => numberIn(a.data) - numberIn(b.data)
    assert.deepEqual(found.sort(byNumber), expected)
    assert.deepEqual(stream.counts, { sent: 1000, waiting: 0, dropped: {} })
  })

  test('go on when the daemon was stopped and another one started at its port', async () => {
    await using place = await TritondPlace.open()
    const first = await place.start()
    const port = portOf(first.endpoint)
    await using stream = getNonblockingStream(streamName, loadConfig(place.config), { port })
    for (let n = 0; n < 100; n++) stream.put({ id: 'k', n })
    await place.until(() => place.sentCount() === 100)
    const stopped = first.stop()
    // Some of them reach the first one, some are on their way when it goes: those come again.
    for (let n = 100; n < 1100; n++) {
      stream.put({ id: 'k', n })
      if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await stopped
    await startAgain(place, port)
    await stream.close()
    await place.until(() => place.sentCount() >= 1100)
    const numbers = (await place.allRecords()).map(({ bytes }) => numberIn(decodeMsgpack(bytes)))
    assert.deepEqual(
      [...new Set(numbers)].sort((a, b) => a - b),
      Array.from({ length: 1100 }, (_, n) => n),
    )
  })
})

/** ZeroMQ frees the port of a socket a moment after it was closed. */
async function startAgain(place: TritondPlace, port: number): Promise<void> {
  for (;;)
    try {
      await place.start({ port })
      return
    } catch (error) {
      assert.match(String(error), /in use/)
    }
}

function numberIn(data: unknown): number {
  return (data as { n: number }).n
}

function portOf(endpoint: string): number {
  return Number(/[0-9]+$/.exec(endpoint)?.[0])
}
