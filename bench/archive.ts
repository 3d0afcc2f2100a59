/**
 * What archives cost: CPU a record of about 190 bytes (8 fields) to print them, to read them and to write them, beside a
 * bare loop of the same libraries in the same run; then `store` from the local engine into a directory, and its memory.
 *
 *     node --import tsx bench/archive.ts [records a round, default 300,000] [records stored, default 1,000,000]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  createReadStream,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Unpackr } from 'msgpackr'
import { uncompressSync } from 'snappy'
import { openStore } from '../src/archive/open-store.ts'
import { readReported } from '../src/archive/read-archives.ts'
import { storeStream } from '../src/archive/store-stream.ts'
import { streamFromStore } from '../src/archive/stream-from-store.ts'
import { MemoryCheckpointStore } from '../src/checkpoint/memory-checkpoint-store.ts'
import { BlockPrinter } from '../src/cli/block-printer.ts'
import { createAwsKinesisApi } from '../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../src/kinesis/kinesis-api.ts'
import { formatSequenceNumber } from '../src/kinesis/sequence-number.ts'
import { randomInteger, seededRandom } from '../src/random.ts'
import { encodeMsgpack } from '../src/record/msgpack-encode.ts'
import { TriWriter } from '../src/record/tri-writer.ts'
import { writeBenchReport } from './support/bench-report.ts'
import { startEngineProcess } from './support/engine-process.ts'

interface StoreTask {
  endpoint: string
  directory: string
  rotateBytes: number
}

interface StoreResult {
  cpuUs: number
  seconds: number
  maxRssBytes: number
  recordCount: number
}

async function bench(): Promise<void> {
  const recordCount = Number(process.argv[2] ?? 300_000)
  const storedCount = Number(process.argv[3] ?? 1_000_000)
  const directory = mkdtempSync(join(tmpdir(), 'triton-bench-'))
  const records = Array.from({ length: recordCount }, (_, n) => Buffer.from(encodeMsgpack(eventOf(n))))
  const places = records.map((_, n) => ({
    shardId: `shardId-00000000000${Math.floor(n / 5_000) % 4}`,
    sequenceNumber: formatSequenceNumber({
      ...{ createTimeSeconds: 1_767_225_600, shardIndex: Math.floor(n / 5_000) % 4 },
      ...{ seqIx: BigInt(n), seqTimeSeconds: 1_767_225_700 + Math.floor(n / 10_000) },
    }),
    partitionKey: `user-${n % 5_000}`,
    arrivedAtMs: 1_767_225_700_000 + Math.floor(n / 10),
  }))
  mkdirSync(join(directory, '20260101'))
  const file = join(directory, '20260101/bench-store-1.tri')
  const write = () => {
    const writer = new TriWriter()
    const pieces: Uint8Array[] = []
    for (let i = 0; i < recordCount; i++) {
      writer.add(records[i] as Buffer, places[i] as (typeof places)[0])
      if (writer.waitingBytes > 65_536) pieces.push(...writer.take())
    }
    writer.end()
    pieces.push(...writer.take())
    return pieces
  }
  writeFileSync(file, Buffer.concat(write()))
  const sink = openSync('/dev/null', 'w')
  const unpackr = new Unpackr({ useRecords: false })
  const ways: Record<string, () => unknown> = {
    bareCat: () => {
      for (const plain of bareChunks(readFileSync(file))) {
        let text = ''
        for (const value of unpackr.unpackMultiple(plain) as unknown[]) text += `${JSON.stringify(value)}\n`
        writeSync(sink, text)
      }
    },
    cat: async () => {
      const printer = new BlockPrinter('msgpack', 'json')
      for await (const part of readReported(createReadStream(file, { highWaterMark: 256 * 1024 }), file, false))
        if (part.type === 'records') writeSync(sink, printer.print(part, file).text)
    },
    bareRead: () => {
      let count = 0
      for (const plain of bareChunks(readFileSync(file))) count += (unpackr.unpackMultiple(plain) as unknown[]).length
      check(count, recordCount)
    },
    read: async () => {
      let count = 0
      const definition = { name: 'bench', format: 'msgpack' } as const
      await using store = openStore(pathToFileURL(directory).href)
      for await (const data of streamFromStore(store, definition, '20260101')) if (data !== undefined) count += 1
      check(count, recordCount)
    },
    write,
  }
  const times = new Map<string, number[]>(Object.keys(ways).map((way) => [way, []]))
  for (let round = 0; round <= 5; round++)
    for (const [way, act] of Object.entries(ways)) {
      const before = process.cpuUsage()
      await act()
      const { user, system } = process.cpuUsage(before)
      // The first round warms up.
      if (round > 0) times.get(way)?.push((user + system) / recordCount)
    }
  closeSync(sink)
  const of = (way: string) => [...(times.get(way) ?? [])].sort((left, right) => left - right)[2] as number
  const small = await storeInChild(directory, storedCount, 4 * 1024 * 1024)
  const large = await storeInChild(directory, storedCount, 1024 * 1024 * 1024)
  const copies = Math.ceil(dayBytes / records.reduce((sum, { length }) => sum + length, 0))
  for (let copy = 2; copy <= copies; copy++) linkSync(file, join(directory, `20260101/bench-store-${copy}.tri`))
  const day = await readInChild({ directory, recordCount: copies * recordCount })
  rmSync(directory, { recursive: true })
  const unit = 'us CPU a record'
  writeBenchReport('archive', [
    { what: 'cat, a local file to JSON lines', value: of('cat'), unit, target: { atMost: 2.5, of: 'value' } },
    {
      ...{ what: 'cat beside a bare loop', value: of('cat'), unit },
      ...{
        baseline: { what: 'snappy, msgpackr, JSON.stringify', value: of('bareCat') },
        target: { atMost: 1.4, of: 'ratio' },
      },
    },
    { what: 'streamFromStore', value: of('read'), unit, target: { atMost: 1.3, of: 'value' } },
    {
      ...{ what: 'streamFromStore beside a bare loop', value: of('read'), unit },
      ...{ baseline: { what: 'snappy, msgpackr', value: of('bareRead') }, target: { atMost: 1.4, of: 'ratio' } },
    },
    { what: 'the archive writer', value: of('write'), unit, target: { atMost: 0.8, of: 'value' } },
    {
      ...{ what: 'store from the local engine', value: large.cpuUs / large.recordCount, unit },
      target: { atMost: 4, of: 'value' },
    },
    {
      ...{ what: 'store from the local engine', value: large.recordCount / large.seconds, unit: 'records/s' },
      target: { atLeast: 100_000, of: 'value' },
    },
    {
      ...{ what: 'RSS of store, rotating at 4 MiB', value: small.maxRssBytes / 2 ** 20, unit: 'MiB' },
      target: { atMost: 200, of: 'value' },
    },
    {
      ...{ what: 'RSS of store, rotating at 1 GiB', value: large.maxRssBytes / 2 ** 20, unit: 'MiB' },
      target: { atMost: 200, of: 'value' },
    },
    {
      ...{
        what: `RSS of streamFromStore over a day of ${copies * recordCount} records`,
        value: day.maxRssBytes / 2 ** 20,
      },
      ...{ unit: 'MiB', target: { atMost: 250, of: 'value' } },
    },
  ])
}

/** Decompressed. Beyond, nothing grows any more. */
const dayBytes = 2 * 2 ** 30

interface ReadTask {
  directory: string
  recordCount: number
}

async function readInChild(task: ReadTask): Promise<{ maxRssBytes: number }> {
  const child = fork(import.meta.filename, ['read'], { execArgv: ['--import', 'tsx'] })
  child.send(task)
  const [result] = (await once(child, 'message')) as [{ maxRssBytes: number }]
  return result
}

async function readHere({ directory, recordCount }: ReadTask): Promise<void> {
  await using store = openStore(pathToFileURL(directory).href)
  let count = 0
  for await (const data of streamFromStore(store, { name: 'bench', format: 'msgpack' }, '20260101'))
    if (data !== undefined) count += 1
  check(count, recordCount)
  process.send?.({ maxRssBytes: process.resourceUsage().maxRSS * 1_024 }, () => process.disconnect())
}

const random = seededRandom(1)
const pick = <T>(from: readonly T[]): T => from[randomInteger(random, from.length)] as T
const words = ['lorem', 'ipsum', 'dolor', 'sit', 'amet', 'consectetur', 'adipiscing', 'elit', 'sed', 'eiusmod']

/** About 190 bytes of msgpack. */
function eventOf(n: number): object {
  return {
    id: `user-${n % 5_000}`,
    origin: pick(['SFO', 'JFK', 'LAX', 'ORD']),
    destination: pick(['SEA', 'BOS', 'ATL', 'DEN']),
    delay: randomInteger(random, 300) - 20,
    distance: randomInteger(random, 4_000),
    ts: 1.7e9 + random.next() * 1e6,
    ok: random.next() < 0.5,
    note: Array.from({ length: 16 }, () => pick(words)).join(' '),
  }
}

/** The plain bytes of a file's data chunks, without a look at checksums. Records don't span chunks in it. */
function* bareChunks(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const type = bytes[at]
    const end = at + 4 + bytes.readUIntLE(at + 1, 3)
    if (type === 0) yield uncompressSync(bytes.subarray(at + 8, end), { asBuffer: true }) as Buffer
    else if (type === 1) yield bytes.subarray(at + 8, end)
    at = end
  }
}

async function storeInChild(directory: string, count: number, rotateBytes: number): Promise<StoreResult> {
  const engine = await startEngineProcess({
    streams: ['warm', 'bench'].map((name) => ({ name, shardCount: 4 })),
    createStreamMs: 0,
  })
  try {
    const api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
    await fill(api, 'warm', 40_000)
    await fill(api, 'bench', count)
    api.close()
    const child = fork(import.meta.filename, ['store'], { execArgv: ['--import', 'tsx'] })
    const target = join(directory, `stored-${rotateBytes}`)
    mkdirSync(target)
    child.send({ endpoint: engine.endpoint, directory: target, rotateBytes } satisfies StoreTask)
    const [result] = (await once(child, 'message')) as [StoreResult]
    check(result.recordCount, count)
    return result
  } finally {
    await engine.close()
  }
}

async function fill(api: KinesisApi, stream: string, count: number): Promise<void> {
  for (let from = 0; from < count; from += 2_000) {
    const offsets = [0, 500, 1_000, 1_500].filter((offset) => from + offset < count)
    const batches = offsets.map((offset) =>
      api.putRecords(
        stream,
        Array.from({ length: Math.min(500, count - from - offset) }, (_, n) => ({
          data: encodeMsgpack(eventOf(from + offset + n)),
          partitionKey: `user-${(from + offset + n) % 5_000}`,
        })),
      ),
    )
    await Promise.all(batches)
  }
}

async function storeHere({ endpoint, directory, rotateBytes }: StoreTask): Promise<void> {
  const { preferSmallHeap } = await import('../src/cli/small-heap.ts')
  preferSmallHeap()
  const api = createAwsKinesisApi({ endpoint, region: 'us-east-1' })
  await using store = openStore(pathToFileURL(directory).href)
  const storeAll = (stream: string) =>
    storeStream(
      { api, stream, format: 'msgpack' },
      store,
      { store: new MemoryCheckpointStore(), client: 'store' },
      { confirm: async () => undefined },
      { untilCaughtUp: true, callsPerSecond: Number.POSITIVE_INFINITY, idlePollMs: 0, rotateBytes },
    )
  // Loads and warms up what a process that stores for months has loaded once.
  await storeAll('warm')
  const before = process.cpuUsage()
  const startedMs = performance.now()
  const { recordCount } = await storeAll('bench')
  const { user, system } = process.cpuUsage(before)
  const result: StoreResult = {
    cpuUs: user + system,
    seconds: (performance.now() - startedMs) / 1_000,
    maxRssBytes: process.resourceUsage().maxRSS * 1_024,
    recordCount,
  }
  api.close()
  process.send?.(result, () => process.disconnect())
}

function check(count: number, expected: number): void {
  if (count !== expected) throw new Error(`${count} of ${expected} records came`)
}

if (process.argv[2] === 'read') process.once('message', (task) => void readHere(task as ReadTask))
else if (process.argv[2] === 'store') process.once('message', (task) => void storeHere(task as StoreTask))
else await bench()
