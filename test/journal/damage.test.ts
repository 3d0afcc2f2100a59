import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { Journal } from '../../src/journal/journal.ts'
import { frameHeaderBytes, headerBytes, partEntryBytes } from '../../src/journal/segment-format.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { runs, seed } from '../support/soak.ts'
import { SimulatedDisk } from './simulated-disk.ts'

const none = Buffer.alloc(0)
const textCount = 30
const texts = Array.from({ length: textCount }, (_, each) => `text ${each} `.padEnd(20 + each * 3, String(each % 10)))
/** Of a frame without a head and with one part. */
const overheadBytes = frameHeaderBytes + partEntryBytes

function openOn(disk: SimulatedDisk, segmentBytes = 1_000_000): Promise<Journal> {
  return Journal.open({ dir: '/journal', disk, clock: new ManualClock(), segmentBytes })
}

/** A closed journal of 30 texts: one segment that is not sealed, or several. */
async function written(segmentBytes?: number): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  await using journal = await openOn(disk, segmentBytes)
  for (const text of texts) await journal.append(none, [Buffer.from(text)])
  return disk
}

async function textsOf(journal: Journal): Promise<string[]> {
  const found: string[] = []
  for await (const frame of journal.read()) found.push(String(frame.parts[0]))
  return found
}

/** What a new process finds: its texts, and what it told. */
async function reopened(disk: SimulatedDisk): Promise<{ found: string[]; told: Diagnostic[] }> {
  const told: Diagnostic[] = []
  const stop = observe((diagnostic) => told.push(diagnostic))
  try {
    await using journal = await openOn(disk)
    const found = await textsOf(journal)
    await textsOf(journal)
    return { found, told }
  } finally {
    stop()
  }
}

/** Whether appends still work behind whatever was found, and survive another start. */
async function goesOn(disk: SimulatedDisk, found: string[]): Promise<void> {
  const journal = await openOn(disk)
  await journal.append(none, [Buffer.from('afterwards')])
  await journal.close()
  const { found: again } = await reopened(disk)
  assert.deepEqual(again, [...found, 'afterwards'])
}

function onlyPath(disk: SimulatedDisk): string {
  const [path, ...others] = disk.paths
  assert.ok(path !== undefined && others.length === 0)
  return path
}

test('a frame torn at any of its bytes is cut off and told of; what stood before it is kept', async () => {
  const whole = await written()
  const path = onlyPath(whole)
  const bytes = whole.bytesOf(path)
  const lastBytes = overheadBytes + (texts.at(-1)?.length ?? 0)
  for (let kept = 1; kept < lastBytes; kept++) {
    const disk = new SimulatedDisk()
    disk.put(path, bytes.subarray(0, bytes.length - lastBytes + kept))
    const { found, told } = await reopened(disk)
    assert.deepEqual(found, texts.slice(0, -1))
    const offset = bytes.length - lastBytes
    assert.deepEqual(told, [{ type: 'journal-damaged', file: path, offset, bytes: kept, outcome: 'cut' }])
    assert.equal(disk.bytesOf(path).length, offset)
    if (kept % 10 === 0) await goesOn(disk, texts.slice(0, -1))
  }
})

test('a torn end is gone for good before anything is written in its place', async () => {
  const disk = await written()
  const path = onlyPath(disk)
  const bytes = disk.bytesOf(path)
  disk.put(path, bytes.subarray(0, bytes.length - 10))
  await using _journal = await openOn(disk)
  assert.deepEqual((await reopened(disk.afterPowerLoss())).told, [])
})

test('a file that ends in zeros, as file systems leave it after a power loss, is cut where they begin', async () => {
  const disk = await written()
  const path = onlyPath(disk)
  const bytes = disk.bytesOf(path)
  // The last frame's head is whole, only its part is not.
  disk.put(path, Buffer.concat([bytes.subarray(0, bytes.length - 30), Buffer.alloc(4_000)]))
  await goesOn(disk, texts.slice(0, -1))
})

for (const [what, segmentBytes] of [
  ['the segment that is written', undefined],
  ['sealed segments', 700],
] as const) {
  test(`a flipped bit anywhere in ${what} costs at most one frame, and a wrong one is never read`, async () => {
    const whole = await written(segmentBytes)
    const random = seededRandom(seed())
    for (let run = 0; run < runs(20_000); run++) {
      const disk = new SimulatedDisk()
      for (const path of whole.paths) disk.put(path, whole.bytesOf(path))
      const path = whole.paths[randomInteger(random, whole.paths.length)] ?? ''
      const bytes = Buffer.from(whole.bytesOf(path))
      const offset = randomInteger(random, bytes.length)
      bytes[offset] = (bytes[offset] ?? 0) ^ (1 << randomInteger(random, 8))
      disk.put(path, bytes)
      const { found, told } = await reopened(disk)
      const missing = texts.filter((text) => !found.includes(text))
      const context = `bit flipped in ${path} at ${offset}`
      assert.ok(missing.length <= 1, `${context}: ${missing.length} frames are missing`)
      assert.deepEqual(
        found,
        texts.filter((text) => found.includes(text)),
        context,
      )
      const damages = told.filter((news) => news.type === 'journal-damaged')
      // A damaged footer costs no frame, but is told of as well.
      assert.ok(damages.length >= missing.length && damages.length <= 1, `${context}: told ${JSON.stringify(told)}`)
      for (const news of damages)
        assert.ok(news.file === path && news.offset <= offset && offset < news.offset + news.bytes)
      await goesOn(disk, found)
    }
  })
}

test('a length that claims 4 GiB is not believed', async () => {
  for (const field of [20, 24, 28]) {
    const disk = await written()
    const path = onlyPath(disk)
    const bytes = Buffer.from(disk.bytesOf(path))
    bytes.writeUInt32LE(0xffff_ffff, headerBytes + field)
    disk.put(path, bytes)
    const { found } = await reopened(disk)
    assert.deepEqual(found, texts.slice(1))
  }
})

test('a length that was changed together with its checksum reads nothing beyond the file', async () => {
  for (const claimed of [0xffff_ffff, 100_000]) {
    const disk = await written()
    const path = onlyPath(disk)
    const bytes = Buffer.from(disk.bytesOf(path))
    bytes.writeUInt32LE(claimed, headerBytes + 28)
    const nonce = bytes.readUInt32LE(16)
    const end = headerBytes + overheadBytes
    bytes.writeUInt32LE(crc32(bytes.subarray(headerBytes + 8, end), nonce), headerBytes + 4)
    disk.put(path, bytes)
    const { found } = await reopened(disk)
    assert.deepEqual(found, texts.slice(1))
  }
})

test('a file that was just created, empty or with half a header, is removed without a word', async () => {
  for (const size of [0, 1, 31, 63]) {
    const disk = await written(700)
    const count = disk.paths.length
    disk.put('/journal/0000000099.segment', Buffer.alloc(size))
    const { found, told } = await reopened(disk)
    assert.deepEqual(found, texts)
    assert.deepEqual(told, [])
    assert.equal(disk.paths.length, count)
    await goesOn(disk, texts)
  }
})

test('a crash while sealing leaves a segment without a whole footer: it is scanned, and sealed then', async () => {
  const whole = await written(700)
  const [first = ''] = whole.paths
  const bytes = whole.bytesOf(first)
  const lengths = [1, 10, 31, 32, 33, 50, 71]
  for (const missing of lengths) {
    const disk = new SimulatedDisk()
    for (const path of whole.paths) disk.put(path, whole.bytesOf(path))
    disk.put(first, bytes.subarray(0, bytes.length - missing))
    const { found } = await reopened(disk)
    assert.deepEqual(found, texts, `without the last ${missing} bytes`)
    if (missing > 32) assert.deepEqual(disk.bytesOf(first), bytes, 'sealed again, to the same bytes')
  }
})

test('files of others are let be, whatever they are called', async () => {
  const disk = await written(700)
  const foreign = Buffer.from('not ours')
  const names = ['/journal/notes.txt', '/journal/1.segment', '/journal/0000000001.segment.bak']
  for (const name of names) disk.put(name, foreign)
  const { found, told } = await reopened(disk)
  assert.deepEqual(found, texts)
  assert.deepEqual(told, [])
  for (const name of names) assert.deepEqual(disk.bytesOf(name), foreign)
})

test('a foreign file in the place of a segment is told of, left alone and read over', async () => {
  const disk = await written(700)
  const foreign = Buffer.alloc(5_000, 'someone else wrote this ')
  const path = '/journal/0000000098.segment'
  disk.put(path, foreign)
  const { found, told } = await reopened(disk)
  assert.deepEqual(found, texts)
  assert.deepEqual(told, [{ type: 'journal-damaged', file: path, offset: 0, bytes: 5_000, outcome: 'skipped' }])
  assert.deepEqual(disk.bytesOf(path), foreign)
  await goesOn(disk, texts)
})

test('a frame of another file, or of another place in this one, is not taken for real', async () => {
  const source = await written()
  const sourceBytes = source.bytesOf(onlyPath(source))
  const disk = await written()
  const path = onlyPath(disk)
  const bytes = disk.bytesOf(path)
  const nonce = bytes.readUInt32LE(16)
  const otherNonce = (nonce ^ 0x5555) >>> 0
  const frame = sourceBytes.subarray(headerBytes, headerBytes + overheadBytes + (texts[0]?.length ?? 0))
  disk.put(path, Buffer.concat([bytes, frame]))
  assert.deepEqual((await reopened(disk)).found, texts, 'the same frame at another offset')

  const relabelled = Buffer.from(bytes)
  for (const at of [0, 32]) {
    relabelled.writeUInt32LE(otherNonce, at + 16)
    relabelled.writeUInt32LE(crc32(relabelled.subarray(at, at + 28)), at + 28)
  }
  const other = new SimulatedDisk()
  other.put(path, relabelled)
  assert.deepEqual((await reopened(other)).found, [], 'the same frames in a file of another nonce')
})

test('a record that imitates a frame is never read as one, even where the frame around it is damaged', async () => {
  const disk = await written()
  const path = onlyPath(disk)
  const start = disk.bytesOf(path).length
  const exactCopy = Buffer.from(
    disk.bytesOf(path).subarray(headerBytes, headerBytes + overheadBytes + (texts[0] ?? '').length),
  )
  const inside = start + overheadBytes
  const moved = Buffer.from(exactCopy)
  moved.writeUInt32LE(inside + exactCopy.length, 8)
  // All that a stranger can know is right: everything but the nonce.
  moved.writeUInt32LE(crc32(moved.subarray(8, overheadBytes)), 4)
  const journal = await openOn(disk)
  await journal.append(none, [Buffer.concat([exactCopy, moved])])
  await journal.append(none, [Buffer.from('behind')])
  await journal.close()
  const bytes = Buffer.from(disk.bytesOf(path))
  bytes[start] = 0
  disk.put(path, bytes)
  assert.deepEqual((await reopened(disk)).found, [...texts, 'behind'])
})

test('frames that were cut off once and came back with a crash are not read', async () => {
  const disk = await written()
  const path = onlyPath(disk)
  const old = disk.bytesOf(path)
  const lastBytes = overheadBytes + (texts.at(-1)?.length ?? 0)
  const beforeLastBytes = overheadBytes + (texts.at(-2)?.length ?? 0)
  const keptEnd = old.length - lastBytes - beforeLastBytes
  disk.put(path, old.subarray(0, keptEnd))
  const journal = await openOn(disk)
  // As long as the frame that stood here, so that the old last frame would fit behind it.
  const fresh = 'x'.repeat(texts.at(-2)?.length ?? 0)
  await journal.append(none, [Buffer.from(fresh)])
  await journal.close()
  disk.put(path, Buffer.concat([disk.bytesOf(path), old.subarray(old.length - lastBytes)]))
  assert.deepEqual((await reopened(disk)).found, [...texts.slice(0, -2), fresh])
})

test('damage that appears while a journal is open is stepped over by its readers', async () => {
  const disk = await written(700)
  await using journal = await openOn(disk)
  const [first = ''] = disk.paths
  const bytes = disk.bytesOf(first)
  bytes[headerBytes + overheadBytes] = 0
  assert.deepEqual(await textsOf(journal), texts.slice(1))
  disk.put(first, bytes.subarray(0, headerBytes + 10))
  const rest = await textsOf(journal)
  assert.ok(rest.length < texts.length && rest.length > 10)
  assert.deepEqual(rest, texts.slice(-rest.length))
})
