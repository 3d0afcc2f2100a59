/**
 * The engine's log on its own, without HTTP: how long appends, reads and a restart take, and how much memory they need.
 * Baselines of the same run: the same bytes written and read by bare file calls.
 *
 *     node --import tsx bench/journal.ts [records, default 1,000,000]
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SyncRule } from '../src/journal/group-sync.ts'
import { openJournalStreamLog } from '../src/local/journal-stream-log.ts'
import { packRecord } from '../src/local/records/packed-records.ts'
import type { AppendBlock, StreamLog } from '../src/local/stream-log.ts'

const recordCount = Number(process.argv[2] ?? 1_000_000)
const recordBytes = 200
const key = Buffer.from('key-0123456789')
const root = mkdtempSync(join(tmpdir(), 'triton-bench-'))

interface Load {
  name: string
  shardCount: number
  /** Records per append. */
  requestRecords: number
  appendsAtOnce: number
  sync: SyncRule
  share: number
}

const loads: Load[] = [
  { name: '500 a request, 1 shard', shardCount: 1, requestRecords: 500, appendsAtOnce: 4, sync: 'interval', share: 1 },
  { name: '500 a request, 4 shards', shardCount: 4, requestRecords: 500, appendsAtOnce: 4, sync: 'interval', share: 1 },
  { name: '500 a request, 4 shards', shardCount: 4, requestRecords: 500, appendsAtOnce: 4, sync: 'always', share: 1 },
  {
    name: '500 a request, 100 shards',
    shardCount: 100,
    requestRecords: 500,
    appendsAtOnce: 4,
    sync: 'interval',
    share: 1,
  },
  { name: '1 a request, 4 shards', shardCount: 4, requestRecords: 1, appendsAtOnce: 64, sync: 'interval', share: 1 },
  { name: '1 a request, 4 shards', shardCount: 4, requestRecords: 1, appendsAtOnce: 64, sync: 'always', share: 0.1 },
]

try {
  bareFile()
  for (const load of loads) await measure(load)
} finally {
  rmSync(root, { recursive: true, force: true })
}

function bareFile(): void {
  const request = Buffer.alloc(500 * (recordBytes + key.length + 6), 7)
  const path = join(root, 'bare')
  const count = Math.ceil(recordCount / 500)
  const file = openSync(path, 'w+')
  const writeUs = timed(() => {
    for (let each = 0; each < count; each++) writeSync(file, request)
  })
  const chunk = Buffer.alloc(512 * 1024)
  const readUs = timed(() => {
    while (readSync(file, chunk) > 0 || readSync(file, chunk, 0, chunk.length, null) > 0);
    let at = 0
    for (let got = 1; got > 0; at += got) got = readSync(file, chunk, 0, chunk.length, at)
  })
  closeSync(file)
  say('bare file', { 'write us/rec': writeUs / recordCount, 'read us/rec': readUs / recordCount })
}

async function measure(load: Load): Promise<void> {
  const dir = join(root, `${load.shardCount}-${load.requestRecords}-${load.sync}`)
  const count = Math.round(recordCount * load.share)
  let log = await openJournalStreamLog({ dir, sync: load.sync })
  const before = process.cpuUsage()
  const appendMs = await timedAsync(() => fill(log, load, count))
  const appendCpu = process.cpuUsage(before)
  await log.close()
  gc()
  const rssBefore = process.memoryUsage.rss()
  let openedMs = 0
  openedMs = await timedAsync(async () => {
    log = await openJournalStreamLog({ dir, sync: load.sync })
  })
  const readBefore = process.cpuUsage()
  let pages = 0
  let readRecords = 0
  const readMs = await timedAsync(async () => {
    const shard = load.shardCount - 1
    for (let from = 0; ; ) {
      const page = await log.read({
        shardIndex: shard,
        fromSeqIx: from,
        notBeforeMs: 0,
        maxRecords: 10_000,
        maxBytes: 10 * 1024 * 1024,
      })
      from = page.nextSeqIx
      readRecords += page.recordCount
      pages += 1
      if (page.reachesTip) break
    }
  })
  const readCpu = process.cpuUsage(readBefore)
  gc()
  say(`${load.name}, ${load.sync}`, {
    'append rec/s': count / (appendMs / 1000),
    'append cpu us/rec': (appendCpu.user + appendCpu.system) / count,
    'open ms': openedMs,
    'read rec/s': readRecords / (readMs / 1000),
    'read cpu us/rec': (readCpu.user + readCpu.system) / readRecords,
    pages,
    'rss MB': process.memoryUsage.rss() / 1e6,
    'rss growth MB': (process.memoryUsage.rss() - rssBefore) / 1e6,
  })
  await log.close()
  rmSync(dir, { recursive: true, force: true })
}

async function fill(log: StreamLog, load: Load, count: number): Promise<void> {
  const perShard = Math.max(1, load.requestRecords / load.shardCount)
  const block = Buffer.alloc(perShard * (recordBytes + key.length + 6))
  const data = Buffer.alloc(recordBytes, 7)
  for (let each = 0, at = 0; each < perShard; each++) at = packRecord(block, at, key, data)
  const nextSeqIx = new Array<number>(load.shardCount).fill(1)
  const requests = count / load.requestRecords
  let sent = 0
  const client = async () => {
    while (sent < requests) {
      const request = sent++
      const blocks: AppendBlock[] = []
      const first = load.requestRecords === 1 ? request % load.shardCount : 0
      const last = load.requestRecords === 1 ? first : load.shardCount - 1
      for (let shard = first; shard <= last; shard++) {
        const firstSeqIx = nextSeqIx[shard] ?? 1
        nextSeqIx[shard] = firstSeqIx + perShard
        const now = Date.now()
        blocks.push({
          shardIndex: shard,
          firstSeqIx,
          recordCount: perShard,
          seqTimeSeconds: Math.floor(now / 1000),
          arrivalMs: now,
          bytes: block,
        })
      }
      await log.append(blocks)
    }
  }
  await Promise.all(Array.from({ length: load.appendsAtOnce }, client))
}

function gc(): void {
  globalThis.gc?.()
}

function timed(act: () => void): number {
  const start = performance.now()
  act()
  return (performance.now() - start) * 1000
}

async function timedAsync(act: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await act()
  return performance.now() - start
}

function say(name: string, figures: Record<string, number>): void {
  const text = Object.entries(figures).map(
    ([what, value]) => `${what} ${value >= 100 ? Math.round(value) : value.toPrecision(3)}`,
  )
  console.log(`${name.padEnd(36)} ${text.join('  ')}`)
}
