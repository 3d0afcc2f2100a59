import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dayOf } from '../../src/archive/archive-key.ts'
import { MovableClock } from '../../src/local/index.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { Replay } from '../../src/replay/replay.ts'
import type { ReplayRate } from '../../src/replay/replay-pace.ts'
import { ArchivePlace } from '../support/archive-place.ts'
import { ManualClock } from '../support/manual-clock.ts'

/** Eight records of the stream, a minute between each two, are archived; when does each come again? */
async function secondsOf(rate: ReplayRate): Promise<number[]> {
  const arrivals = new MovableClock()
  await using place = await ArchivePlace.open({ clock: arrivals, streams: [{ name: 'orders', shardCount: 1 }] })
  for (let n = 0; n < 8; n++) {
    await place.api.putRecords('orders', [{ data: encodeMsgpack({ n }), partitionKey: 'k' }])
    arrivals.advance(60_000)
  }
  await place.storeAll('orders')
  const clock = new ManualClock()
  const today = dayOf(Date.now())
  await using replay = new Replay<{ n: number }>({ api: place.api, stream: 'orders', format: 'msgpack' }, place.store, {
    start: dayOf(Date.now() - 86_400_000),
    end: today,
    rate,
    clock,
  })
  const seconds: number[] = []
  let isOver = false
  const reading = (async () => {
    for await (const { data } of replay) {
      assert.equal(data?.n, seconds.length)
      seconds.push(Math.floor(clock.monotonic() / 1_000))
    }
  })().finally(() => (isOver = true))
  reading.catch(() => undefined)
  // Nothing comes but by this clock, which moves only when somebody waits for it.
  while (!isOver) {
    if (clock.waiting > 0) await clock.advance(100)
    else await new Promise(setImmediate)
  }
  await reading
  return seconds
}

test('at sixty times the original pace what came a minute apart comes a second apart', async () => {
  assert.deepEqual(await secondsOf({ timesOriginal: 60 }), [0, 1, 2, 3, 4, 5, 6, 7])
})

test('at a rate of records it comes by that, whenever it came once', async () => {
  assert.deepEqual(await secondsOf({ recordsPerSecond: 0.1 }), [0, 10, 20, 30, 40, 50, 60, 70])
})
