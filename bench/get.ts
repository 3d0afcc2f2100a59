/**
 * What a get costs the process that makes it: CPU per record of 200 bytes, decoding included, beside the AWS SDK used
 * plainly (GetRecords of 10,000, HTTP/1.1 with keep-alive, nothing decoded) on the same engine, in turns, each in a
 * process of its own. Then the memory of `triton get --from all`, as it is built, over 1,000,000 records.
 *
 *     node --import tsx bench/get.ts [records a round, default 100,000] [records for memory, default 1,000,000]
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Stream } from '../src/stream.ts'
import { writeBenchReport } from './support/bench-report.ts'
import { median } from './support/cpu-us-per-record.ts'
import { startEngineProcess } from './support/engine-process.ts'

/** How often each way has its turn; the machine's speed changes meanwhile. */
const turnCount = 3
const recordCount = Number(process.argv[2] ?? 100_000)
const memoryRecordCount = Number(process.argv[3] ?? 1_000_000)
const names = ['bench', 'memory']

const engine = await startEngineProcess({
  streams: names.map((name) => ({ name, shardCount: 4 })),
  createStreamMs: 0,
})
try {
  await fill('bench', recordCount)
  const times = { sdk: [] as number[], forAwait: [] as number[], batches: [] as number[] }
  for (let turn = 0; turn < turnCount; turn++) {
    for (const way of ['sdk', 'forAwait', 'batches'] as const) times[way].push(...costsOf(way))
  }
  await fill('memory', memoryRecordCount)
  const { earlyBytes, lateBytes } = await memoryOfGet()
  const baseline = { what: 'AWS SDK, plainly, not decoding', value: median(times.sdk) }
  const unit = 'us of client CPU a record'
  const early = { what: 'in the first half', value: earlyBytes / 2 ** 20 }
  writeBenchReport('get', [
    { what: baseline.what, value: baseline.value, unit },
    { what: 'for await', value: median(times.forAwait), unit, baseline, target: { atMost: 0.6, of: 'ratio' } },
    { what: 'batches', value: median(times.batches), unit, baseline, target: { atMost: 0.6, of: 'ratio' } },
    {
      ...{ what: `peak RSS of triton get over ${memoryRecordCount} records`, unit: 'MiB', baseline: early },
      ...{ value: Math.max(earlyBytes, lateBytes) / 2 ** 20, target: { atMost: 250, of: 'value' } },
    },
  ])
} finally {
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

/** What one way costs, in a process of its own. */
function costsOf(way: string): number[] {
  const program = join(import.meta.dirname, 'support/get-ways.ts')
  const args = ['--import', 'tsx', program, way, engine.endpoint, String(recordCount)]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as number[]
}

/** The most memory that the command held in the first and in the second half of its output. */
async function memoryOfGet(): Promise<{ earlyBytes: number; lateBytes: number }> {
  const root = join(import.meta.dirname, '..')
  execFileSync('npm', ['run', 'build'], { cwd: root, stdio: 'ignore' })
  const directory = mkdtempSync(join(tmpdir(), 'triton-bench-'))
  const config = join(directory, 'triton.yaml')
  writeFileSync(config, `memory: { name: memory, partition_key: id, endpoint: '${engine.endpoint}' }\n`)
  const args = ['get', '-s', 'memory', '--from', 'all', '--until-caught-up', '--format', 'json']
  const child = spawn(process.execPath, [join(root, 'bin/triton.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TRITON_CONFIG: config },
  })
  let lineCount = 0
  const most = { earlyBytes: 0, lateBytes: 0 }
  child.stdout.on('data', (chunk: Buffer) => {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lineCount += 1
  })
  const sampling = setInterval(() => {
    const half = lineCount < memoryRecordCount / 2 ? 'earlyBytes' : 'lateBytes'
    most[half] = Math.max(most[half], rssBytesOf(child.pid))
  }, 100)
  await once(child, 'close')
  clearInterval(sampling)
  rmSync(directory, { recursive: true })
  if (lineCount !== memoryRecordCount) throw new Error(`${lineCount} of ${memoryRecordCount} records came`)
  return most
}

function rssBytesOf(pid: number | undefined): number {
  const asked = spawnSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })
  return Number(asked.stdout.trim()) * 1024
}
