import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dayOf } from '../../src/archive/archive-key.ts'
import { Replay, type Replayed } from '../../src/replay/replay.ts'
import { ArchivePlace } from '../support/archive-place.ts'
import { mergeShards, NumberedLoad, openShards, splitShard, untilActive } from '../support/reshard-load.ts'

const pace = { untilCaughtUp: true, idlePollMs: 5, callsPerSecond: 1_000 }
function replayOf(place: ArchivePlace, stream: string, options: object = {}): Replay<string> {
  return new Replay({ api: place.api, stream, format: 'text' }, place.store, {
    start: dayOf(Date.now() - 86_400_000),
    ...options,
  })
}

test('replay, then live, over a split and a merge: every record once, and in the order of its key', async () => {
  await using place = await ArchivePlace.open()
  const stream = 'orders'
  await place.api.createStream(stream, 2)
  await untilActive(place.api, stream)
  const load = new NumberedLoad(place.api, stream)
  await load.putRounds(10)
  await place.storeAll(stream, { format: 'text' })
  await splitShard(place.api, stream, (await openShards(place.api, stream))[0])
  await load.putRounds(10)
  await place.storeAll(stream, { format: 'text' })
  await load.putRounds(10)
  const open = await openShards(place.api, stream)
  await mergeShards(place.api, stream, open[1], open[2])
  await load.putRounds(10)

  const lines: string[] = []
  let pastCount = 0
  await using replay = replayOf(place, stream, { thenLive: true, live: pace })
  for await (const record of replay) {
    assert.equal(record.error, undefined)
    lines.push(record.data ?? '')
    // Shard, number, key and arrival are there on both sides.
    assert.ok(record.shardId && record.sequenceNumber && record.partitionKey && record.arrivedAt)
    if (record.archive) pastCount += 1
    else if (lines.length === pastCount + 1) {
      // Stored while the replay is live already: it must not come again.
      await place.storeAll(stream, { format: 'text' })
    }
  }
  assert.equal(pastCount, 20 * load.keyCount)
  assert.deepEqual(load.faultsIn(lines), [])
})

test('what is stored while the past is read is read as past, too', async () => {
  await using place = await ArchivePlace.open()
  const stream = 'orders'
  await place.api.createStream(stream, 2)
  await untilActive(place.api, stream)
  const load = new NumberedLoad(place.api, stream)
  await load.putRounds(3)
  await place.storeAll(stream, { format: 'text' })
  await load.putRounds(3)
  const lines: string[] = []
  await using replay = replayOf(place, stream, { thenLive: true, live: pace })
  for await (const { data, archive } of replay) {
    if (lines.length === 0) await place.storeAll(stream, { format: 'text' })
    assert.ok(archive)
    lines.push(data ?? '')
  }
  assert.deepEqual(load.faultsIn(lines), [])
})

test('a replay goes on behind its checkpoint, in the past and live', async () => {
  await using place = await ArchivePlace.open()
  const stream = 'orders'
  await place.api.createStream(stream, 2)
  await untilActive(place.api, stream)
  const load = new NumberedLoad(place.api, stream)
  await load.putRounds(10)
  await place.storeAll(stream, { format: 'text' })
  await splitShard(place.api, stream, (await openShards(place.api, stream))[0])
  await load.putRounds(10)
  const checkpoint = { store: place.checkpoints, client: 'again' }
  const lines: string[] = []
  for (let run = 0; lines.length < load.recordCount; run++) {
    assert.ok(run < 100, `${lines.length} of ${load.recordCount} came`)
    let count = 0
    const replay = replayOf(place, stream, { thenLive: true, live: pace, checkpoint })
    for await (const record of replay as AsyncIterable<Replayed<string>>) {
      lines.push(record.data ?? '')
      if (++count < 23) continue
      await replay.checkpoint()
      break
    }
    if (count < 23) await replay.checkpoint()
  }
  assert.deepEqual(load.faultsIn(lines, true), [])
})
