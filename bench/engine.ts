import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BenchRow, writeBenchReport } from './support/bench-report.ts'
import {
  plainBody,
  putRecordsBody,
  RawConnection,
  type RawFormat,
  rawRequest,
  textMember,
} from './support/raw-kinesis.ts'
import type { Served, Usage } from './support/serve.ts'

/**
 * The local engine beside kinesalite, each in a process of its own with its data on disk, both fed by the same client.
 * `--short` stores a tenth of the records and keeps no report.
 */
const isShort = process.argv.includes('--short')
const storedRecords = isShort ? 100_000 : 1_000_000
const baselineRecords = isShort ? 10_000 : 40_000
const perRequest = 500
const recordBytes = 200
const shardCount = 4
const atATime = 4

const root = mkdtempSync(join(tmpdir(), 'triton-bench-'))
const rows: BenchRow[] = []
try {
  const kinesalite = await measure('kinesalite', baselineRecords, 'json')
  const json = await measure('triton', isShort ? 50_000 : 300_000, 'json')
  const cbor = await measure('triton', storedRecords, 'cbor')
  report(kinesalite, json, cbor)
} finally {
  rmSync(root, { recursive: true, force: true })
}
if (isShort) for (const row of rows) console.log(JSON.stringify(row))
else writeBenchReport('engine', rows)

interface Figures {
  putPerSecond: number
  putCpuUs: number
  getPerSecond: number
  getCpuUs: number
  rssBytes: number
  restartMs: number
}

function report(kinesalite: Figures, json: Figures, cbor: Figures): void {
  const beside = (value: number) => ({ what: 'kinesalite', value })
  const put = `PutRecords of ${perRequest} x ${recordBytes} B, ${atATime} at a time, on disk (interval)`
  const get = 'GetRecords of 10,000'
  for (const [format, figures] of [['CBOR', cbor] as const, ['JSON', json] as const]) {
    rows.push(
      {
        what: `${put}, ${format}`,
        value: figures.putPerSecond,
        unit: 'records/s',
        target: { atLeast: 60_000, of: 'value' },
      },
      {
        what: `${put}, ${format}, beside`,
        value: figures.putPerSecond,
        unit: 'records/s',
        baseline: beside(kinesalite.putPerSecond),
        target: { atLeast: 3, of: 'ratio' },
      },
      {
        what: `${put}, ${format}: server CPU`,
        value: figures.putCpuUs,
        unit: 'us/record',
        baseline: beside(kinesalite.putCpuUs),
      },
      {
        what: `${get}, ${format}`,
        value: figures.getPerSecond,
        unit: 'records/s',
        ...(format === 'CBOR' && { target: { atLeast: 200_000, of: 'value' } }),
      },
      {
        what: `${get}, ${format}, beside`,
        value: figures.getPerSecond,
        unit: 'records/s',
        baseline: beside(kinesalite.getPerSecond),
        target: { atLeast: 5, of: 'ratio' },
      },
      {
        what: `${get}, ${format}: server CPU`,
        value: figures.getCpuUs,
        unit: 'us/record',
        baseline: beside(kinesalite.getCpuUs),
      },
    )
  }
  const stored = storedRecords.toLocaleString('en')
  rows.push(
    {
      what: `restart with ${stored} records, until the first is read`,
      value: cbor.restartMs,
      unit: 'ms',
      target: { atMost: 2_000, of: 'value' },
    },
    {
      what: `RSS with ${stored} records, at most, after writing and after reading them`,
      value: cbor.rssBytes / 2 ** 20,
      unit: 'MiB',
      target: { atMost: 250, of: 'value' },
    },
  )
}

async function measure(kind: 'triton' | 'kinesalite', recordCount: number, format: RawFormat): Promise<Figures> {
  const dir = mkdtempSync(join(root, 'data-'))
  let server = await serve(kind, dir)
  const setUp = await RawConnection.open(server.port)
  await setUp.send(
    rawRequest('CreateStream', format, plainBody({ StreamName: 'bench', ShardCount: shardCount }, format)),
  )
  setUp.close()
  await put(server.port, recordCount / 10, format)
  const putting = await timed(server, () => put(server.port, recordCount, format))
  const afterPut = await server.usage()
  await server.kill()
  server = await serve(kind, dir)
  const restartedMs = performance.now()
  await firstPage(server.port, format)
  const restartMs = server.startMs + performance.now() - restartedMs
  const getting = await timed(server, () => getAll(server.port, format))
  const afterGet = await server.usage()
  await server.kill()
  return {
    putPerSecond: recordCount / putting.seconds,
    putCpuUs: putting.cpuUs / recordCount,
    getPerSecond: getting.result / getting.seconds,
    getCpuUs: getting.cpuUs / getting.result,
    rssBytes: Math.max(afterPut.rssBytes, afterGet.rssBytes),
    restartMs,
  }
}

async function put(port: number, recordCount: number, format: RawFormat): Promise<void> {
  const requests = Array.from({ length: 16 }, (_, index) => rawRequest('PutRecords', format, batchBody(index, format)))
  let left = Math.ceil(recordCount / perRequest)
  const lane = async () => {
    const connection = await RawConnection.open(port)
    while (left-- > 0) {
      const { status, body } = await connection.send(requests[left % requests.length] as Buffer)
      if (status !== 200) throw new Error(`PutRecords: ${status} ${body.toString('latin1', 0, 300)}`)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: atATime }, lane))
}

function batchBody(seed: number, format: RawFormat): Buffer {
  const records = Array.from({ length: perRequest }, (_, index) => ({
    key: `key-${(seed * perRequest + index).toString().padStart(8, '0')}`,
    data: Buffer.alloc(recordBytes, `${seed}.${index} `),
  }))
  return putRecordsBody('bench', records, format)
}

async function firstPage(port: number, format: RawFormat): Promise<void> {
  const connection = await RawConnection.open(port)
  const start = { StreamName: 'bench', ShardId: '0', ShardIteratorType: 'TRIM_HORIZON' }
  const answer = await connection.send(rawRequest('GetShardIterator', format, plainBody(start, format)))
  const iterator = textMember(answer.body, 'ShardIterator', format) as string
  const page = await connection.send(
    rawRequest('GetRecords', format, plainBody({ ShardIterator: iterator, Limit: 1 }, format)),
  )
  if (countOf(page.body, 'PartitionKey') !== 1) throw new Error('no record is there after the restart')
  connection.close()
}

/** Reads every shard from its beginning to its tip, one after the other; answers how many records came. */
async function getAll(port: number, format: RawFormat): Promise<number> {
  const connection = await RawConnection.open(port)
  const ask = async (operation: string, members: Record<string, string | number>) => {
    const answer = await connection.send(rawRequest(operation, format, plainBody(members, format)))
    if (answer.status !== 200) throw new Error(`${operation}: ${answer.body.toString('latin1', 0, 300)}`)
    return answer.body
  }
  let recordCount = 0
  for (let shard = 0; shard < shardCount; shard++) {
    const start = { StreamName: 'bench', ShardId: `shardId-00000000000${shard}`, ShardIteratorType: 'TRIM_HORIZON' }
    let iterator = textMember(await ask('GetShardIterator', start), 'ShardIterator', format)
    for (;;) {
      const page = await ask('GetRecords', { ShardIterator: iterator as string, Limit: 10_000 })
      iterator = textMember(page, 'NextShardIterator', format)
      const inPage = countOf(page, 'PartitionKey')
      recordCount += inPage
      if (inPage < 10_000) break
    }
  }
  connection.close()
  return recordCount
}

function countOf(body: Buffer, word: string): number {
  let count = 0
  for (let at = body.indexOf(word); at >= 0; at = body.indexOf(word, at + word.length)) count++
  return count
}

interface Server extends Served {
  usage(): Promise<Usage>
  kill(): Promise<void>
}

async function serve(kind: 'triton' | 'kinesalite', dir: string): Promise<Server> {
  const execArgv = [
    '--import',
    'tsx',
    ...(process.env['BENCH_PROF'] ? ['--cpu-prof', `--cpu-prof-dir=${process.env['BENCH_PROF']}`] : []),
  ]
  const child = fork(join(import.meta.dirname, 'support/serve.ts'), [kind, dir], { execArgv })
  const [served] = (await once(child, 'message')) as [Served]
  return {
    ...served,
    async usage() {
      child.send('usage')
      const [usage] = (await once(child, 'message')) as [Usage]
      return usage
    },
    async kill() {
      const exited = once(child, 'exit')
      if (process.env['BENCH_PROF']) child.disconnect()
      else child.kill('SIGKILL')
      await exited
    },
  }
}

async function timed<T>(server: Server, act: () => Promise<T>): Promise<{ seconds: number; cpuUs: number; result: T }> {
  const before = await server.usage()
  const startedMs = performance.now()
  const result = await act()
  const seconds = (performance.now() - startedMs) / 1000
  const after = await server.usage()
  return { seconds, cpuUs: after.cpuUs - before.cpuUs, result }
}
