import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dayOf, sideKeyOf } from '../../src/archive/archive-key.ts'
import { iterate } from '../../src/consumer/iterate.ts'
import { NotFoundError } from '../../src/errors.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { recordCodec } from '../../src/record/record-codec.ts'
import { Replay, type Replayed, type ReplayOptions } from '../../src/replay/replay.ts'
import { ArchivePlace } from '../support/archive-place.ts'
import { untilActive } from '../support/reshard-load.ts'

const stream = 'orders'

/** What a stream got: every third record is text, an array, or nothing at all like msgpack. */
function dataOf(n: number): Uint8Array {
  if (n % 3 !== 0) return encodeMsgpack({ n })
  return [Buffer.from(`text ${n}`), Buffer.of(0x92, 0x01, 0xcd, n >> 8, n & 0xff), Buffer.of(0xc1, n >> 8, n & 0xff)][
    (n / 3) % 3
  ] as Buffer
}

async function put(place: ArchivePlace, from: number, to: number, data = dataOf): Promise<void> {
  const entries = Array.from({ length: to - from }, (_, i) => ({ data: data(from + i), partitionKey: `key-${i % 7}` }))
  const answers = await place.api.putRecords(stream, entries)
  assert.ok(answers.every(({ errorCode }) => errorCode === undefined))
}

/** Four archives: one of both kinds, one of records that do not decode only, one of others only, one of both. */
async function fill(place: ArchivePlace): Promise<void> {
  await place.api.createStream(stream, 2)
  await untilActive(place.api, stream)
  for (let round = 0; round < 4; round++) await put(place, 90 * round, 90 * round + 90)
  await place.storeAll(stream)
  await put(place, 360, 390, (n) => Buffer.from(`only text ${n}`))
  await place.storeAll(stream)
  await put(place, 390, 420, (n) => encodeMsgpack({ n }))
  await place.storeAll(stream)
  await put(place, 420, 450)
  await place.storeAll(stream)
}

const replayOf = (place: ArchivePlace, options: Partial<ReplayOptions> = {}) =>
  new Replay<unknown>({ api: place.api, stream, format: 'msgpack' }, place.store, {
    start: dayOf(Date.now() - 86_400_000),
    end: dayOf(Date.now()),
    ...options,
  })

/** All that tells two records apart, as lines by shard. */
function byShard(records: readonly Replayed<unknown>[]): Map<string, string[]> {
  const lines = new Map<string, string[]>()
  for (const { shardId = '', sequenceNumber, partitionKey, arrivedAt, bytes, data, error } of records)
    lines.set(shardId, [
      ...(lines.get(shardId) ?? []),
      JSON.stringify({
        ...{ sequenceNumber, partitionKey, arrivedAt, data, error: error?.message },
        bytes: Buffer.from(bytes).toString('hex'),
      }),
    ])
  return lines
}

/** As a reader of the stream gets them. */
async function live(place: ArchivePlace): Promise<Map<string, string[]>> {
  const records: Replayed<unknown>[] = []
  await using reader = iterate<unknown>(
    { api: place.api, stream, decode: recordCodec('msgpack').decode },
    { from: 'oldest' },
    { untilCaughtUp: true, idlePollMs: 5, callsPerSecond: 1_000 },
  )
  for await (const record of reader) records.push(record)
  return byShard(records)
}

test('what is no msgpack map comes again as it came live: its bytes, its error, its place in the order', async () => {
  await using place = await ArchivePlace.open()
  await fill(place)
  const records: Replayed<unknown>[] = []
  for await (const record of replayOf(place)) records.push({ ...record, bytes: Buffer.from(record.bytes) })
  assert.equal(records.length, 450)
  assert.deepEqual(byShard(records), await live(place))
  assert.ok(records.every(({ archive }) => archive !== undefined))
})

test('a replay goes on behind its checkpoint among such records', async () => {
  await using place = await ArchivePlace.open()
  await fill(place)
  const checkpoint = { store: place.checkpoints, client: 'again' }
  const records: Replayed<unknown>[] = []
  for (let run = 0; records.length < 450; run++) {
    assert.ok(run < 20, `${records.length} of 450 came`)
    let count = 0
    const replay = replayOf(place, { checkpoint })
    for await (const record of replay) {
      records.push({ ...record, bytes: Buffer.from(record.bytes) })
      if (++count === 37) break
    }
    await replay.checkpoint()
  }
  assert.deepEqual(byShard(records), await live(place))
})

test('they are left out and counted where that is asked for, and missed when they are gone', async () => {
  await using place = await ArchivePlace.open()
  await fill(place)
  await using replay = replayOf(place, { undecodable: 'skip' })
  let count = 0
  for await (const { error } of replay) {
    assert.equal(error, undefined)
    count += 1
  }
  assert.equal(count + replay.leftOutCount, 450)
  assert.equal(replay.leftOutCount, 160)

  const [first] = await place.footers(stream)
  await place.store.remove(sideKeyOf(first?.key.key ?? ''))
  await assert.rejects(
    async () => {
      for await (const _ of replayOf(place));
    },
    (error) =>
      error instanceof NotFoundError && /120 records .* no such object: restore it, or leave/.test(error.message),
  )
})
