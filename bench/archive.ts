/**
 * What archives cost: CPU a record of about 190 bytes (8 fields) to print them, to read them and to write them, beside a
 * bare loop of the same libraries in the same run, each in a process of its own; then `store` from the local engine into
 * a directory, and its memory. The memory of reading a large day: bench/archive-day.ts.
 *
 *     node --import tsx bench/archive.ts [records a round, default 300,000] [records stored, default 1,000,000]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Unpackr } from 'msgpackr'
import { uncompressSync } from 'snappy'
import { openStore } from '../src/archive/open-store.ts'
import { storeStream } from '../src/archive/store-stream.ts'
import { streamFromStore } from '../src/archive/stream-from-store.ts'
import { MemoryCheckpointStore } from '../src/checkpoint/memory-checkpoint-store.ts'
import { createAwsKinesisApi } from '../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../src/kinesis/kinesis-api.ts'
import { encodeMsgpack } from '../src/record/msgpack-encode.ts'
import { TriWriter } from '../src/record/tri-writer.ts'
import { archiveOf, eventOf, placeOf } from './support/bench-events.ts'
import { writeBenchReport } from './support/bench-report.ts'
import { median } from './support/cpu-us-per-record.ts'
import { startEngineProcess } from './support/engine-process.ts'
import { buildProgram, programMemory } from './support/program-memory.ts'

interface StoreTask {
  endpoint: string
  directory: string
}

interface StoreResult {
  cpuUs: number
  seconds: number
  recordCount: number
}

type Way = 'cat' | 'bareCat' | 'read' | 'bareRead' | 'write'

interface WayTask {
  way: Way
  directory: string
  recordCount: number
}

async function bench(): Promise<void> {
  const recordCount = Number(process.argv[2] ?? 300_000)
  const storedCount = Number(process.argv[3] ?? 1_000_000)
  const directory = mkdtempSync(join(tmpdir(), 'triton-bench-'))
  mkdirSync(join(directory, '20260101'))
  writeFileSync(fileIn(directory), archiveOf(recordCount))
  const times: Record<Way, number> = { bareCat: 0, cat: 0, bareRead: 0, read: 0, write: 0 }
  for (const way of Object.keys(times) as Way[]) times[way] = await timeOf({ way, directory, recordCount })
  const of = (way: Way) => times[way]
  const { stored, smallRssBytes, largeRssBytes } = await storeFromEngine(directory, storedCount)
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
      ...{ what: 'store from the local engine', value: stored.cpuUs / stored.recordCount, unit },
      target: { atMost: 4, of: 'value' },
    },
    {
      ...{ what: 'store from the local engine', value: stored.recordCount / stored.seconds, unit: 'records/s' },
      target: { atLeast: 100_000, of: 'value' },
    },
    {
      ...{ what: 'RSS of triton store, rotating at 4 MiB', value: smallRssBytes / 2 ** 20, unit: 'MiB' },
      target: { atMost: 200, of: 'value' },
    },
    {
      ...{ what: 'RSS of triton store, rotating at 1 GiB', value: largeRssBytes / 2 ** 20, unit: 'MiB' },
      target: { atMost: 200, of: 'value' },
    },
  ])
}

function fileIn(directory: string): string {
  return join(directory, '20260101/bench-store-1.tri')
}

/** Microseconds of CPU a record, of a process that does nothing else; what it prints goes to /dev/null. */
async function timeOf(task: WayTask): Promise<number> {
  const sink = openSync('/dev/null', 'w')
  const stdio = ['ignore', sink, 'inherit', 'ipc'] as const
  const child = fork(import.meta.filename, ['way'], { execArgv: ['--import', 'tsx'], stdio: [...stdio] })
  child.send(task)
  const [time] = (await once(child, 'message')) as [number]
  return time
}

async function timeHere({ way, directory, recordCount }: WayTask): Promise<void> {
  const { count, act } = actOf(way, directory, recordCount)
  const times: number[] = []
  for (let round = 0; round <= 7; round++) {
    const before = process.cpuUsage()
    await act()
    const { user, system } = process.cpuUsage(before)
    // The first round warms up.
    if (round > 0) times.push((user + system) / count)
  }
  process.send?.(median(times), () => process.disconnect())
}

function actOf(way: Way, directory: string, recordCount: number): { count: number; act: () => unknown } {
  const file = fileIn(directory)
  const unpackr = new Unpackr({ useRecords: false })
  switch (way) {
    case 'cat':
      return {
        count: recordCount,
        // Loaded here only: configuration and flags would count as memory of a store that never sees them.
        act: async () =>
          (await import('../src/cli/cat-archives.ts')).catArchives([file], { format: 'json', verbose: 0 }),
      }
    case 'bareCat':
      return {
        count: recordCount,
        act: () => {
          for (const plain of bareChunks(readFileSync(file))) {
            let text = ''
            for (const value of unpackr.unpackMultiple(plain) as unknown[]) text += `${JSON.stringify(value)}\n`
            writeSync(1, text)
          }
        },
      }
    case 'read':
      return {
        count: recordCount,
        act: async () => {
          let count = 0
          const definition = { name: 'bench', format: 'msgpack' } as const
          await using store = openStore(pathToFileURL(directory).href)
          for await (const data of streamFromStore(store, definition, '20260101')) if (data !== undefined) count += 1
          check(count, recordCount)
        },
      }
    case 'bareRead':
      return {
        count: recordCount,
        act: () => {
          let count = 0
          for (const plain of bareChunks(readFileSync(file)))
            count += (unpackr.unpackMultiple(plain) as unknown[]).length
          check(count, recordCount)
        },
      }
    case 'write': {
      const count = Math.min(recordCount, mostInMemory)
      const records = Array.from({ length: count }, (_, n) => Buffer.from(encodeMsgpack(eventOf(n))))
      const places = records.map((_, n) => placeOf(n))
      return { count, act: () => writeAll(records, places) }
    }
  }
}

/** As a store does it: what is ready is handed on, and kept no longer. */
function writeAll(records: readonly Buffer[], places: readonly ReturnType<typeof placeOf>[]): void {
  const writer = new TriWriter()
  let fileBytes = 0
  const handOn = () => {
    for (const { length } of writer.take()) fileBytes += length
  }
  for (let i = 0; i < records.length; i++) {
    writer.add(records[i] as Buffer, places[i] as (typeof places)[0])
    if (writer.waitingBytes > 65_536) handOn()
  }
  writer.end()
  handOn()
  check(fileBytes, writer.fileBytes)
}

/** Beyond, most of what is measured is V8 looking through the records that wait to be written. */
const mostInMemory = 100_000

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

/** What storing costs a process that is warm, and the memory that the program takes for the same stream. */
async function storeFromEngine(directory: string, count: number) {
  const engine = await startEngineProcess({
    streams: ['warm', 'bench'].map((name) => ({ name, shardCount: 4 })),
    createStreamMs: 0,
  })
  try {
    const { endpoint } = engine
    const api = createAwsKinesisApi({ endpoint, region: 'us-east-1' })
    await fill(api, 'warm', 40_000)
    await fill(api, 'bench', count)
    api.close()
    const child = fork(import.meta.filename, ['store'], { execArgv: ['--import', 'tsx'] })
    child.send({ endpoint, directory: placeIn(directory, 'stored') } satisfies StoreTask)
    const [stored] = (await once(child, 'message')) as [StoreResult]
    check(stored.recordCount, count)
    buildProgram()
    const smallRssBytes = await memoryOfStore(endpoint, placeIn(directory, 'small'), '4MiB')
    const largeRssBytes = await memoryOfStore(endpoint, placeIn(directory, 'large'), '1GiB')
    return { stored, smallRssBytes, largeRssBytes }
  } finally {
    await engine.close()
  }
}

function placeIn(directory: string, name: string): string {
  const place = join(directory, name)
  mkdirSync(place)
  return place
}

/** To the tip of the stream. */
function memoryOfStore(endpoint: string, place: string, rotateBytes: string): Promise<number> {
  const config = join(place, 'triton.yaml')
  writeFileSync(config, `bench: { name: bench, partition_key: id, endpoint: '${endpoint}' }\n`)
  const words = ['store', '-s', 'bench', '--store', pathToFileURL(place).href, '--rotate-bytes', rotateBytes]
  return programMemory([...words, '--until-caught-up'], {
    TRITON_CONFIG: config,
    TRITON_DB: `sqlite://${join(place, 'checkpoints.db')}`,
  })
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

async function storeHere({ endpoint, directory }: StoreTask): Promise<void> {
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
      { untilCaughtUp: true, callsPerSecond: Number.POSITIVE_INFINITY, idlePollMs: 0 },
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
    recordCount,
  }
  api.close()
  process.send?.(result, () => process.disconnect())
}

function check(count: number, expected: number): void {
  if (count !== expected) throw new Error(`${count} of ${expected} records came`)
}

if (process.argv[2] === 'way') process.once('message', (task) => void timeHere(task as WayTask))
else if (process.argv[2] === 'store') process.once('message', (task) => void storeHere(task as StoreTask))
else await bench()
