/**
 * What a get costs the process that makes it: CPU per record of 200 bytes, decoding included, beside the AWS SDK used
 * plainly (GetRecords of 10,000, HTTP/1.1 with keep-alive, nothing decoded) on the same engine, in turns. Then the
 * memory of a process that reads 1,000,000 records.
 *
 *     node --import tsx bench/get.ts [records a round, default 100,000] [records for memory, default 1,000,000]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { GetRecordsCommand, GetShardIteratorCommand, KinesisClient, ListShardsCommand } from '@aws-sdk/client-kinesis'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { Stream } from '../src/stream.ts'
import { writeBenchReport } from './support/bench-report.ts'
import { startEngineProcess } from './support/engine-process.ts'

/** What a process used at a quarter, a half, three quarters and the end of its reading. */
type Memory = { rssBytes: number[] }

const catchingUp = { untilCaughtUp: true, callsPerSecond: Number.POSITIVE_INFINITY, idlePollMs: 0 }

if (process.send !== undefined) {
  await readAndWatch(process.argv[2] as string, Number(process.argv[3]))
  process.exit()
}

const roundCount = 7
const recordCount = Number(process.argv[2] ?? 100_000)
const memoryRecordCount = Number(process.argv[3] ?? 1_000_000)
const names = ['bench', 'memory']

const engine = await startEngineProcess({
  streams: names.map((name) => ({ name, shardCount: 4 })),
  createStreamMs: 0,
})
const sdk = new KinesisClient({
  endpoint: engine.endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  requestHandler: new NodeHttpHandler({ httpAgent: new Agent({ keepAlive: true }) }),
})
const stream = streamOf('bench', engine.endpoint)

try {
  await fill('bench', recordCount)
  const times = { sdk: [] as number[], forAwait: [] as number[], batches: [] as number[] }
  for (let round = 0; round <= roundCount; round++) {
    const measured = {
      sdk: await cpuUsPerRecord(readBySdk),
      forAwait: await cpuUsPerRecord(readOneByOne),
      batches: await cpuUsPerRecord(readBatches),
    }
    // The first round warms up.
    if (round === 0) continue
    for (const way of ['sdk', 'forAwait', 'batches'] as const) times[way].push(measured[way])
  }
  await fill('memory', memoryRecordCount)
  const { rssBytes } = await memoryOfAReader(engine.endpoint)
  const baseline = { what: 'AWS SDK, plainly, not decoding', value: median(times.sdk) }
  const unit = 'us of client CPU a record'
  const peakMiB = Math.max(...rssBytes) / 2 ** 20
  const early = { what: 'at a quarter', value: (rssBytes[0] ?? 0) / 2 ** 20 }
  writeBenchReport('get', [
    { what: baseline.what, value: baseline.value, unit },
    { what: 'for await', value: median(times.forAwait), unit, baseline, target: { atMost: 0.6, of: 'ratio' } },
    { what: 'batches', value: median(times.batches), unit, baseline, target: { atMost: 0.6, of: 'ratio' } },
    {
      ...{ what: `RSS over ${memoryRecordCount} records`, value: peakMiB, unit: 'MiB', baseline: early },
      target: { atMost: 250, of: 'value' },
    },
  ])
} finally {
  await stream.close()
  sdk.destroy()
  await engine.close()
}

function streamOf(name: string, endpoint: string): Stream<object> {
  return new Stream<object>({
    ...{ streamName: name, name, partitionKey: 'id', partitionKeyText: 'javascript' },
    ...{ region: 'us-east-1', endpoint, format: 'msgpack', file: 'bench/get.ts' },
  })
}

async function fill(name: string, count: number): Promise<void> {
  await using target = streamOf(name, engine.endpoint)
  for (let from = 0; from < count; from += 10_000) {
    const events = Array.from({ length: Math.min(10_000, count - from) }, (_, offset) => eventOf(from + offset))
    const outcomes = await target.putMany(events)
    if (outcomes.some((outcome) => !outcome.ok)) throw new Error('a record failed')
  }
}

/** 200 bytes of msgpack. */
function eventOf(index: number): object {
  return {
    id: `device-${index % 5000}`,
    ts: 1_767_225_600 + index / 10,
    user: `user-${index}`,
    action: 'checkout.completed',
    amount: index % 1000,
    note: 'x'.repeat(92 - String(index).length),
  }
}

async function readBySdk(): Promise<void> {
  let count = 0
  const { Shards = [] } = await sdk.send(new ListShardsCommand({ StreamName: 'bench' }))
  for (const { ShardId } of Shards) {
    const place = { StreamName: 'bench', ShardId, ShardIteratorType: 'TRIM_HORIZON' } as const
    let { ShardIterator } = await sdk.send(new GetShardIteratorCommand(place))
    while (ShardIterator !== undefined) {
      const answer = await sdk.send(new GetRecordsCommand({ ShardIterator, Limit: 10_000 }))
      for (const { Data } of answer.Records ?? []) if (Data !== undefined) count += 1
      ShardIterator = answer.MillisBehindLatest === 0 ? undefined : answer.NextShardIterator
    }
  }
  check(count)
}

async function readOneByOne(): Promise<void> {
  let count = 0
  for await (const { data } of stream.iterate({ from: 'oldest' }, catchingUp)) if (data !== undefined) count += 1
  check(count)
}

async function readBatches(): Promise<void> {
  let count = 0
  for await (const batch of stream.iterate({ from: 'oldest' }, catchingUp).batches()) {
    for (const { data } of batch) if (data !== undefined) count += 1
  }
  check(count)
}

function check(count: number): void {
  if (count !== recordCount) throw new Error(`${count} of ${recordCount} records came`)
}

async function memoryOfAReader(endpoint: string): Promise<Memory> {
  const child = fork(import.meta.filename, [endpoint, String(memoryRecordCount)])
  const [memory] = (await once(child, 'message')) as [Memory]
  return memory
}

async function readAndWatch(endpoint: string, expected: number): Promise<void> {
  const memory: Memory = { rssBytes: [] }
  await using reading = streamOf('memory', endpoint)
  let count = 0
  for await (const { data } of reading.iterate({ from: 'oldest' }, catchingUp)) {
    if (data === undefined) continue
    count += 1
    if (count % Math.ceil(expected / 4) === 0) memory.rssBytes.push(process.memoryUsage.rss())
  }
  if (count !== expected) throw new Error(`${count} of ${expected} records came`)
  await new Promise((resolve) => process.send?.(memory, resolve))
}

async function cpuUsPerRecord(work: () => Promise<void>): Promise<number> {
  globalThis.gc?.()
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / recordCount
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)] as number
}
