import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { StorageError } from '../../src/errors.ts'
import { RecentBytes } from '../../src/journal/recent-bytes.ts'
import { type JournalStreamLogOptions, openJournalStreamLog } from '../../src/local/journal-stream-log.ts'
import { createMemoryStreamLog } from '../../src/local/memory-stream-log.ts'
import type { AppendBlock, StreamLog } from '../../src/local/stream-log.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { blockOf, everything, readAll, recordsOf } from '../contracts/stream-log.contract.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { runs, seed } from '../support/soak.ts'
import { SimulatedDisk } from './simulated-disk.ts'

function openOn(disk: SimulatedDisk, options: Partial<JournalStreamLogOptions> = {}): Promise<StreamLog> {
  return openJournalStreamLog({ dir: '/log', disk, clock: new ManualClock(), segmentBytes: 2_000, ...options })
}

/** Shards 0..3 get three records in turn, one block per append; block n arrives at 1,000 + n. */
async function written(disk: SimulatedDisk, blockCount: number): Promise<void> {
  const log = await openOn(disk)
  for (let block = 0; block < blockCount; block++)
    await log.append([blockOf(block % 4, block * 3 + 1, 3, 1_000 + block)])
  await log.close()
}

test('sequence indexes of shards whose records were all trimmed are known for ever', async () => {
  const disk = new SimulatedDisk()
  let log = await openOn(disk)
  await log.append([blockOf(9, 500, 1, 1_000)])
  for (let block = 0; block < 100; block++) await log.append([blockOf(0, block * 3 + 1, 3, 2_000 + block)])
  const quiet = { lastSeqIx: 500, lastSeqTimeSeconds: 1, lastArrivalMs: 1_000 }
  for (let round = 0; round < 5; round++) {
    await log.trim(2_050 + round * 10)
    await log.close()
    log = await openOn(disk)
    assert.deepEqual(log.tails().get(9), quiet, `after trim and restart ${round}`)
    assert.equal(log.tails().get(0)?.lastSeqIx, 300)
    assert.deepEqual(await readAll(log, { shardIndex: 9 }), [])
  }
  await log.trim(9_000)
  await log.close()
  log = await openOn(disk.afterPowerLoss())
  assert.deepEqual(log.tails().get(9), quiet)
  assert.deepEqual(log.tails().get(0), { lastSeqIx: 300, lastSeqTimeSeconds: 2, lastArrivalMs: 2_099 })
  assert.deepEqual(await readAll(log, { shardIndex: 0 }), [])
  await log.close()
})

test('trimming what is trimmed already changes nothing on disk', async () => {
  const disk = new SimulatedDisk()
  await written(disk, 50)
  const log = await openOn(disk)
  assert.ok((await log.trim(9_000)) > 0)
  const before = disk.paths
  const writes = disk.writeCount
  for (let again = 0; again < 3; again++) assert.equal(await log.trim(9_000), 0)
  assert.deepEqual(disk.paths, before)
  assert.equal(disk.writeCount, writes)
  await log.close()
})

test('a full disk can be trimmed, and then takes records again', async () => {
  const disk = new SimulatedDisk()
  await written(disk, 100)
  const log = await openOn(disk)
  await log.append([blockOf(7, 1, 1, 1_099)])
  disk.capacityBytes = disk.usedBytes
  await assert.rejects(log.append([blockOf(0, 1_000, 3, 3_000)]), StorageError)
  assert.ok((await log.trim(1_080)) > 0, 'what needs no mark goes, although no mark can be written')
  await log.append([blockOf(0, 1_000, 3, 3_000)])
  assert.equal((await readAll(log, { shardIndex: 0, notBeforeMs: 3_000 })).length, 3)
  assert.equal(log.tails().get(7)?.lastSeqIx, 1)
  await log.close()
})

test('a segment in which only some records are old stays whole', async () => {
  const disk = new SimulatedDisk()
  await written(disk, 100)
  const log = await openOn(disk)
  const all = await readAll(log, { shardIndex: 0 })
  await log.trim(1_050)
  const left = await readAll(log, { shardIndex: 0 })
  assert.ok(left.length < all.length)
  assert.deepEqual(left, all.slice(-left.length))
  assert.ok(
    left.filter((record) => record.arrivalMs >= 1_050).length ===
      all.filter((record) => record.arrivalMs >= 1_050).length,
  )
  await log.close()
})

test('readers go on while segments are trimmed under them', async () => {
  const disk = new SimulatedDisk()
  await written(disk, 400)
  const log = await openOn(disk, { recent: new RecentBytes(0) })
  const reading = readAll(log, { shardIndex: 2, maxRecords: 5 })
  await log.trim(1_300)
  const found = await reading
  const young = found.filter((record) => record.arrivalMs >= 1_300)
  assert.equal(young.length, 75)
  await log.close()
})

test('a damaged block costs its own records only: the page goes on behind it, other shards lose nothing', async () => {
  const random = seededRandom(seed())
  for (let run = 0; run < runs(2_000); run++) {
    const disk = new SimulatedDisk()
    await written(disk, 60)
    const path = disk.paths[randomInteger(random, disk.paths.length)] ?? ''
    const bytes = disk.bytesOf(path)
    const offset = randomInteger(random, bytes.length)
    bytes[offset] = (bytes[offset] ?? 0) ^ (1 << randomInteger(random, 8))
    const told: Diagnostic[] = []
    const stop = observe((news) => told.push(news))
    const log = await openOn(disk, { recent: new RecentBytes(0) })
    let lost = 0
    for (const shardIndex of [0, 1, 2, 3]) lost += 45 - (await readAll(log, { shardIndex, maxRecords: 4 })).length
    await log.close()
    stop()
    assert.ok(lost === 0 || lost === 3, `${lost} records lost by the bit at ${offset} of ${path}`)
    if (lost > 0)
      assert.deepEqual(
        told.map((news) => news.type),
        ['journal-damaged'],
      )
  }
})

test('damage at the very end of a shard does not keep its readers waiting for it', async () => {
  const disk = new SimulatedDisk()
  const log = await openOn(disk, { recent: new RecentBytes(0) })
  await log.append([blockOf(0, 1, 3, 1_000)])
  await log.append([blockOf(0, 4, 3, 1_000)])
  const [path = ''] = disk.paths
  const bytes = disk.bytesOf(path)
  bytes[bytes.length - 1] = 0xff
  const page = await log.read({ ...everything, shardIndex: 0 })
  assert.equal(page.recordCount, 3)
  assert.ok(page.reachesTip)
  await log.append([blockOf(0, 7, 3, 1_000)])
  const next = await log.read({ ...everything, shardIndex: 0, fromSeqIx: page.nextSeqIx })
  assert.deepEqual(
    recordsOf(next, 0).map((record) => record.seqIx),
    [7, 8, 9],
  )
  await log.close()
})

test('the sparse index finds every record and every moment, of busy shards and of rare ones, sealed or not', async () => {
  const disk = new SimulatedDisk()
  const log = await openOn(disk, { segmentBytes: 400_000, recent: new RecentBytes(0) })
  const rare: number[] = []
  const arrivalOf = (block: number) => 1_000 + Math.floor(block / 30)
  for (let block = 0; block < 2_000; block++) {
    const blocks = [blockOf(0, block * 20 + 1, 20, arrivalOf(block))]
    if (block % 37 === 0) {
      rare.push(block + 1)
      blocks.push(blockOf(5, block + 1, 1, arrivalOf(block)))
    }
    await log.append(blocks)
  }
  assert.ok(disk.paths.length >= 3)
  for (const from of [0, 1, 500, 501, 1_999, 2_000]) {
    const found = await readAll(log, { shardIndex: 5, fromSeqIx: from })
    const expected = rare.filter((seqIx) => seqIx >= from)
    assert.deepEqual(
      found.map((record) => record.seqIx),
      expected,
    )
  }
  for (let from = 1; from < 40_000; from += 13) {
    const page = await log.read({ ...everything, shardIndex: 0, fromSeqIx: from, maxRecords: 1 })
    assert.deepEqual(recordsOf(page, 0), [
      { seqIx: from, arrivalMs: arrivalOf(Math.floor((from - 1) / 20)), seqTimeSeconds: 1 },
    ])
  }
  for (let each = 0; each < Math.ceil(2_000 / 30); each++) {
    assert.equal(await log.seqIxAt(0, 1_000 + each), each * 600 + 1)
    assert.equal(
      await log.seqIxAt(5, 1_000 + each),
      rare.find((seqIx) => arrivalOf(seqIx - 1) >= 1_000 + each),
    )
  }
  await log.close()
})

test('always: footers know also the records that were still waiting for their sync when the segment was full', async () => {
  const disk = new SimulatedDisk()
  const log = await openOn(disk, { sync: 'always', segmentBytes: 600 })
  const appends: Promise<void>[] = []
  for (let block = 0; block < 60; block++) {
    appends.push(log.append([blockOf(block % 3, block * 3 + 1, 3, 1_000 + block)]))
    if (block % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(appends)
  const before = await Promise.all([0, 1, 2].map((shardIndex) => readAll(log, { shardIndex })))
  assert.deepEqual(
    before.map((records) => records.length),
    [60, 60, 60],
  )
  await log.close()
  const again = await openOn(disk)
  assert.deepEqual(await Promise.all([0, 1, 2].map((shardIndex) => readAll(again, { shardIndex }))), before)
  await again.close()
})

test('whatever is appended, read, trimmed and restarted, the log on disk answers as the one in memory', async () => {
  const acts = fc.array(
    fc.oneof(
      fc.record({
        act: fc.constant('append' as const),
        shards: fc.uniqueArray(fc.nat(5), { minLength: 1 }),
        count: fc.integer({ min: 1, max: 8 }),
        later: fc.nat(3),
      }),
      fc.record({
        act: fc.constant('read' as const),
        shard: fc.nat(5),
        from: fc.nat(200),
        maxRecords: fc.integer({ min: 1, max: 30 }),
        maxBytes: fc.integer({ min: 1, max: 900 }),
        old: fc.nat(40),
      }),
      fc.record({ act: fc.constant('time' as const), shard: fc.nat(5), arrivalMs: fc.nat(60) }),
      fc.record({ act: fc.constant('trim' as const), beforeMs: fc.nat(60) }),
      fc.record({ act: fc.constant('restart' as const), isKilled: fc.boolean() }),
    ),
    { maxLength: 60, size: 'max' },
  )
  await fc.assert(
    fc.asyncProperty(acts, async (steps) => {
      let disk = new SimulatedDisk()
      const options = { segmentBytes: 600, recent: new RecentBytes(2_000) }
      let log = await openOn(disk, options)
      const model = createMemoryStreamLog()
      let nowMs = 0
      let trimmedMs = 0
      let nextSeqIx = 1
      for (const step of steps) {
        if (step.act === 'append') {
          nowMs += step.later
          const blocks: AppendBlock[] = []
          for (const shard of step.shards) {
            blocks.push(blockOf(shard, nextSeqIx, step.count, nowMs))
            nextSeqIx += step.count
          }
          await Promise.all([log.append(blocks), model.append(blocks)])
        } else if (step.act === 'read') {
          const notBeforeMs = Math.max(trimmedMs, nowMs - step.old)
          const query = {
            shardIndex: step.shard,
            fromSeqIx: step.from,
            notBeforeMs,
            maxRecords: step.maxRecords,
            maxBytes: step.maxBytes,
          }
          const [page, expected] = await Promise.all([log.read(query), model.read(query)])
          assert.deepEqual(recordsOf(page, step.shard), recordsOf(expected, step.shard))
          assert.equal(page.nextSeqIx, expected.nextSeqIx)
          assert.equal(page.reachesTip, expected.reachesTip)
        } else if (step.act === 'time') {
          const arrivalMs = Math.max(trimmedMs, step.arrivalMs)
          assert.equal(await log.seqIxAt(step.shard, arrivalMs), await model.seqIxAt(step.shard, arrivalMs))
        } else if (step.act === 'trim') {
          trimmedMs = Math.max(trimmedMs, Math.min(step.beforeMs, nowMs + 1))
          await log.trim(trimmedMs)
        } else {
          const survivor = disk.afterKill()
          await log.close()
          if (step.isKilled) disk = survivor
          log = await openOn(disk, options)
        }
        assert.deepEqual(
          new Map([...log.tails()].sort(([one], [other]) => one - other)),
          new Map([...model.tails()].sort(([one], [other]) => one - other)),
        )
      }
      await log.close()
      assert.equal(disk.openCount, 0)
    }),
    { numRuns: runs(5_000), seed: seed() },
  )
})
