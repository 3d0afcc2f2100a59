import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BenchRow, writeBenchReport } from './support/bench-report.ts'
import { plainBody, putRecordsBody, RawConnection, rawRequest, textMember } from './support/raw-kinesis.ts'
import { type Server, serve, timed } from './support/serve.ts'

/**
 * Ten million records on disk: how long a start takes until each shard's first and last record can be read, and how much
 * memory the engine has then. Kinesalite is measured with fewer records, since it would take ten minutes to store them.
 * `--short` stores a tenth and keeps no report.
 */
const isShort = process.argv.includes('--short')
const recordCount = isShort ? 1_000_000 : 10_000_000
const baselineCount = isShort ? 20_000 : 100_000
const recordBytes = 200
const perRequest = 500
const shardCount = 4
const lanes = 4

const root = mkdtempSync(join(tmpdir(), 'triton-bench-'))
try {
  const few = await measure('kinesalite', baselineCount)
  const many = await measure('triton', recordCount)
  const name = recordCount.toLocaleString('en')
  const fewer = `kinesalite with ${baselineCount.toLocaleString('en')}`
  const rows: BenchRow[] = [
    {
      what: `start with ${name} records stored, until each shard's first and last are read`,
      value: many.startMs,
      unit: 'ms',
      baseline: { what: fewer, value: few.startMs },
      target: { atMost: 5_000, of: 'value' },
    },
    {
      what: `RSS with ${name} records stored, after the start`,
      value: many.startedRss / 2 ** 20,
      unit: 'MiB',
      baseline: { what: fewer, value: few.startedRss / 2 ** 20 },
      target: { atMost: 400, of: 'value' },
    },
    {
      what: `RSS with ${name} records stored, after writing them`,
      value: many.writtenRss / 2 ** 20,
      unit: 'MiB',
      baseline: { what: fewer, value: few.writtenRss / 2 ** 20 },
      target: { atMost: 400, of: 'value' },
    },
    {
      what: `bytes on disk for a record of ${recordBytes}`,
      value: many.diskBytes / recordCount,
      unit: 'bytes',
      baseline: { what: fewer, value: few.diskBytes / baselineCount },
    },
  ]
  if (isShort) for (const row of rows) console.log(JSON.stringify(row))
  else writeBenchReport('engine-size', rows)
} finally {
  rmSync(root, { recursive: true, force: true })
}

async function measure(kind: 'triton' | 'kinesalite', count: number) {
  const dir = mkdtempSync(join(root, 'data-'))
  const first = await serve(kind, dir)
  await call(first, 'CreateStream', { StreamName: 'bench', ShardCount: shardCount })
  const writing = await timed(first, () => put(first.port, count))
  await first.kill()
  const second = await serve(kind, dir)
  const startedMs = performance.now()
  for (let shard = 0; shard < shardCount; shard++) {
    await readOne(second, shard, 'TRIM_HORIZON', 1)
    await readOne(second, shard, 'LATEST', 0)
  }
  const startMs = second.startMs + performance.now() - startedMs
  const { rssBytes } = await second.usage()
  await second.kill()
  return { startMs, startedRss: rssBytes, writtenRss: writing.rssBytes, diskBytes: bytesIn(dir) }
}

async function put(port: number, count: number): Promise<void> {
  const requests = Array.from({ length: 16 }, (_, index) => rawRequest('PutRecords', 'cbor', batchBody(index)))
  let left = count / perRequest
  const lane = async () => {
    const connection = await RawConnection.open(port)
    while (left-- > 0) {
      const { status } = await connection.send(requests[left % requests.length] as Buffer)
      if (status !== 200) throw new Error(`PutRecords: ${status}`)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

function batchBody(seed: number): Buffer {
  const records = Array.from({ length: perRequest }, (_, index) => ({
    key: `key-${(seed * perRequest + index).toString().padStart(8, '0')}`,
    data: Buffer.alloc(recordBytes, `${seed}.${index} `),
  }))
  return putRecordsBody('bench', records, 'cbor')
}

async function readOne(server: Server, shard: number, type: string, expected: number): Promise<void> {
  const start = { StreamName: 'bench', ShardId: `shardId-00000000000${shard}`, ShardIteratorType: type }
  const iterator = textMember(await call(server, 'GetShardIterator', start), 'ShardIterator', 'json') as string
  const page = (await call(server, 'GetRecords', { ShardIterator: iterator, Limit: 1 })).toString()
  if (page.split('"PartitionKey"').length - 1 !== expected) throw new Error(`${type} of shard ${shard}: ${page}`)
}

async function call(server: Server, operation: string, members: Record<string, string | number>): Promise<Buffer> {
  const connection = await RawConnection.open(server.port)
  const { status, body } = await connection.send(rawRequest(operation, 'json', plainBody(members, 'json')))
  connection.close()
  if (status !== 200) throw new Error(`${operation}: ${status} ${body.toString('latin1', 0, 300)}`)
  return body
}

function bytesIn(dir: string): number {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => statSync(join(dir, name)))
  return files.reduce((bytes, facts) => bytes + (facts.isFile() ? facts.size : 0), 0)
}
