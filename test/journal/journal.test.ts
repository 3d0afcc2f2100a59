import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClosedError, StorageError } from '../../src/errors.ts'
import type { SyncRule } from '../../src/journal/group-sync.ts'
import { Journal, type JournalOptions } from '../../src/journal/journal.ts'
import type { Place } from '../../src/journal/journal-index.ts'
import { RecentBytes } from '../../src/journal/recent-bytes.ts'
import { largestHeadBytes } from '../../src/journal/segment-format.ts'
import { ManualClock, settle } from '../support/manual-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'

const none = Buffer.alloc(0)

function openOn(disk: SimulatedDisk, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return Journal.open({ dir: '/journal', disk, clock: new ManualClock(), ...options })
}

function append(journal: Journal, text: string): Promise<Place> {
  return journal.append(none, [Buffer.from(text)])
}

async function textsOf(journal: Journal, from?: Place): Promise<string[]> {
  const texts: string[] = []
  for await (const frame of journal.read(from)) texts.push(frame.parts.map(String).join('|'))
  return texts
}

test('frames come back in the order of their appends, with head and parts as they were', async () => {
  await using journal = await openOn(new SimulatedDisk())
  await journal.append(Buffer.from('head'), [Buffer.from('one'), none, Buffer.from('two')])
  await journal.append(none, [])
  const frames: unknown[] = []
  for await (const frame of journal.read()) frames.push([frame.head.toString(), frame.parts.map(String)])
  assert.deepEqual(frames, [
    ['head', ['one', '', 'two']],
    ['', []],
  ])
})

test('a journal opened again holds what it held, and goes on behind it', async () => {
  const disk = new SimulatedDisk()
  for (const text of ['a', 'b', 'c']) {
    await using journal = await openOn(disk)
    await append(journal, text)
  }
  await using journal = await openOn(disk)
  assert.deepEqual(await textsOf(journal), ['a', 'b', 'c'])
  assert.equal(disk.paths.length, 1)
})

test('reading goes on from any place that an append or a frame named, over segments and restarts', async () => {
  const disk = new SimulatedDisk()
  const places: Place[] = []
  const journal = await openOn(disk, { segmentBytes: 400 })
  for (let each = 0; each < 20; each++) places.push(await append(journal, `text ${each}`))
  await journal.close()
  await using again = await openOn(disk, { segmentBytes: 400 })
  assert.ok(disk.paths.length >= 3)
  for (const [each, place] of places.entries()) {
    const texts = await textsOf(again, place)
    assert.equal(texts[0], `text ${each}`)
    assert.equal(texts.length, 20 - each)
    for await (const frame of again.read(place)) {
      assert.deepEqual(await textsOf(again, frame.next), texts.slice(1))
      break
    }
  }
  assert.deepEqual(await textsOf(again, again.end), [])
})

test('appends of one turn are written together', async () => {
  const disk = new SimulatedDisk()
  await using journal = await openOn(disk)
  await append(journal, 'first')
  const before = disk.writeCount
  await Promise.all(Array.from({ length: 100 }, (_, each) => append(journal, `text ${each}`)))
  assert.equal(disk.writeCount, before + 1)
  assert.equal((await textsOf(journal)).length, 101)
})

test('the bytes may be reused as soon as append was called', async () => {
  await using journal = await openOn(new SimulatedDisk())
  const part = Buffer.from('right')
  const kept = journal.append(none, [part])
  part.fill('!')
  await kept
  assert.deepEqual(await textsOf(journal), ['right'])
})

test('always: an append waits for its sync, and those that come meanwhile share the next one', async () => {
  const disk = new SimulatedDisk()
  await using journal = await openOn(disk, { sync: 'always' })
  await append(journal, 'zero')
  disk.holdsSyncs = true
  let done = 0
  const count = () => {
    done += 1
  }
  const first = append(journal, 'one').then(count)
  await settle()
  const later = Array.from({ length: 50 }, (_, each) => append(journal, `later ${each}`).then(count))
  await settle()
  assert.equal(done, 0)
  assert.deepEqual(await textsOf(journal), ['zero'], 'readers see only what was acknowledged')
  const before = disk.syncCount
  disk.holdsSyncs = false
  disk.releaseSyncs()
  await Promise.all([first, ...later])
  assert.equal(disk.syncCount, before + 1)
  assert.equal((await textsOf(journal)).length, 52)
})

test('always: the directory of the journal and the one above are on the device before anything is kept', async () => {
  const disk = new SimulatedDisk()
  await using always = await openOn(disk, { sync: 'always', dir: '/data/streams/s' })
  assert.deepEqual(disk.syncedDirectories, ['/data/streams', '/data'])
  await append(always, 'a')
  assert.deepEqual(disk.syncedDirectories.slice(2), ['/data/streams/s'])
  await using interval = await openOn(disk, { dir: '/data/streams/t' })
  assert.equal(interval.bytes, 0)
  assert.equal(disk.syncedDirectories.length, 3)
})

test('interval: an append does not wait for a sync, which follows within the interval, once', async () => {
  const disk = new SimulatedDisk()
  const clock = new ManualClock()
  await using journal = await openOn(disk, { clock, syncIntervalMs: 100 })
  await append(journal, 'one')
  await append(journal, 'two')
  assert.equal(disk.syncCount, 0)
  await clock.advance(100)
  assert.equal(disk.syncCount, 2, 'the file and, since it is new, its directory')
  await clock.advance(1000)
  assert.equal(disk.syncCount, 2)
  await append(journal, 'three')
  await clock.advance(100)
  assert.equal(disk.syncCount, 3)
})

test('never: nothing is synced, not even at the end', async () => {
  const disk = new SimulatedDisk()
  const clock = new ManualClock()
  const journal = await openOn(disk, { sync: 'never', clock, segmentBytes: 300 })
  for (let each = 0; each < 20; each++) await append(journal, `text ${each}`)
  await journal.close()
  assert.equal(disk.syncCount, 0)
  assert.equal(clock.waiting, 0)
})

for (const sync of ['always', 'interval', 'never'] satisfies SyncRule[]) {
  test(`${sync}: closing keeps what was appended and gives back every file and timer`, async () => {
    const disk = new SimulatedDisk()
    const clock = new ManualClock()
    const journal = await openOn(disk, { sync, clock, segmentBytes: 300 })
    const appended = Promise.all(Array.from({ length: 30 }, (_, each) => append(journal, `text ${each}`)))
    await Promise.all([journal.close(), journal.close(), appended])
    assert.equal(disk.openCount, 0)
    assert.equal(clock.waiting, 0)
    await assert.rejects(append(journal, 'late'), ClosedError)
    await using again = await openOn(disk)
    assert.equal((await textsOf(again)).length, 30)
  })
}

test('a full segment is sealed, so that the next start reads its footer and scans only the last', async () => {
  const disk = new SimulatedDisk()
  const index = { added: 0, loaded: [] as number[] }
  const counting = {
    added: () => {
      index.added += 1
    },
    footer: (segment: number) => Buffer.from(`footer ${segment}`),
    loaded: (segment: number, footer: Buffer) => {
      assert.equal(footer.toString(), `footer ${segment}`)
      index.loaded.push(segment)
      return true
    },
    removed: () => {},
  }
  const journal = await openOn(disk, { segmentBytes: 400, index: counting })
  for (let each = 0; each < 20; each++) await append(journal, `text ${each}`)
  assert.equal(index.added, 20)
  const segmentCount = journal.segments.length
  await journal.close()
  index.added = 0
  await using _again = await openOn(disk, { segmentBytes: 400, index: counting })
  assert.deepEqual(
    index.loaded,
    Array.from({ length: segmentCount - 1 }, (_, each) => each + 1),
  )
  assert.ok(index.added > 0 && index.added < 8, `${index.added} frames of the last segment`)
})

test('an index that does not understand a footer is told of the frames instead', async () => {
  const disk = new SimulatedDisk()
  const journal = await openOn(disk, { segmentBytes: 400 })
  for (let each = 0; each < 20; each++) await append(journal, `text ${each}`)
  await journal.close()
  let added = 0
  const index = { added: () => void added++, footer: () => none, loaded: () => false, removed: () => {} }
  await using again = await openOn(disk, { index })
  assert.equal(added, 20)
  assert.equal((await textsOf(again)).length, 20)
})

test('trim deletes whole segments in front, never the one that is written', async () => {
  const disk = new SimulatedDisk()
  await using journal = await openOn(disk, { segmentBytes: 400 })
  const places: Place[] = []
  for (let each = 0; each < 20; each++) places.push(await append(journal, `text ${each}`))
  const bytes = journal.bytes
  const target = places[10]?.segment ?? 0
  const given = await journal.trim(target)
  assert.equal(journal.bytes, bytes - given)
  assert.equal(journal.segments[0]?.number, target)
  const firstKept = places.findIndex((place) => place.segment === target)
  assert.equal((await textsOf(journal)).length, 20 - firstKept)
  await journal.trim(Number.MAX_SAFE_INTEGER)
  assert.equal(journal.segments.length, 1)
  journal.roll()
  await journal.trim(Number.MAX_SAFE_INTEGER)
  assert.deepEqual(await textsOf(journal), [])
  assert.equal(disk.paths.length, 0)
  const next = await append(journal, 'afterwards')
  assert.ok(next.segment > (places.at(-1)?.segment ?? 0), 'segment numbers are never used again')
})

test('a reader whose segment is trimmed reads it to its end, one that comes too late goes on behind it', async () => {
  await using journal = await openOn(new SimulatedDisk(), { segmentBytes: 100_000, recent: new RecentBytes(0) })
  for (let each = 0; each < 2_000; each++) await append(journal, `text ${each}`.padEnd(200))
  const reader = journal.read()
  await reader.next()
  const late = journal.cursor(1, 0)
  assert.ok(late !== undefined)
  journal.roll()
  await append(journal, 'new')
  await journal.trim(Number.MAX_SAFE_INTEGER)
  let count = 1
  let last = ''
  for await (const frame of reader) {
    count += 1
    last = String(frame.parts[0])
  }
  assert.ok(count > 400, `${count} frames of the segment that it was in`)
  assert.equal(last, 'new')
  assert.equal(late.next(), false)
  assert.equal(await late.load(), false)
  late.close()
})

test('a frame larger than a segment gets one of its own', async () => {
  const disk = new SimulatedDisk()
  const journal = await openOn(disk, { segmentBytes: 1_000 })
  const large = 'x'.repeat(1_000_000)
  for (const text of ['small', large, 'small again']) await append(journal, text)
  await journal.close()
  await using again = await openOn(disk)
  assert.deepEqual(await textsOf(again), ['small', large, 'small again'])
  assert.equal(disk.paths.length, 3)
})

test('a frame that no reader could take is refused, and the journal goes on', async () => {
  await using journal = await openOn(new SimulatedDisk())
  await assert.rejects(journal.append(Buffer.alloc(largestHeadBytes), []), StorageError)
  await append(journal, 'fine')
  assert.deepEqual(await textsOf(journal), ['fine'])
})

test('the latest writes are read from memory, older ones from the disk', async () => {
  const recent = new RecentBytes(64 * 1024)
  await using journal = await openOn(new SimulatedDisk(), { recent })
  const texts = Array.from({ length: 1000 }, (_, each) => `text ${each}`.padEnd(1000))
  for (const text of texts) await append(journal, text)
  const kept = journal.segments[0]?.slabs.reduce((total, slab) => total + slab.buffer.length, 0) ?? 0
  assert.ok(kept > 0 && kept <= 64 * 1024, `${kept} bytes kept`)
  assert.deepEqual(await textsOf(journal), texts)
})
