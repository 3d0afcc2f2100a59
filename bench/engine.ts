import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BenchRow, writeBenchReport } from './support/bench-report.ts'
import {
  plainBody,
  putRecordBody,
  putRecordsBody,
  RawConnection,
  type RawFormat,
  rawRequest,
  textMember,
} from './support/raw-kinesis.ts'
import { type ServerKind, serve, timed } from './support/serve.ts'

/**
 * The local engine beside kinesalite and kinesis-local, each in a process of its own, all fed by the same client with
 * bodies that were encoded before. `--short` stores a tenth of the records and keeps no report.
 */
const isShort = process.argv.includes('--short')
const storedRecords = isShort ? 100_000 : 1_000_000
const perRequest = 500
const recordBytes = 200
const shardCount = 4
const atATime = 4
const singlesAtATime = 64

const root = mkdtempSync(join(tmpdir(), 'triton-bench-'))
const rows: BenchRow[] = []
try {
  const kinesalite = await measure('kinesalite', {
    recordCount: isShort ? 10_000 : 40_000,
    singles: 2_000,
    format: 'json',
  })
  const mock = await measure('kinesis-local', { recordCount: isShort ? 2_000 : 6_000, singles: 500, format: 'json' })
  const json = await measure('triton', { recordCount: isShort ? 50_000 : 300_000, singles: 20_000, format: 'json' })
  const cbor = await measure('triton', { recordCount: storedRecords, singles: 20_000, format: 'cbor' })
  const always = await measureAlways(isShort ? 50_000 : 300_000)
  report({ kinesalite, 'kinesis-local': mock }, json, cbor, always)
} finally {
  rmSync(root, { recursive: true, force: true })
}
if (isShort) for (const row of rows) console.log(JSON.stringify(row))
else writeBenchReport('engine', rows)

interface Figures {
  putPerSecond: number
  putCpuUs: number
  singlesPerSecond: number
  singleCpuUs: number
  getPerSecond: number
  getCpuUs: number
  rssBytes: number
  restartMs: number
}

function report(
  baselines: Readonly<Record<string, Figures>>,
  json: Figures,
  cbor: Figures,
  alwaysPerSecond: Readonly<Record<RawFormat, number>>,
): void {
  /** One row with the target of the value, and one for each baseline with the ratio. */
  const add = (what: string, unit: string, member: keyof Figures, figures: Figures, target: BenchRow['target']) => {
    rows.push({ what, value: figures[member], unit, ...(target && { target }) })
    for (const [name, baseline] of Object.entries(baselines))
      rows.push({
        what: `${what}, beside ${name}`,
        value: figures[member],
        unit,
        baseline: { what: name, value: baseline[member] },
      })
  }
  for (const [format, figures] of [['CBOR', cbor] as const, ['JSON', json] as const]) {
    const put = `PutRecords of ${perRequest} x ${recordBytes} B, ${atATime} at a time, on disk (interval), ${format}`
    add(put, 'records/s', 'putPerSecond', figures, { atLeast: 150_000, of: 'value' })
    add(`${put}: server CPU`, 'us/record', 'putCpuUs', figures, { atMost: 5, of: 'value' })
    const single = `PutRecord of ${recordBytes} B, ${singlesAtATime} at a time, on disk (interval), ${format}`
    add(single, 'records/s', 'singlesPerSecond', figures, { atLeast: 12_000, of: 'value' })
    add(`${single}: server CPU`, 'us/record', 'singleCpuUs', figures, undefined)
    const get = `GetRecords of 10,000, ${format}`
    add(get, 'records/s', 'getPerSecond', figures, { atLeast: 300_000, of: 'value' })
    add(`${get}: server CPU`, 'us/record', 'getCpuUs', figures, { atMost: 2.5, of: 'value' })
  }
  for (const format of ['cbor', 'json'] as const)
    rows.push({
      what: `PutRecords of ${perRequest} x ${recordBytes} B, ${atATime} at a time, on disk (always), ${format.toUpperCase()}`,
      value: alwaysPerSecond[format],
      unit: 'records/s',
      target: { atLeast: 60_000, of: 'value' },
    })
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

interface Load {
  recordCount: number
  /** Records of PutRecord. */
  singles: number
  format: RawFormat
}

async function measure(kind: ServerKind, { recordCount, singles, format }: Load): Promise<Figures> {
  const dir = mkdtempSync(join(root, 'data-'))
  let server = await serve(kind, dir)
  await createStream(server.port, format)
  await put(server.port, recordCount / 10, format)
  const putting = await timed(server, () => put(server.port, recordCount, format))
  await putOneByOne(server.port, singles / 10, format)
  const single = await timed(server, () => putOneByOne(server.port, singles, format))
  // Kinesis-local would forget what it has.
  const isKept = kind !== 'kinesis-local'
  if (isKept) {
    await server.kill()
    server = await serve(kind, dir)
  }
  const restartedMs = performance.now()
  await firstPage(server.port, format)
  const restartMs = server.startMs + performance.now() - restartedMs
  const getting = await timed(server, () => getAll(server.port, format))
  await server.kill()
  return {
    putPerSecond: recordCount / putting.seconds,
    putCpuUs: putting.cpuUs / recordCount,
    singlesPerSecond: singles / single.seconds,
    singleCpuUs: single.cpuUs / singles,
    getPerSecond: getting.result / getting.seconds,
    getCpuUs: getting.cpuUs / getting.result,
    rssBytes: Math.max(putting.rssBytes, single.rssBytes, getting.rssBytes),
    restartMs,
  }
}

async function measureAlways(recordCount: number): Promise<Record<RawFormat, number>> {
  const perSecond = { cbor: 0, json: 0 }
  for (const format of ['cbor', 'json'] as const) {
    const server = await serve('triton', mkdtempSync(join(root, 'data-')), 'always')
    await createStream(server.port, format)
    await put(server.port, recordCount / 10, format)
    const { seconds } = await timed(server, () => put(server.port, recordCount, format))
    perSecond[format] = recordCount / seconds
    await server.kill()
  }
  return perSecond
}

async function createStream(port: number, format: RawFormat): Promise<void> {
  const connection = await RawConnection.open(port)
  await connection.send(
    rawRequest('CreateStream', format, plainBody({ StreamName: 'bench', ShardCount: shardCount }, format)),
  )
  const summary = rawRequest('DescribeStreamSummary', format, plainBody({ StreamName: 'bench' }, format))
  while (!(await connection.send(summary)).body.includes('ACTIVE')) await new Promise((next) => setTimeout(next, 10))
  connection.close()
}

async function putOneByOne(port: number, recordCount: number, format: RawFormat): Promise<void> {
  const requests = Array.from({ length: 64 }, (_, index) =>
    rawRequest(
      'PutRecord',
      format,
      putRecordBody('bench', `key-${index}`, Buffer.alloc(recordBytes, `${index} `), format),
    ),
  )
  await inLanes(port, singlesAtATime, recordCount, (at) => requests[at % requests.length] as Buffer)
}

async function put(port: number, recordCount: number, format: RawFormat): Promise<void> {
  const requests = Array.from({ length: 16 }, (_, index) => rawRequest('PutRecords', format, batchBody(index, format)))
  await inLanes(port, atATime, recordCount / perRequest, (at) => requests[at % requests.length] as Buffer)
}

/** So many connections, each with one request on its way. */
async function inLanes(port: number, lanes: number, count: number, requestAt: (at: number) => Buffer): Promise<void> {
  let left = Math.ceil(count)
  const lane = async () => {
    const connection = await RawConnection.open(port)
    while (left-- > 0) {
      const { status, body } = await connection.send(requestAt(left))
      if (status !== 200) throw new Error(`a put: ${status} ${body.toString('latin1', 0, 300)}`)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: lanes }, lane))
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
  const start = { StreamName: 'bench', ShardId: 'shardId-000000000000', ShardIteratorType: 'TRIM_HORIZON' }
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
