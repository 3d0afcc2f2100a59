import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { parseArchiveKey } from '../../src/archive/archive-key.ts'
import { DirectoryStore } from '../../src/archive/directory-store.ts'
import { type ArchiveBlock, readArchives } from '../../src/archive/read-archives.ts'
import { decodeMsgpack } from '../../src/record/msgpack-decode.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { triFile } from '../../src/record/tri-chunks.ts'

const fileCount = 8
const recordsOfFile = 4_000
const pieceBytes = 16 * 1024

/** A store of files that it makes up, in pieces: which are being read, and how much of them was taken. */
class MadeUpStore extends DirectoryStore {
  readonly open = new Set<string>()
  mostOpen = 0
  takenBytes = 0

  override async *read(key: string): AsyncGenerator<Uint8Array> {
    const number = Number(/-(\d+)\.tri$/.exec(key)?.[1])
    const records = Array.from({ length: recordsOfFile }, (_, n) =>
      encodeMsgpack({ n: number * recordsOfFile + n, pad: randomBytes(1_000) }),
    )
    const file = triFile(Buffer.concat(records))
    this.open.add(key)
    this.mostOpen = Math.max(this.mostOpen, this.open.size)
    try {
      for (let at = 0; at < file.length; at += pieceBytes) {
        // Files at the front of the line are the slower ones.
        await setTimeout(number % 3 === 0 ? 1 : 0)
        this.takenBytes += Math.min(pieceBytes, file.length - at)
        yield file.subarray(at, at + pieceBytes)
      }
    } finally {
      this.open.delete(key)
    }
  }
}

const keys = Array.from({ length: fileCount }, (_, index) => {
  const key = parseArchiveKey(`20260101/a-store-${index}.tri`, 'a')
  assert.ok(key)
  return key
})

function numbersOf(blocks: readonly ArchiveBlock[]): number[] {
  return blocks.flatMap(({ bytes, start, ends }) =>
    ends.map((end, i) => (decodeMsgpack(bytes.subarray(ends[i - 1] ?? start, end)) as { n: number }).n),
  )
}

/** Until nothing more is fetched although there would be time for it. */
async function untilQuiet(store: MadeUpStore): Promise<void> {
  for (let quiet = 0, before = -1; quiet < 20; before = store.takenBytes) {
    await setTimeout(10)
    quiet = store.takenBytes === before ? quiet + 1 : 0
  }
}

test('the next files are fetched while one is read, no further than the bound, and come in order', async () => {
  await using store = new MadeUpStore('/nowhere')
  const reading = readArchives(store, keys)
  const numbers = numbersOf((await reading.next()).value ?? [])
  await untilQuiet(store)
  assert.deepEqual(
    [...store.open].sort(),
    keys.slice(0, 3).map(({ key }) => key),
  )
  // Of three files 1 MiB each, the step that goes beyond it, and what was handed out.
  assert.ok(store.takenBytes > 2.5 * 1024 * 1024, `${store.takenBytes} bytes were fetched ahead`)
  assert.ok(store.takenBytes < 5 * 1024 * 1024, `${store.takenBytes} bytes were fetched ahead`)
  for await (const blocks of reading) numbers.push(...numbersOf(blocks))
  assert.deepEqual(
    numbers,
    Array.from({ length: fileCount * recordsOfFile }, (_, n) => n),
  )
  assert.equal(store.mostOpen, 3)
  assert.equal(store.open.size, 0)
})

test('who leaves the loop leaves nothing open', async () => {
  await using store = new MadeUpStore('/nowhere')
  for await (const blocks of readArchives(store, keys)) {
    assert.ok(blocks.length > 0)
    break
  }
  assert.ok(store.mostOpen >= 1)
  assert.equal(store.open.size, 0)
})
