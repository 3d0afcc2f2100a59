/**
 * Workers. First what handling costs: one worker, four shards, records of 200 bytes, an empty handler, leases in SQLite,
 * beside the plain iterator in the same run. Then a worker that owns a thousand idle shards. Then how long people wait,
 * in so many runs of three processes each: for the first record, after kill -9, after SIGTERM, after a split.
 *
 *     node --import tsx bench/workers.ts [runs, default 20] [records, default 600,000]
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLeaseStore } from '../src/checkpoint/open-checkpoint-store.ts'
import { createAwsKinesisApi } from '../src/kinesis/aws-kinesis-api.ts'
import { createWorker } from '../src/stream/create-worker.ts'
import { Stream } from '../src/stream.ts'
import { type BenchRow, writeBenchReport } from './support/bench-report.ts'
import { BenchWorker } from './support/bench-worker.ts'
import { startEngineProcess } from './support/engine-process.ts'
import { SteadyLoad } from './support/steady-load.ts'

const runCount = Number(process.argv[2] ?? 20)
const recordCount = Number(process.argv[3] ?? 600_000)
const failoverMs = 5_000
const directory = mkdtempSync(join(tmpdir(), 'triton-bench-workers-'))
execFileSync('npm', ['run', 'build'], { cwd: join(import.meta.dirname, '..'), stdio: 'ignore' })
const engine = await startEngineProcess({
  ...{ createStreamMs: 0, updateStreamMs: 0, shardLimit: 5_000 },
  streams: [
    { name: 'bench', shardCount: 4 },
    { name: 'idle', shardCount: 1_000 },
  ],
})
const api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })

try {
  const rows: BenchRow[] = []
  for (const part of [throughput, idleShards, waits]) {
    rows.push(...(await part()))
    console.error(`${rows.length} figures so far: ${rows.map(({ value }) => value.toPrecision(3)).join(', ')}`)
  }
  writeBenchReport('workers', rows)
} finally {
  api.close()
  await engine.close()
  rmSync(directory, { recursive: true, force: true })
}

async function freshLeases(name: string): Promise<string> {
  const address = `sqlite://${join(directory, `${name}.db`)}`
  await using store = openLeaseStore(address)
  await store.init()
  return address
}

function streamOf(name: string): Stream<object> {
  return new Stream<object>({
    ...{ streamName: name, name, partitionKey: 'id', partitionKeyText: 'javascript' },
    ...{ region: 'us-east-1', endpoint: engine.endpoint, format: 'msgpack', file: 'bench/workers.ts' },
  })
}

async function throughput(): Promise<BenchRow[]> {
  await using stream = streamOf('bench')
  for (let from = 0; from < recordCount; from += 10_000) {
    const events = Array.from({ length: 10_000 }, (_, offset) => ({
      ...{ id: `device-${(from + offset) % 5000}`, ts: 1_767_225_600 + from, user: `user-${from + offset}` },
      ...{ action: 'checkout.completed', amount: from % 1000, note: 'x'.repeat(92 - String(from + offset).length) },
    }))
    if ((await stream.putMany(events)).some((outcome) => !outcome.ok)) throw new Error('a record failed')
  }
  const plain: Cost[] = []
  const working: Cost[] = []
  for (let round = 0; round < 5; round++) {
    plain.push(await cost(() => readPlainly(stream)))
    const leases = await freshLeases(`bench-${round}`)
    working.push(await cost(() => readAsWorker(stream, leases)))
  }
  const [plainCost, workerCost] = [median(plain.slice(1)), median(working.slice(1))]
  return [
    {
      ...{ what: 'worker, empty handler, SQLite leases', value: workerCost.perSecond, unit: 'records/s' },
      target: { atLeast: 120_000, of: 'value' },
    },
    {
      ...{ what: 'worker, CPU', value: workerCost.cpuUs, unit: 'us a record' },
      baseline: { what: 'plain iterator, in batches', value: plainCost.cpuUs },
      target: { atMost: 1.1, of: 'ratio' },
    },
    {
      ...{ what: `peak RSS of a worker process over ${recordCount} records`, value: await peakRss(), unit: 'MiB' },
      target: { atMost: 250, of: 'value' },
    },
  ]
}

async function peakRss(): Promise<number> {
  const leases = await freshLeases('rss')
  const settings = { endpoint: engine.endpoint, stream: 'bench', client: 'rss', leases, callsPerSecond: 1_000 }
  await using worker = new BenchWorker(settings)
  let peakMib = 0
  const sampling = setInterval(() => {
    peakMib = Math.max(peakMib, usageOf(worker.child.pid).rssMib)
  }, 100)
  const count = () => worker.lines.reduce((sum, line) => sum + (line.count ?? 0), 0)
  await worker.until(() => count() >= recordCount)
  clearInterval(sampling)
  return peakMib
}

interface Cost {
  cpuUs: number
  perSecond: number
}

async function cost(act: () => Promise<void>): Promise<Cost> {
  const before = process.cpuUsage()
  const begunMs = performance.now()
  await act()
  const { user, system } = process.cpuUsage(before)
  return { cpuUs: (user + system) / recordCount, perSecond: (recordCount * 1_000) / (performance.now() - begunMs) }
}

function median(costs: Cost[]): Cost {
  const sorted = [...costs].sort((left, right) => left.cpuUs - right.cpuUs)
  return sorted[Math.floor(sorted.length / 2)] as Cost
}

async function readPlainly(stream: Stream<object>): Promise<void> {
  let count = 0
  const options = { callsPerSecond: 1_000 }
  const records = stream.iterate({ from: 'oldest' }, options)
  for await (const batch of records.batches()) {
    count += batch.length
    if (count === recordCount) break
  }
  if (count !== recordCount) throw new Error(`${count} of ${recordCount} records came`)
}

async function readAsWorker(stream: Stream<object>, leases: string): Promise<void> {
  let count = 0
  const all = withResolvers()
  await using _ = createWorker<object>({
    ...{ stream, leases, client: 'bench', callsPerSecond: 1_000 },
    handler: (records) => {
      count += records.length
      if (count >= recordCount) all.resolve(undefined)
    },
  })
  await all.promise
}

function withResolvers() {
  let resolve: (value: unknown) => void = () => {}
  const promise = new Promise((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

async function idleShards(): Promise<BenchRow[]> {
  const leases = await freshLeases('idle')
  await using worker = new BenchWorker({ endpoint: engine.endpoint, stream: 'idle', client: 'c', leases })
  await worker.until(() => worker.heldShards.size === 1_000)
  // Until the shards have been silent for so long that they are asked as seldom as may be.
  await passing(45_000)
  const before = usageOf(worker.child.pid)
  await passing(20_000)
  const after = usageOf(worker.child.pid)
  return [
    {
      ...{ what: '1,000 idle shards of one worker, CPU', unit: '% of a core' },
      ...{ value: ((after.cpuSeconds - before.cpuSeconds) / 20) * 100, target: { atMost: 15, of: 'value' } },
    },
    {
      ...{ what: '1,000 idle shards of one worker, RSS', value: after.rssMib, unit: 'MiB' },
      target: { atMost: 300, of: 'value' },
    },
  ]
}

/** From /proc: what the whole process has used. */
function usageOf(pid: number | undefined): { cpuSeconds: number; rssMib: number } {
  const text = execFileSync('cat', [`/proc/${pid}/stat`, `/proc/${pid}/statm`], { encoding: 'utf8' })
  const [stat = '', statm = ''] = text.split('\n')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    rssMib: (Number(statm.split(' ')[1]) * 4) / 1024,
  }
}

async function waits(): Promise<BenchRow[]> {
  const all: Waits[] = []
  // One after the other: two at once would be six processes that start on two cores.
  for (let run = 0; run < runCount; run++) all.push(await oneRun(run))
  const told = (what: string, key: keyof Waits, atMost: number, unit = 'ms'): BenchRow[] => {
    const sorted = all.map((one) => one[key]).sort((left, right) => left - right)
    return [
      { what: `${what}, median of ${runCount} runs`, value: sorted[Math.floor(sorted.length / 2)] ?? 0, unit },
      {
        ...{ what: `${what}, worst of ${runCount} runs`, value: sorted.at(-1) ?? 0, unit },
        target: { atMost, of: 'value' },
      },
    ]
  }
  return [
    ...told('start of three processes on a fresh table until the first record', 'startMs', 2_000),
    ...told('kill -9 until the others read all its shards', 'killMs', failoverMs + 1_000),
    ...told('SIGTERM until the other reads all its shards', 'stopMs', 1_000),
    ...told("a split's end until both children are read", 'splitMs', 2_000),
    ...told('shards of the busier of two workers, of four', 'mostShards', 2, 'shards'),
  ]
}

interface Waits {
  startMs: number
  killMs: number
  stopMs: number
  splitMs: number
  mostShards: number
}

async function oneRun(run: number): Promise<Waits> {
  const stream = `waits-${run}`
  await api.createStream(stream, 4)
  const settings = { endpoint: engine.endpoint, stream, client: 'c', leases: await freshLeases(stream), failoverMs }
  await using _load = new SteadyLoad(api, stream)
  const startedMs = Date.now()
  await using first = new BenchWorker(settings)
  await using second = new BenchWorker(settings)
  await using third = new BenchWorker(settings)
  const three = [first, second, third]
  await until(three, () => three.some((worker) => worker.lines.some(({ type }) => type === 'handled')))
  const startMs = Math.min(...three.map((worker) => worker.firstMs('handled'))) - startedMs
  await until(three, () => three.every((worker) => worker.heldShards.size > 0))
  await passing(Math.random() * 1_500)
  const killed = [...first.heldShards]
  const killedMs = Date.now()
  first.child.kill('SIGKILL')
  const two = [second, third]
  await until(two, () => killed.every((shardId) => two.some((worker) => worker.reads(shardId, killedMs) > 0)))
  const killMs =
    Math.max(...killed.map((shardId) => Math.max(...two.map((worker) => worker.reads(shardId, killedMs))))) - killedMs
  await until(two, () => two.every((worker) => worker.heldShards.size === 2))
  const mostShards = Math.max(...two.map((worker) => worker.heldShards.size))
  const [parent] = await api.listShards(stream)
  if (parent === undefined) throw new Error('no shard to split')
  const { start, end } = parent.hashKeyRange
  await api.splitShard(stream, parent.shardId, (start + end) / 2n)
  const splitAtMs = Date.now()
  const children = ['shardId-000000000004', 'shardId-000000000005']
  await until(two, () => children.every((shardId) => two.some((worker) => worker.reads(shardId, 0) > 0)))
  const readMs = children.map((shardId) =>
    Math.min(...two.map((worker) => worker.reads(shardId, 0) || Number.POSITIVE_INFINITY)),
  )
  const splitMs = Math.max(...readMs) - splitAtMs
  await until(two, () => two.every((worker) => worker.heldShards.size >= 2))
  const stopped = [...second.heldShards]
  const stoppedMs = Date.now()
  second.child.kill('SIGTERM')
  await until([third], () => stopped.every((shardId) => third.reads(shardId, stoppedMs) > 0))
  const stopMs = Math.max(...stopped.map((shardId) => third.reads(shardId, stoppedMs))) - stoppedMs
  return { startMs, killMs, stopMs, splitMs, mostShards }
}

async function until(workers: readonly BenchWorker[], isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Promise.race(workers.map((worker) => worker.next()))
}

function passing(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
