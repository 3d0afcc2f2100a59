import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BenchRow, writeBenchReport } from './support/bench-report.ts'
import { plainBody, putRecordBody, RawConnection, rawRequest, textMember } from './support/raw-kinesis.ts'
import { RawSubscription } from './support/raw-subscription.ts'
import { type Server, serve } from './support/serve.ts'

/**
 * From put to get: how long a record takes to its reader at 1,000 records a second, pushed by SubscribeToShard; and what
 * a thousand connections and two hundred subscriptions cost. Kinesalite has no subscriptions: there the reader asks again
 * as soon as it is answered. `--short` measures for a fifth of the time and keeps no report.
 */
const isShort = process.argv.includes('--short')
const measuredMs = isShort ? 4_000 : 20_000
const warmUpMs = 2_000
const perSecond = 1_000
const recordBytes = 200
const putConnections = 16

const streamArn = 'arn:aws:kinesis:us-east-1:000000000000:stream/bench'

const crowd = { connections: 1_000, consumers: 20, shards: 10, perSecond: 1_000 }

/** Begins the data of a record; the time at which it was sent follows. */
const mark = 'sent:'

const root = mkdtempSync(join(tmpdir(), 'triton-bench-'))
const rows: BenchRow[] = []
try {
  const polled = await latencyOf('kinesalite')
  const pushed = await latencyOf('triton')
  const what = `put to get at ${perSecond.toLocaleString('en')} records/s, SubscribeToShard`
  rows.push(
    {
      what: `${what}: p50`,
      value: pushed.p50,
      unit: 'ms',
      baseline: { what: 'kinesalite, polled', value: polled.p50 },
    },
    {
      what: `${what}: p99`,
      value: pushed.p99,
      unit: 'ms',
      baseline: { what: 'kinesalite, polled', value: polled.p99 },
      target: { atMost: 10, of: 'value' },
    },
    {
      what: `${what}: server CPU`,
      value: pushed.cpuUs,
      unit: 'us/record',
      baseline: { what: 'kinesalite, polled', value: polled.cpuUs },
    },
  )
  rows.push(...(await measureCrowd()))
} finally {
  rmSync(root, { recursive: true, force: true })
}
if (isShort) for (const row of rows) console.log(JSON.stringify(row))
else writeBenchReport('engine-push', rows)

interface Latency {
  p50: number
  p99: number
  cpuUs: number
}

async function latencyOf(kind: 'triton' | 'kinesalite'): Promise<Latency> {
  const server = await serve(kind, mkdtempSync(join(root, 'data-')))
  await call(server, 'CreateStream', { StreamName: 'bench', ShardCount: 1 })
  const tookMs: number[] = []
  const take = (body: Buffer) => {
    const nowMs = performance.now()
    for (const sentMs of sentTimesIn(body)) tookMs.push(nowMs - sentMs)
  }
  const reader = kind === 'triton' ? await subscribe(server, take) : await poll(server, take)
  const startedMs = performance.now()
  await putPaced(server, warmUpMs, perSecond, () => 'k')
  tookMs.length = 0
  const before = await server.usage()
  const putCount = await putPaced(server, measuredMs, perSecond, () => 'k')
  while (tookMs.length < putCount && performance.now() - startedMs < 10 * (measuredMs + warmUpMs))
    await new Promise((next) => setTimeout(next, 5))
  const after = await server.usage()
  if (tookMs.length < putCount) throw new Error(`${tookMs.length} of ${putCount} records came from ${kind}`)
  reader.close()
  await server.kill()
  tookMs.sort((left, right) => left - right)
  const at = (share: number) => tookMs[Math.floor(tookMs.length * share)] as number
  return { p50: at(0.5), p99: at(0.99), cpuUs: (after.cpuUs - before.cpuUs) / putCount }
}

async function subscribe(server: Server, take: (payload: Buffer) => void): Promise<{ close(): void }> {
  const place = { ShardId: shardId(0), StartingPosition: { Type: 'LATEST' } }
  return RawSubscription.open(server.port, { ConsumerARN: await register(server, 'reader'), ...place }, take)
}

async function register(server: Server, name: string): Promise<string> {
  const answer = await call(server, 'RegisterStreamConsumer', { StreamARN: streamArn, ConsumerName: name })
  return textMember(answer, 'ConsumerARN', 'json') as string
}

/** Reads a shard from now on, again as soon as it is answered. */
async function poll(server: Server, take: (body: Buffer) => void): Promise<{ close(): void }> {
  const start = { StreamName: 'bench', ShardId: shardId(0), ShardIteratorType: 'LATEST' }
  let iterator = textMember(await call(server, 'GetShardIterator', start), 'ShardIterator', 'json')
  const connection = await RawConnection.open(server.port)
  let isClosed = false
  const loop = async () => {
    while (!isClosed) {
      const body = plainBody({ ShardIterator: iterator as string, Limit: 10_000 }, 'json')
      const answer = await connection.send(rawRequest('GetRecords', 'json', body))
      take(answer.body)
      iterator = textMember(answer.body, 'NextShardIterator', 'json')
    }
    connection.close()
  }
  const looping = loop()
  looping.catch((error) => {
    if (!isClosed) throw error
  })
  return { close: () => (isClosed = true) }
}

/** Puts so many records a second, each with the time at which it is sent; answers how many. */
async function putPaced(server: Server, ms: number, rate: number, keyOf: (at: number) => string): Promise<number> {
  const idle = await Promise.all(Array.from({ length: putConnections }, () => RawConnection.open(server.port)))
  const startedMs = performance.now()
  const wanted = Math.floor((ms / 1000) * rate)
  const inFlight = new Set<Promise<void>>()
  let sent = 0
  while (sent < wanted) {
    const due = Math.min(wanted, Math.floor(((performance.now() - startedMs) / 1000) * rate))
    while (sent < due && idle.length > 0) {
      const connection = idle.pop() as RawConnection
      const request = rawRequest('PutRecord', 'json', putRecordBody('bench', keyOf(sent), timedData(), 'json'))
      sent++
      const put = connection.send(request).then(({ status }) => {
        if (status !== 200) throw new Error(`PutRecord: ${status}`)
        idle.push(connection)
        inFlight.delete(put)
      })
      inFlight.add(put)
    }
    await new Promise((next) => setTimeout(next, 0))
  }
  await Promise.all(inFlight)
  for (const connection of idle) connection.close()
  return sent
}

function timedData(): Buffer {
  const data = Buffer.alloc(recordBytes, ' ')
  data.write(mark + performance.now().toFixed(3))
  return data
}

/** The times that records carry, found without reading the rest; data is base64, in which three bytes are four. */
function sentTimesIn(body: Buffer): number[] {
  const times: number[] = []
  const start = Buffer.from(mark).toString('base64').slice(0, 6)
  for (let at = body.indexOf(start); at >= 0; at = body.indexOf(start, at + 6)) {
    const text = Buffer.from(body.toString('latin1', at, at + 44), 'base64').toString()
    times.push(Number.parseFloat(text.slice(mark.length)))
  }
  return times
}

async function measureCrowd(): Promise<BenchRow[]> {
  const server = await serve('triton', mkdtempSync(join(root, 'data-')))
  await call(server, 'CreateStream', { StreamName: 'bench', ShardCount: crowd.shards })
  let received = 0
  const subscriptions: RawSubscription[] = []
  for (let consumer = 0; consumer < crowd.consumers; consumer++) {
    const ConsumerARN = await register(server, `reader-${consumer}`)
    for (let shard = 0; shard < crowd.shards; shard++) {
      const place = { ConsumerARN, ShardId: shardId(shard), StartingPosition: { Type: 'LATEST' } }
      const take = (payload: Buffer) => {
        received += sentTimesIn(payload).length
      }
      subscriptions.push(await RawSubscription.open(server.port, place, take))
    }
  }
  const broken = Promise.race(subscriptions.map(({ ended }) => ended))
  broken.catch(() => undefined)
  const connections = await Promise.all(
    Array.from({ length: crowd.connections }, () => RawConnection.open(server.port)),
  )
  const measured = async () => {
    const wanted = Math.floor((measuredMs / 1000) * crowd.perSecond)
    const startedMs = performance.now()
    let put = 0
    let rssBytes = 0
    const lanes = connections.map(async (connection, lane) => {
      while (put < wanted) {
        put++
        const request = rawRequest('PutRecord', 'json', putRecordBody('bench', `key-${put}`, timedData(), 'json'))
        const { status } = await connection.send(request)
        if (status !== 200) throw new Error(`PutRecord: ${status}`)
        const dueMs = startedMs + ((put + lane) / crowd.perSecond) * 1000
        await new Promise((next) => setTimeout(next, Math.max(0, dueMs - performance.now())))
      }
    })
    const putting = Promise.all(lanes)
    let isDone = false
    putting.finally(() => (isDone = true)).catch(() => undefined)
    const limitMs = startedMs + 10 * measuredMs
    while (!isDone || received < put * crowd.consumers) {
      rssBytes = Math.max(rssBytes, (await server.usage()).rssBytes)
      if (performance.now() > limitMs) throw new Error(`${received} of ${put * crowd.consumers} records came`)
      await new Promise((next) => setTimeout(next, 50))
    }
    await putting
    return { rssBytes, seconds: (performance.now() - startedMs) / 1000 }
  }
  const { rssBytes, seconds } = await Promise.race([measured(), broken])
  for (const subscription of subscriptions) subscription.close()
  for (const connection of connections) connection.close()
  await server.kill()
  const what = `${crowd.connections.toLocaleString('en')} connections and ${subscriptions.length} subscriptions, no error`
  return [
    { what: `${what}: RSS at most`, value: rssBytes / 2 ** 20, unit: 'MiB', target: { atMost: 500, of: 'value' } },
    { what: `${what}: records pushed`, value: received / seconds, unit: 'records/s' },
  ]
}

async function call(server: Server, operation: string, members: Record<string, string | number>): Promise<Buffer> {
  const connection = await RawConnection.open(server.port)
  const { status, body } = await connection.send(rawRequest(operation, 'json', plainBody(members, 'json')))
  connection.close()
  if (status !== 200) throw new Error(`${operation}: ${status} ${body.toString('latin1', 0, 300)}`)
  return body
}

function shardId(index: number): string {
  return `shardId-${String(index).padStart(12, '0')}`
}
