import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Chunk } from '../../src/daemon/record-queue.ts'
import { SpoolCursor } from '../../src/daemon/spool-cursor.ts'
import { SpoolQueue } from '../../src/daemon/spool-queue.ts'
import { RecentBytes } from '../../src/journal/recent-bytes.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { SimulatedDisk } from '../journal/simulated-disk.ts'
import { ManualClock, settle } from '../support/manual-clock.ts'
import { runs, seed } from '../support/soak.ts'

const dir = '/spool/s'

/** Opens a spool on this disk as a process that has just started would. */
async function openQueue(disk: SimulatedDisk, sync: 'always' | 'interval', clock = new ManualClock()) {
  const queue = await SpoolQueue.open({
    streamName: 's',
    dir,
    sync,
    segmentBytes: 2_000,
    flushMs: 0,
    recent: new RecentBytes(10_000),
    keepDamaged: async () => undefined,
    onRoom: () => undefined,
    clock,
    disk,
  })
  return { queue, clock }
}

function add(queue: SpoolQueue, number: number, onKept?: (reason?: string) => void): void {
  queue.add({ data: Buffer.from(String(number)), partitionKey: 'k' }, onKept)
}

const numbersOf = (chunk: Chunk | undefined) => (chunk?.entries ?? []).map(({ data }) => Number(String(data)))

async function readAll(queue: SpoolQueue): Promise<number[]> {
  const found: number[] = []
  while (found.length < queue.recordCount) found.push(...numbersOf(await queue.next()))
  return found
}

describe('a spool whose process or machine dies', () => {
  test('at any moment sends every record that was kept and not acknowledged, in order, in the next one', async () => {
    for (let run = 0; run < runs(5_000, 50); run++) await liveAndDie(seed() + run)
  })

  async function liveAndDie(lifeSeed: number): Promise<void> {
    const random = seededRandom(lifeSeed)
    const sync = random.next() < 0.5 ? 'interval' : 'always'
    let disk = new SimulatedDisk(random)
    const kept = new Set<number>()
    const acknowledged = new Set<number>()
    let last = 0
    for (let life = 0; life < 4; life++) {
      const { queue: witness } = await openQueue(disk.afterKill(), sync)
      const found = await readAll(witness)
      const missing = [...kept].filter((number) => !acknowledged.has(number) && !found.includes(number))
      assert.deepEqual(missing, [], `lost before life ${life} of seed ${lifeSeed}, sync ${sync}`)
      assert.deepEqual(
        found,
        [...found].sort((one, other) => one - other),
        `order, seed ${lifeSeed}`,
      )

      const { queue, clock } = await openQueue(disk, sync)
      const out: Chunk[] = []
      let isAlive = true
      for (let step = randomInteger(random, 30); step > 0; step--) {
        const choice = random.next()
        const outCount = out.reduce((sum, { entries }) => sum + entries.length, 0)
        if (choice < 0.5) {
          for (let count = 1 + randomInteger(random, 40); count > 0; count--) {
            const number = ++last
            add(queue, number, (reason) => isAlive && reason === undefined && kept.add(number))
          }
          if (random.next() < 0.7) await settle()
        } else if (choice < 0.7) {
          const chunk = queue.recordCount > outCount ? await queue.next() : undefined
          if (chunk !== undefined) out.push(chunk)
        } else if (choice < 0.9 && out.length > 0) {
          const [chunk] = out.splice(randomInteger(random, out.length), 1)
          for (const number of numbersOf(chunk)) acknowledged.add(number)
          if (chunk !== undefined) queue.settle(chunk, [])
        } else {
          await clock.advance(100)
        }
      }
      isAlive = false
      disk = sync === 'interval' ? disk.afterKill() : disk.afterPowerLoss()
    }
  }

  test('sends again only what was not acknowledged, and what was within the last 100 ms', async () => {
    const disk = new SimulatedDisk()
    const { queue, clock } = await openQueue(disk, 'always')
    for (let number = 0; number < 500; number++) add(queue, number)
    await settle()
    const first = await queue.next()
    assert.ok(first !== undefined && first.entries.length === 500)
    queue.settle(first, [])
    await clock.advance(100)
    for (let number = 500; number < 510; number++) add(queue, number)
    await settle()
    const second = await queue.next()
    assert.ok(second !== undefined)
    queue.settle(second, [])
    const { queue: next } = await openQueue(disk.afterKill(), 'always')
    assert.deepEqual(await readAll(next), [500, 501, 502, 503, 504, 505, 506, 507, 508, 509])
  })

  test('never skips what is written where acknowledged records stood that a power loss took', async () => {
    const disk = new SimulatedDisk()
    const { queue } = await openQueue(disk, 'interval')
    for (let number = 0; number < 50; number++) add(queue, number)
    await settle()
    const chunk = await queue.next()
    assert.ok(chunk !== undefined)
    queue.settle(chunk, [])
    await queue.release()
    // The cursor reached the device, the segment did not.
    const cut = disk.afterKill()
    const segment = cut.paths.find((path) => path.endsWith('.segment')) ?? ''
    cut.put(segment, cut.bytesOf(segment).subarray(0, 64))
    const { queue: next } = await openQueue(cut, 'interval')
    assert.equal(next.recordCount, 0)
    add(next, 100)
    await settle()
    const { queue: last } = await openQueue(cut.afterKill(), 'interval')
    assert.deepEqual(await readAll(last), [100])
  })
})

describe('a disk that is full', () => {
  test('refuses who waits for an answer, keeps the others, and takes them when there is room', async () => {
    const disk = new SimulatedDisk()
    const { queue, clock } = await openQueue(disk, 'interval')
    const told: (string | undefined)[] = []
    add(queue, 1, (reason) => told.push(reason))
    await settle()
    disk.capacityBytes = disk.usedBytes
    add(queue, 2, (reason) => told.push(reason))
    add(queue, 3)
    await settle()
    assert.equal(told[0], undefined)
    assert.match(String(told[1]), /ENOSPC.*free some space/)
    assert.equal(queue.isBlocked, true)
    await clock.advance(1_000)
    assert.equal(queue.isBlocked, true)
    disk.capacityBytes = Number.POSITIVE_INFINITY
    await clock.advance(1_000)
    assert.equal(queue.isBlocked, false)
    assert.deepEqual(await readAll(queue), [1, 2, 3])
    assert.equal(await queue.release(), 0)
    assert.equal(disk.openCount, 0)
  })

  test('until the end costs what it never took, and no more', async () => {
    const disk = new SimulatedDisk()
    const { queue } = await openQueue(disk, 'interval')
    disk.capacityBytes = disk.usedBytes
    add(queue, 1)
    add(queue, 2)
    await settle()
    assert.equal(await queue.release(), 2)
  })

  test('is told apart from a failed sync, after which the spool opens its files anew', async () => {
    const disk = new SimulatedDisk()
    const { queue, clock } = await openQueue(disk, 'always')
    disk.failSync = 'EIO'
    add(queue, 1)
    await settle()
    assert.equal(queue.isBlocked, true)
    disk.failSync = undefined
    await clock.advance(1_000)
    assert.equal(queue.isBlocked, false)
    assert.deepEqual(await readAll(queue), [1])
  })
})

test('records that a failed sync gave back are kept in their order, with those that had waited for it', async () => {
  const disk = new SimulatedDisk()
  const { queue, clock } = await openQueue(disk, 'always')
  disk.holdsSyncs = true
  add(queue, 1)
  await settle()
  add(queue, 2)
  await settle()
  disk.failSync = 'EIO'
  disk.holdsSyncs = false
  disk.releaseSyncs()
  await settle()
  assert.equal(queue.isBlocked, true)
  disk.failSync = undefined
  await clock.advance(1_000)
  assert.deepEqual(await readAll(queue), [1, 2])
  await queue.release()
})

test('what is kept after a failed sync is sent although the disk has lost what stood there before', async () => {
  const disk = new SimulatedDisk()
  const { queue, clock } = await openQueue(disk, 'interval')
  for (let number = 0; number < 40; number++) add(queue, number)
  await settle()
  const first = await queue.next()
  assert.ok(first !== undefined)
  add(queue, 40)
  await settle()
  disk.failSync = 'EIO'
  await clock.advance(100)
  const [segment = ''] = disk.paths.filter((path) => path.endsWith('.segment'))
  disk.put(segment, disk.bytesOf(segment).subarray(0, 64))
  disk.failSync = undefined
  add(queue, 41)
  await settle()
  assert.equal(queue.isBlocked, true)
  await clock.advance(1_000)
  assert.equal(queue.isBlocked, false)
  assert.deepEqual(numbersOf(await queue.next()), [41])
  queue.settle(first, [])
  await clock.advance(100)
  await queue.release()
  const { queue: next } = await openQueue(disk.afterKill(), 'interval')
  assert.deepEqual(await readAll(next), [41])
})

describe('the cursor', () => {
  test('survives a torn write of either slot', async () => {
    const disk = new SimulatedDisk()
    const cursor = await SpoolCursor.open(disk, dir)
    cursor.write({ segment: 1, offset: 100, recordCount: 1 })
    cursor.write({ segment: 2, offset: 200, recordCount: 2 })
    for (const [slot, left] of [
      [0, { segment: 1, offset: 100, recordCount: 1 }],
      [32, { segment: 2, offset: 200, recordCount: 2 }],
    ] as const) {
      const torn = Buffer.from(disk.bytesOf(`${dir}/cursor`))
      torn.fill(0, slot + 7, slot + 30)
      const other = new SimulatedDisk()
      other.put(`${dir}/cursor`, torn)
      assert.deepEqual((await SpoolCursor.open(other, dir)).position, left)
    }
  })
})
