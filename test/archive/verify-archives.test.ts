import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { describeArchives, summarizeArchives } from '../../src/archive/describe-archives.ts'
import type { ObjectFooter } from '../../src/archive/object-footer.ts'
import { openStore } from '../../src/archive/open-store.ts'
import { chainFaults, verifyArchives } from '../../src/archive/verify-archives.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { ArchivePlace } from '../support/archive-place.ts'
import { untilActive } from '../support/reshard-load.ts'

async function placeWithArchives(runCount: number): Promise<ArchivePlace> {
  const place = await ArchivePlace.open()
  await place.api.createStream('orders', 2)
  await untilActive(place.api, 'orders')
  for (let run = 0; run < runCount; run++) {
    const entries = Array.from({ length: 50 }, (_, n) => ({ data: encodeMsgpack({ run, n }), partitionKey: `${n}` }))
    await place.api.putRecords('orders', [...entries, { data: Buffer.from('odd'), partitionKey: 'odd' }])
    await place.storeAll('orders')
  }
  return place
}

async function faultsOf(place: ArchivePlace): Promise<string[]> {
  const archives = await describeArchives(place.store)
  const faults: string[] = []
  for await (const verified of verifyArchives(place.store, archives)) faults.push(...verified.faults)
  return faults
}

test('what was stored verifies, side objects included, and is described and summed up', async () => {
  await using place = await placeWithArchives(3)
  assert.deepEqual(await faultsOf(place), [])
  const archives = await describeArchives(place.store, { stream: 'orders' })
  assert.equal(archives.length, 3)
  assert.ok(archives.every(({ side }) => side !== undefined))
  const [summary, ...others] = summarizeArchives(archives)
  assert.deepEqual(others, [])
  assert.equal(summary?.recordCount, 150)
  assert.equal(summary?.undecodableCount, 3)
  assert.equal(summary?.shardCount, 2)
  assert.deepEqual(await describeArchives(place.store, { stream: 'order' }), [])
  assert.deepEqual(await describeArchives(place.store, { client: 'backup' }), [])
})

test('an object that is gone is a gap, one that was copied an overlap, a flipped bit a checksum', async () => {
  await using place = await placeWithArchives(3)
  const [first, second, third] = await describeArchives(place.store)
  const path = (key = '') => join(place.directory, 'store', key)
  const bytes = readFileSync(path(second?.key))
  await place.store.remove(second?.key ?? '')
  await place.store.remove(second?.side?.key ?? '')
  const gaps = await faultsOf(place)
  assert.equal(gaps.length, 2)
  assert.match(
    gaps[0] ?? '',
    /a gap in shardId-00000000000\d: the object before ended at \d+, this one goes on after \d+/,
  )
  writeFileSync(path(second?.key), bytes)
  writeFileSync(path(third?.key), readFileSync(path(first?.key)))
  assert.ok((await faultsOf(place)).some((fault) => fault.startsWith('shardId-') || fault.startsWith('an overlap')))
  bytes[200] = (bytes[200] as number) ^ 1
  writeFileSync(path(second?.key), bytes)
  assert.ok((await faultsOf(place)).some((fault) => /checksum/.test(fault)))
})

test('a file that was cut where a chunk ends is found out', async () => {
  await using place = await placeWithArchives(1)
  const [archive] = await describeArchives(place.store)
  const path = join(place.directory, 'store', archive?.key ?? '')
  const bytes = readFileSync(path)
  writeFileSync(path, bytes.subarray(0, bytes.indexOf('TRI\u0001F', 0, 'latin1') - 4))
  assert.deepEqual(await faultsOf(place), ['it holds positions and ends without a footer: the file was cut'])
})

test('a footer that lies is found out', async () => {
  const span = { shardId: 'shardId-000000000000', count: 1, isFinished: false }
  const footer = (fields: object) => ({ stream: 's', client: 'c', ...fields }) as unknown as ObjectFooter
  const object = (seconds: number, shards: object[]) => ({
    ...{ key: `${seconds}`, stream: 's', who: 'c' },
    footer: footer({ shards }),
  })
  const faults = (...objects: ReturnType<typeof object>[]) => chainFaults(objects).flatMap((each) => each.faults)
  assert.deepEqual(
    faults(
      object(1, [{ ...span, first: '1', last: '5' }]),
      object(2, [{ ...span, after: '5', first: '6', last: '9' }]),
    ),
    [],
  )
  assert.match(
    faults(object(1, [{ ...span, last: '5' }]), object(2, [{ ...span, after: '4', last: '9' }])).join(),
    /an overlap in shardId-000000000000: the object before ended at 5, this one goes on after 4/,
  )
  assert.match(faults(object(1, [{ ...span, last: '5' }]), object(2, [{ ...span, last: '9' }])).join(), /begins anew/)
  assert.match(faults(object(1, []), object(2, [{ ...span, after: '3', last: '9' }])).join(), /which no object before/)
})

test('archives of older programs verify as far as they can, and what is no archive is told', async () => {
  const tree = join(import.meta.dirname, '../golden/tree')
  await using store = openStore(pathToFileURL(tree).href)
  const foreign: string[] = []
  const archives = await describeArchives(store, {}, (key) => foreign.push(key))
  assert.equal(archives.length, readFileSync(`${tree}.expected.jsonl`, 'utf8').trim().split('\n').length)
  assert.deepEqual(foreign, [])
  for await (const { recordCount, faults } of verifyArchives(store, archives)) {
    assert.equal(recordCount, 3)
    assert.deepEqual(faults, [])
  }
})
