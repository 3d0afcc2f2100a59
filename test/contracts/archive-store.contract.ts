import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ArchiveStore } from '../../src/archive/archive-store.ts'
import { NotFoundError, StorageError } from '../../src/errors.ts'

export interface StoreUnderTest extends AsyncDisposable {
  store: ArchiveStore
  /** Another client of the same place. */
  another(): ArchiveStore
  /** Objects that stand under names that no archive has. */
  putForeign(key: string, bytes: Uint8Array): Promise<void>
  /** What completing an upload that was given up is refused with. @default StorageError */
  refusal?: new (
    ...args: never[]
  ) => Error
}

/** What every store of archives does. `open` gives an empty one. */
export function testArchiveStore(kind: string, open: () => Promise<StoreUnderTest>): void {
  test(`an object is visible when it is completed, and not before (${kind})`, async () => {
    await using place = await open()
    const { store } = place
    const upload = await store.begin('20261125/a-store-1.tri')
    await upload.write([Buffer.from('one '), Buffer.from('two')])
    await upload.flush()
    assert.deepEqual(await store.list('20261125/'), [])
    await upload.complete()
    const [object] = await store.list('20261125/')
    assert.equal(object?.key, '20261125/a-store-1.tri')
    assert.equal(object?.bytes, 7)
    assert.equal(await textOf(store, '20261125/a-store-1.tri'), 'one two')
    await upload.abort()
    assert.equal(await textOf(place.another(), '20261125/a-store-1.tri'), 'one two')
  })

  test(`an object may be larger than a part, and any range of it can be read (${kind})`, async () => {
    await using place = await open()
    const { store } = place
    const bytes = Buffer.alloc(13 * 1024 * 1024)
    for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(i, i)
    const upload = await store.begin('20261125/large-store-1.tri')
    for (let at = 0; at < bytes.length; at += 1_000_000) await upload.write([bytes.subarray(at, at + 1_000_000)])
    await upload.complete()
    assert.ok(bytes.equals(await bytesOf(store, '20261125/large-store-1.tri')))
    const range = await bytesOf(store, '20261125/large-store-1.tri', { start: 8_388_000, end: 8_389_000 })
    assert.ok(bytes.subarray(8_388_000, 8_389_000).equals(range))
    const end = await bytesOf(store, '20261125/large-store-1.tri', { start: bytes.length - 10 })
    assert.ok(bytes.subarray(-10).equals(end))
  })

  test(`what is given up leaves nothing, and can't be completed (${kind})`, async () => {
    await using place = await open()
    const { store } = place
    const upload = await store.begin('20261125/a-store-1.tri')
    await upload.write([Buffer.from('half')])
    await upload.abort()
    await upload.abort()
    assert.equal(await store.abortUploads(() => true), 0)
    await assert.rejects(upload.complete())
    assert.deepEqual(await store.list(''), [])
  })

  test(`who takes over gives up the uploads of others, for the keys that fit (${kind})`, async () => {
    await using place = await open()
    const first = place.store
    const second = place.another()
    const uploads = []
    for (const key of ['a-store-1', 'a-store-2', 'a-store-3', 'b-store-1']) {
      const upload = await first.begin(`20261125/${key}.tri`)
      await upload.write([Buffer.from(key)])
      await upload.flush()
      uploads.push(upload)
    }
    assert.equal(await second.abortUploads((key) => key.includes('/a-')), 3)
    for (const upload of uploads.slice(0, 3)) await assert.rejects(upload.complete(), place.refusal ?? StorageError)
    await uploads[3]?.complete()
    assert.deepEqual(
      (await second.list('')).map(({ key }) => key),
      ['20261125/b-store-1.tri'],
    )
  })

  test(`listings have no end at 1,000 keys, and go by the bytes of the keys (${kind})`, async () => {
    await using place = await open()
    const { store } = place
    const keys = Array.from({ length: 1_005 }, (_, index) => `20261125/a-store-${index}.tri`)
    for (let from = 0; from < keys.length; from += 50)
      await Promise.all(keys.slice(from, from + 50).map((key) => place.putForeign(key, Buffer.from('x'))))
    await place.putForeign('20261125/b-store-1.tri', Buffer.from('x'))
    const listed = (await store.list('20261125/a-')).map(({ key }) => key)
    assert.deepEqual(listed, [...keys].sort())
  })

  test(`days are told, and nothing else that lies there (${kind})`, async () => {
    await using place = await open()
    const { store } = place
    for (const key of ['20261124/a-store-1.tri', '20251231/b', 'notes/x', '20261399/x', '2026/x', 'plain'])
      await place.putForeign(key, Buffer.from('x'))
    assert.deepEqual(await store.listDays(), ['20251231', '20261124'])
  })

  test(`what is not there is said to be not there (${kind})`, async () => {
    await using place = await open()
    await assert.rejects(bytesOf(place.store, '20261125/none.tri'), NotFoundError)
    await place.store.remove('20261125/none.tri')
    assert.deepEqual(await place.store.list('20261125/'), [])
  })

  test(`an object can be removed (${kind})`, async () => {
    await using place = await open()
    await place.putForeign('20261125/a-store-1.tri', Buffer.from('x'))
    await place.store.remove('20261125/a-store-1.tri')
    assert.deepEqual(await place.store.list(''), [])
  })
}

async function bytesOf(store: ArchiveStore, key: string, range = {}): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of store.read(key, range)) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function textOf(store: ArchiveStore, key: string): Promise<string> {
  return (await bytesOf(store, key)).toString()
}
