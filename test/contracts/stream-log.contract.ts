import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { packedLength, packRecord } from '../../src/local/records/packed-records.ts'
import type { AppendBlock, LogPage, ReadQuery, StreamLog } from '../../src/local/stream-log.ts'

/** A block of records `key-<seqIx>` / `data of <seqIx>`, all with the arrival given. */
export function blockOf(shardIndex: number, firstSeqIx: number, recordCount: number, arrivalMs: number): AppendBlock {
  const texts = Array.from({ length: recordCount }, (_, each) => textsOf(shardIndex, firstSeqIx + each))
  const bytes = Buffer.alloc(texts.reduce((sum, { key, data }) => sum + packedLength(key?.length ?? 0, data.length), 0))
  let at = 0
  for (const { key, data } of texts) at = packRecord(bytes, at, key, data)
  return { shardIndex, firstSeqIx, recordCount, seqTimeSeconds: Math.floor(arrivalMs / 1000), arrivalMs, bytes }
}

/** Every seventh record has no key, every fifth no data. */
function textsOf(shardIndex: number, seqIx: number): { key: Buffer | undefined; data: Buffer } {
  const key = seqIx % 7 === 0 ? undefined : Buffer.from(`key-${seqIx}`)
  return { key, data: Buffer.from(seqIx % 5 === 0 ? '' : `shard ${shardIndex} data of ${seqIx}`) }
}

export interface ReadRecord {
  seqIx: number
  arrivalMs: number
  seqTimeSeconds: number
}

/** The records of a page, each compared with what `blockOf` made of its seqIx. */
export function recordsOf(page: LogPage, shardIndex: number): ReadRecord[] {
  const records: ReadRecord[] = []
  for (const block of page.blocks) {
    const { arrivalMs, seqTimeSeconds } = block
    const expected = blockOf(shardIndex, block.firstSeqIx, block.recordCount, arrivalMs)
    assert.ok(
      block.bytes.equals(expected.bytes),
      `records from ${block.firstSeqIx} of shard ${shardIndex} are as they were`,
    )
    for (let each = 0; each < block.recordCount; each++)
      records.push({ seqIx: block.firstSeqIx + each, arrivalMs, seqTimeSeconds })
  }
  assert.equal(records.length, page.recordCount)
  return records
}

/** Reads a shard to its tip, page by page. */
export async function readAll(
  log: StreamLog,
  query: Partial<ReadQuery> & { shardIndex: number },
): Promise<ReadRecord[]> {
  const records: ReadRecord[] = []
  let fromSeqIx = query.fromSeqIx ?? 0
  for (;;) {
    const page = await log.read({ ...everything, ...query, fromSeqIx })
    const found = recordsOf(page, query.shardIndex)
    records.push(...found)
    assert.equal(page.nextSeqIx, found.length === 0 ? fromSeqIx : (found.at(-1)?.seqIx ?? 0) + 1)
    if (page.reachesTip) return records
    assert.ok(found.length > 0, 'a page that does not reach the tip holds something')
    fromSeqIx = page.nextSeqIx
  }
}

export const everything = { fromSeqIx: 0, notBeforeMs: 0, maxRecords: 10_000, maxBytes: 10 * 1024 * 1024 }

/** What every `StreamLog` promises. `open` answers an empty one. */
export function streamLogContract(name: string, open: () => Promise<StreamLog>): void {
  describe(`a stream log ${name}`, () => {
    async function withLog(act: (log: StreamLog) => Promise<void>): Promise<void> {
      const log = await open()
      try {
        await act(log)
      } finally {
        await log.close()
      }
    }

    const seqIxs = (records: ReadRecord[]) => records.map((record) => record.seqIx)
    const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, each) => first + each)

    test('knows nothing in the beginning', () =>
      withLog(async (log) => {
        const { giveBack, ...page } = await log.read({ ...everything, shardIndex: 0 })
        assert.deepEqual(page, { blocks: [], recordCount: 0, nextSeqIx: 0, reachesTip: true })
        giveBack?.()
        assert.equal(await log.seqIxAt(0, 0), undefined)
        assert.equal(log.tails().size, 0)
        assert.equal(await log.trim(Number.MAX_SAFE_INTEGER), 0)
      }))

    test('gives every shard its records back, in order, with keys, data and times', () =>
      withLog(async (log) => {
        await log.append([blockOf(0, 1, 3, 5_000), blockOf(7, 4, 2, 5_000)])
        await log.append([blockOf(0, 10, 1, 6_500)])
        assert.deepEqual(await readAll(log, { shardIndex: 0 }), [
          ...[1, 2, 3].map((seqIx) => ({ seqIx, arrivalMs: 5_000, seqTimeSeconds: 5 })),
          { seqIx: 10, arrivalMs: 6_500, seqTimeSeconds: 6 },
        ])
        assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 7 })), [4, 5])
        assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 1 })), [])
      }))

    test('starts in the middle of a block, and between blocks at the next record', () =>
      withLog(async (log) => {
        await log.append([blockOf(0, 1, 10, 1_000)])
        await log.append([blockOf(0, 20, 10, 2_000)])
        assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 0, fromSeqIx: 8 })), [8, 9, 10, ...range(20, 29)])
        assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 0, fromSeqIx: 15 })), range(20, 29))
        assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 0, fromSeqIx: 30 })), [])
      }))

    for (const maxRecords of [1, 2, 3, 7, 10, 11, 100])
      test(`pages of ${maxRecords} records put together give everything once`, () =>
        withLog(async (log) => {
          for (let block = 0; block < 10; block++) await log.append([blockOf(0, block * 9 + 1, 9, 1_000 + block)])
          const first = await log.read({ ...everything, shardIndex: 0, maxRecords })
          assert.equal(first.recordCount, Math.min(maxRecords, 90))
          assert.equal(first.reachesTip, maxRecords >= 90)
          assert.deepEqual(
            await readAll(log, { shardIndex: 0, maxRecords }),
            range(1, 90).map((seqIx) => ({ seqIx, arrivalMs: 1_000 + Math.floor((seqIx - 1) / 9), seqTimeSeconds: 1 })),
          )
        }))

    test('a page holds at most the bytes asked for, keys and data counted, but always one record', () =>
      withLog(async (log) => {
        for (let block = 0; block < 10; block++) await log.append([blockOf(0, block * 9 + 1, 9, 1_000 + block)])
        for (const maxBytes of [1, 30, 60, 100, 250]) {
          const page = await log.read({ ...everything, shardIndex: 0, maxBytes })
          const bytes = page.blocks.reduce((sum, block) => sum + block.bytes.length - 6 * block.recordCount, 0)
          assert.ok(bytes <= maxBytes || page.recordCount === 1, `${bytes} bytes where ${maxBytes} were asked for`)
          const oneMore = await log.read({ ...everything, shardIndex: 0, maxRecords: page.recordCount + 1 })
          const more = oneMore.blocks.reduce((sum, block) => sum + block.bytes.length - 6 * block.recordCount, 0)
          assert.ok(more > maxBytes, 'one more would not have fitted')
          assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 0, maxBytes })), range(1, 90))
        }
      }))

    test('records from before the moment asked for are never read', () =>
      withLog(async (log) => {
        for (let block = 0; block < 10; block++) await log.append([blockOf(0, block * 3 + 1, 3, 1_000 + block * 10)])
        assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 0, notBeforeMs: 1_050 })), range(16, 30))
        assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 0, notBeforeMs: 1_051, fromSeqIx: 2 })), range(19, 30))
        assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 0, notBeforeMs: 2_000 })), [])
      }))

    test('finds the first record that arrived at a moment or after it', () =>
      withLog(async (log) => {
        for (let block = 0; block < 10; block++)
          await log.append([
            blockOf(0, block * 3 + 1, 3, 1_000 + Math.floor(block / 2) * 10),
            blockOf(1, block + 1, 1, 9),
          ])
        const cases: [number, number | undefined][] = [
          [0, 1],
          [1_000, 1],
          [1_001, 7],
          [1_010, 7],
          [1_040, 25],
          [1_041, undefined],
        ]
        for (const [arrivalMs, seqIx] of cases) assert.equal(await log.seqIxAt(0, arrivalMs), seqIx, `at ${arrivalMs}`)
        assert.equal(await log.seqIxAt(2, 0), undefined)
      }))

    test('knows the last record of each shard', () =>
      withLog(async (log) => {
        await log.append([blockOf(0, 1, 3, 5_000), blockOf(7, 4, 2, 5_000)])
        await log.append([blockOf(7, 6, 1, 7_900)])
        assert.deepEqual(
          [...log.tails()].sort(([one], [other]) => one - other),
          [
            [0, { lastSeqIx: 3, lastSeqTimeSeconds: 5, lastArrivalMs: 5_000 }],
            [7, { lastSeqIx: 6, lastSeqTimeSeconds: 7, lastArrivalMs: 7_900 }],
          ],
        )
      }))

    test('appends that run at once all arrive, in the order in which they were begun', () =>
      withLog(async (log) => {
        const appends = range(0, 199).map((each) => log.append([blockOf(each % 3, each * 2 + 1, 2, 1_000 + each)]))
        await Promise.all(appends)
        for (const shardIndex of [0, 1, 2]) {
          const expected = range(0, 199).filter((each) => each % 3 === shardIndex)
          const found = seqIxs(await readAll(log, { shardIndex, maxRecords: 17 }))
          assert.deepEqual(
            found,
            expected.flatMap((each) => [each * 2 + 1, each * 2 + 2]),
          )
        }
      }))

    test('what was appended may be overwritten by its owner afterwards', () =>
      withLog(async (log) => {
        const block = blockOf(0, 1, 5, 1_000)
        await log.append([block])
        block.bytes.fill(0xee)
        assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 0 })), range(1, 5))
      }))

    test('a page stays as it is while more is appended and read', () =>
      withLog(async (log) => {
        await log.append([blockOf(0, 1, 100, 1_000)])
        const page = await log.read({ ...everything, shardIndex: 0 })
        for (let more = 1; more < 50; more++) {
          await log.append([blockOf(0, more * 100 + 1, 100, 1_000)])
          await log.read({ ...everything, shardIndex: 0, fromSeqIx: more * 100 })
        }
        assert.deepEqual(seqIxs(recordsOf(page, 0)), range(1, 100))
      }))

    test('a large record is read like a small one', () =>
      withLog(async (log) => {
        const data = Buffer.alloc(10 * 1024 * 1024, 'large ')
        const bytes = Buffer.alloc(packedLength(3, data.length))
        packRecord(bytes, 0, Buffer.from('key'), data)
        const times = { seqTimeSeconds: 1, arrivalMs: 1_000 }
        await log.append([{ shardIndex: 0, firstSeqIx: 1, recordCount: 1, ...times, bytes }])
        await log.append([blockOf(0, 2, 3, 2_000)])
        const page = await log.read({ ...everything, shardIndex: 0 })
        assert.equal(page.recordCount, 1)
        assert.ok(page.blocks[0]?.bytes.equals(bytes))
        assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 0, fromSeqIx: 2 })), [2, 3, 4])
      }))

    test('trimming takes nothing that is young enough, and leaves tails and later records as they are', () =>
      withLog(async (log) => {
        for (let block = 0; block < 30; block++)
          await log.append([
            blockOf(0, block * 3 + 1, 3, 1_000 + block * 10),
            blockOf(100 + block, 1_000, 1, 1_000 + block * 10),
          ])
        const tails = [...log.tails()]
        await log.trim(1_150)
        assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 0, notBeforeMs: 1_150 })), [...range(46, 90)])
        assert.deepEqual([...log.tails()], tails)
        await log.trim(Number.MAX_SAFE_INTEGER)
        assert.deepEqual(await readAll(log, { shardIndex: 0, notBeforeMs: 5_000 }), [])
        assert.equal(await log.seqIxAt(0, 5_000), undefined)
        assert.deepEqual([...log.tails()], tails)
        await log.append([blockOf(0, 100, 2, 6_000)])
        assert.deepEqual(seqIxs(await readAll(log, { shardIndex: 0, notBeforeMs: 5_000 })), [100, 101])
      }))
  })
}
