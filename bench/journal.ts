/**
 * The engine's log on its own, without HTTP: appends, pages of one shard, and a start with everything stored.
 * The baselines of the same run are the same bytes written and read by bare file calls.
 *
 *     node --import tsx bench/journal.ts [records, default 1,000,000]
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SyncRule } from '../src/journal/group-sync.ts'
import { openJournalStreamLog } from '../src/local/journal-stream-log.ts'
import { packedLength, packRecord } from '../src/local/records/packed-records.ts'
import type { AppendBlock, StreamLog } from '../src/local/stream-log.ts'
import { type BenchRow, writeBenchReport } from './support/bench-report.ts'

const recordCount = Number(process.argv[2] ?? 1_000_000)
const key = Buffer.from('key-0123456789')
const data = Buffer.alloc(200, 7)
const recordBytes = packedLength(key.length, data.length)

interface Load {
  shardCount: number
  /** Records per append. */
  requestRecords: number
  appendsAtOnce: number
  sync: SyncRule
  share: number
  targets?: { appends: number; reads: number }
}

const loads: Load[] = [
  {
    shardCount: 4,
    requestRecords: 500,
    appendsAtOnce: 4,
    sync: 'interval',
    share: 1,
    targets: { appends: 600_000, reads: 1_000_000 },
  },
  {
    shardCount: 4,
    requestRecords: 500,
    appendsAtOnce: 4,
    sync: 'always',
    share: 1,
    targets: { appends: 300_000, reads: 1_000_000 },
  },
  {
    shardCount: 100,
    requestRecords: 500,
    appendsAtOnce: 4,
    sync: 'interval',
    share: 1,
    targets: { appends: 300_000, reads: 100_000 },
  },
  {
    shardCount: 4,
    requestRecords: 1,
    appendsAtOnce: 64,
    sync: 'interval',
    share: 1,
    targets: { appends: 100_000, reads: 150_000 },
  },
  {
    shardCount: 4,
    requestRecords: 1,
    appendsAtOnce: 64,
    sync: 'always',
    share: 0.1,
    targets: { appends: 30_000, reads: 150_000 },
  },
]

const root = mkdtempSync(join(tmpdir(), 'triton-bench-'))
const rows: BenchRow[] = []
try {
  const bare = bareFile()
  for (const load of loads) await measure(load, bare)
} finally {
  rmSync(root, { recursive: true, force: true })
}
writeBenchReport('journal', rows)

interface Bare {
  writtenPerSecond: number
  readPerSecond: number
}

function bareFile(): Bare {
  const request = Buffer.alloc(500 * recordBytes, 7)
  const file = openSync(join(root, 'bare'), 'w+')
  const writtenMs = timed(() => {
    for (let each = 0; each < recordCount / 500; each++) writeSync(file, request)
  })
  const chunk = Buffer.alloc(512 * 1024)
  const readMs = timed(() => {
    for (let at = 0, got = 1; got > 0; at += got) got = readSync(file, chunk, 0, chunk.length, at)
  })
  closeSync(file)
  return { writtenPerSecond: perSecond(recordCount, writtenMs), readPerSecond: perSecond(recordCount, readMs) }
}

async function measure(load: Load, bare: Bare): Promise<void> {
  const name = `${load.requestRecords} a request, ${load.shardCount} shards, ${load.sync}`
  const dir = join(root, name)
  const count = Math.round(recordCount * load.share)
  let log = await openJournalStreamLog({ dir, sync: load.sync })
  const appendMs = await timedAsync(() => fill(log, load, count))
  await log.close()
  const rssBefore = process.memoryUsage.rss()
  const openMs = await timedAsync(async () => {
    log = await openJournalStreamLog({ dir, sync: load.sync })
  })
  let readCount = 0
  // The first shards warm up the compiler; a server is warm.
  await readShard(log, 0)
  const readMs = await timedAsync(async () => {
    for (let shard = 1; shard < Math.min(load.shardCount, 4); shard++) readCount += await readShard(log, shard)
  })
  const rssGrowth = Math.max(0, process.memoryUsage.rss() - rssBefore)
  await log.close()
  rmSync(dir, { recursive: true, force: true })
  const target = (atLeast: number | undefined) =>
    atLeast === undefined ? {} : { target: { atLeast, of: 'value' as const } }
  rows.push(
    {
      what: `append, ${name}`,
      value: perSecond(count, appendMs),
      unit: 'records/s',
      baseline: { what: 'bare writes', value: bare.writtenPerSecond },
      ...target(load.targets?.appends),
    },
    {
      what: `pages of one shard, ${name}`,
      value: perSecond(readCount, readMs),
      unit: 'records/s',
      baseline: { what: 'all bytes by bare reads', value: bare.readPerSecond / load.shardCount },
      ...target(load.targets?.reads),
    },
    {
      what: `start with ${count} records, ${name}`,
      value: openMs,
      unit: 'ms',
      target: { atMost: 1_000, of: 'value' },
    },
    { what: `memory that start and pages took, ${name}`, value: rssGrowth / 1e6, unit: 'MB' },
  )
}

async function readShard(log: StreamLog, shardIndex: number): Promise<number> {
  let count = 0
  for (let fromSeqIx = 0; ; ) {
    const query = { shardIndex, fromSeqIx, notBeforeMs: 0, maxRecords: 10_000, maxBytes: 10 * 1024 * 1024 }
    const page = await log.read(query)
    fromSeqIx = page.nextSeqIx
    count += page.recordCount
    if (page.reachesTip) return count
  }
}

async function fill(log: StreamLog, load: Load, count: number): Promise<void> {
  const blockRecords = Math.max(1, load.requestRecords / load.shardCount)
  const bytes = Buffer.alloc(blockRecords * recordBytes)
  for (let each = 0, at = 0; each < blockRecords; each++) at = packRecord(bytes, at, key, data)
  const nextSeqIx = new Array<number>(load.shardCount).fill(1)
  let requestCount = 0
  const client = async () => {
    while (requestCount * load.requestRecords < count) {
      const request = requestCount++
      const blockCount = load.requestRecords / blockRecords
      const blocks: AppendBlock[] = []
      for (let block = 0; block < blockCount; block++) {
        const shardIndex = (request * blockCount + block) % load.shardCount
        const firstSeqIx = nextSeqIx[shardIndex] ?? 1
        nextSeqIx[shardIndex] = firstSeqIx + blockRecords
        const arrivalMs = Date.now()
        const seqTimeSeconds = Math.floor(arrivalMs / 1000)
        blocks.push({ shardIndex, firstSeqIx, recordCount: blockRecords, seqTimeSeconds, arrivalMs, bytes })
      }
      await log.append(blocks)
    }
  }
  await Promise.all(Array.from({ length: load.appendsAtOnce }, client))
}

function perSecond(count: number, ms: number): number {
  return count / (ms / 1000)
}

function timed(act: () => void): number {
  const start = performance.now()
  act()
  return performance.now() - start
}

async function timedAsync(act: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await act()
  return performance.now() - start
}
