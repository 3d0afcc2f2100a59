import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { before, describe, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import * as sdk from '@aws-sdk/client-kinesis'
import { startTestEngine } from '../support/engine.ts'
import { userRecordsIn } from './kinesis-aggregate.ts'

/** Amazon's own libraries for Java, the KCL and the KPL, from Maven Central. */
const run = promisify(execFile)
const project = join(import.meta.dirname, 'java')
const built = resolve(import.meta.dirname, '../../.cache/clients/java')
const classPath = `${join(built, 'classes')}:${join(built, 'jars', '*')}`

/** The KCL takes its time: a worker waits up to half a minute before it looks for leases. */
const storyWithinMs = 300_000

describe('in Java', { concurrency: true }, () => {
  let missing: string | undefined
  before(async () => {
    missing = await build()
  })

  for (const kcl of [
    { mode: 'polling', isSecure: false },
    { mode: 'fan-out', isSecure: false },
    { mode: 'fan-out', isSecure: true },
  ] as const)
    test(`two workers of the KCL read four shards through a split and a merge, ${nameOf(kcl)}`, async (t) => {
      if (isMissing(t, missing)) return
      await using place = await startKcl(kcl)
      const { workers, endpoint } = place
      await using load = startLoad(endpoint)
      const ranges = await openRanges(endpoint)

      await workers.until('both workers read', ({ readBy }) => readBy.size === 2)
      await load.client.send(
        new sdk.SplitShardCommand({ ...S, ShardToSplit: ranges[0]?.ShardId, NewStartingHashKey: middleOf(ranges[0]) }),
      )
      await load.client.send(new sdk.MergeShardsCommand({ ...S, ShardToMerge: idOf(2), AdjacentShardToMerge: idOf(3) }))
      await workers.until('all shards are read', ({ readFrom }) =>
        [0, 1, 2, 3, 4, 5, 6].every((at) => readFrom.has(idOf(at))),
      )
      const put = await load.stop()
      await workers.until('all records are read', ({ seen }) => [...put.keys()].every((number) => seen.has(number)))

      const { seen, events } = workers
      for (const [number, text] of put) assert.equal(seen.get(number), text)
      assertOrder([...seen.values()])
      for (const [parent, child] of [
        [0, 4],
        [0, 5],
        [2, 6],
        [3, 6],
      ] as const) {
        const ended = events.findIndex((event) => event.startsWith('end ') && event.endsWith(idOf(parent)))
        const began = events.findIndex((event) => event.startsWith('begin ') && event.endsWith(idOf(child)))
        assert.ok(
          ended >= 0 && ended < began,
          `${idOf(child)} begins when ${idOf(parent)} has ended: ${events.join('; ')}`,
        )
      }
      assert.equal(await workers.stop(), 0)
    })

  test('the KPL writes 100,000 aggregated records over TLS, trusting the certificate that the engine made', async (t) => {
    if (isMissing(t, missing)) return
    const count = 100_000
    const dataDir = mkdtempSync(join(tmpdir(), 'triton-kpl-'))
    t.after(() => rmSync(dataDir, { recursive: true }))
    await using engine = await startTestEngine({ tls: true, dataDir, streams: [{ name: 'kpl', shardCount: 4 }] })
    const certificate = engine.certificate?.file ?? ''
    const args = ['-cp', classPath, quietLog, 'Produce', String(engine.port), 'kpl', String(count), certificate]
    const { stdout } = await run('java', args, { timeout: storyWithinMs, maxBuffer: 64 * 1024 * 1024 })
    assert.match(stdout, new RegExp(`^stored ${count} failed 0$`, 'm'))

    const found = new Set<string>()
    let recordCount = 0
    for await (const data of everyRecord(engine.endpoint.replace('https', 'http'), 'kpl')) {
      recordCount++
      for (const user of userRecordsIn(data)) found.add(user.toString())
    }
    assert.ok(recordCount < count / 10, `${recordCount} records carry ${count}`)
    assert.equal(found.size, count)
    for (let number = 0; number < count; number++) assert.ok(found.has(String(number)), `record ${number} is there`)
  })
})

interface KclMode {
  mode: 'polling' | 'fan-out'
  isSecure: boolean
}

function nameOf({ mode, isSecure }: KclMode): string {
  return isSecure ? `${mode} over TLS` : mode
}

const S = { StreamName: 's' }
const quietLog = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'

function isMissing(t: TestContext, missing: string | undefined): boolean {
  if (missing !== undefined) t.skip(missing)
  return missing !== undefined
}

/** Answers why the libraries cannot be had. That ours does not compile is a failure. */
async function build(): Promise<string | undefined> {
  const goals = ['compile', 'dependency:copy-dependencies', `-DoutputDirectory=${join(built, 'jars')}`]
  try {
    await run('java', ['-version'])
    await run('mvn', ['-q', '-B', '-f', join(project, 'pom.xml'), ...goals], { timeout: 400_000 })
    return undefined
  } catch (error) {
    const { message, stdout = '' } = error as Error & { stdout?: string }
    if (stdout.includes('COMPILATION ERROR')) throw new Error(stdout, { cause: error })
    const why = /\[ERROR\] (.*)/.exec(stdout)?.[1] ?? message.split('\n')[0]
    const reason = `Java, Maven or its libraries cannot be had here: ${why}`
    console.log(`skipped: ${reason}`)
    return reason
  }
}

/** An engine, a DynamoDB for the KCL's tables, and two workers. */
async function startKcl({ mode, isSecure }: KclMode) {
  const dir = mkdtempSync(join(tmpdir(), 'triton-kcl-'))
  const engine = await startTestEngine({
    dataDir: join(dir, 'data'),
    tls: isSecure,
    streams: [{ name: 's', shardCount: 4 }],
  })
  const dynalite = createRequire(import.meta.url)('dynalite') as (options: object) => import('node:http').Server
  const tables = dynalite({ createTableMs: 0, updateTableMs: 0, deleteTableMs: 0 })
  tables.listen(0, '127.0.0.1')
  await once(tables, 'listening')
  const { port } = tables.address() as { port: number }
  const trust = isSecure ? await trustStore(join(dir, 'trust.p12'), engine.certificate?.file ?? '') : []
  const places = [engine.endpoint, `http://127.0.0.1:${port}`, 'app', 's', mode]
  const args = ['-cp', classPath, quietLog, ...trust, 'Workers', ...places]
  const workers = new Workers(spawn('java', args, { stdio: ['pipe', 'pipe', 'pipe'] }))
  const dispose = async () => {
    await workers[Symbol.asyncDispose]()
    tables.closeAllConnections()
    await new Promise((close) => tables.close(close))
    await engine.close()
    rmSync(dir, { recursive: true })
  }
  return { endpoint: `http://127.0.0.1:${engine.port}`, workers, [Symbol.asyncDispose]: dispose }
}

/** What makes Java trust the certificate. */
async function trustStore(file: string, certificate: string): Promise<string[]> {
  const store = ['-keystore', file, '-storetype', 'PKCS12', '-storepass', 'changeit']
  await run('keytool', ['-importcert', '-noprompt', '-alias', 'triton', '-file', certificate, ...store])
  return [`-Djavax.net.ssl.trustStore=${file}`, '-Djavax.net.ssl.trustStorePassword=changeit']
}

/** What the workers tell, line by line. */
class Workers implements AsyncDisposable {
  /** The first time that each record came: its text, by sequence number, in that order. */
  readonly seen = new Map<string, string>()
  readonly readBy = new Set<string>()
  readonly readFrom = new Set<string>()
  readonly events: string[] = []
  readonly #child: ChildProcess
  readonly #exit: Promise<number | null>
  #complaints = ''
  #onNews: () => void = () => undefined

  constructor(child: ChildProcess) {
    this.#child = child
    this.#exit = once(child, 'close').then(([code]) => {
      this.#onNews()
      return code as number | null
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-5_000)
    })
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => this.#hear(line))
  }

  async until(what: string, isSo: (workers: Workers) => boolean): Promise<void> {
    const untilMs = performance.now() + storyWithinMs
    while (!isSo(this)) {
      const leftMs = untilMs - performance.now()
      const isOver = this.#child.exitCode !== null || this.#child.signalCode !== null
      if (leftMs <= 0 || isOver)
        throw new Error(`not in time: ${what}. ${this.events.join('; ')} ${this.seen.size} records ${this.#complaints}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#onNews = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** Politely. */
  stop(): Promise<number | null> {
    this.#child.stdin?.end()
    return this.#exit
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL')
    await this.#exit
  }

  #hear(line: string): void {
    const [what, worker = '', shard = '', number = '', text = ''] = line.split(' ')
    if (what === 'record') {
      this.readBy.add(worker)
      this.readFrom.add(shard)
      if (!this.seen.has(number)) this.seen.set(number, text)
    } else this.events.push(line)
    this.#onNews()
  }
}

/** Puts records of forty keys, one after the other, until it is stopped: the texts by their sequence numbers. */
function startLoad(endpoint: string) {
  const client = clientOf(endpoint)
  const put = new Map<string, string>()
  let isOver = false
  const loading = (async () => {
    for (let number = 0; !isOver; ) {
      const texts = Array.from({ length: 20 }, () => `k${number % 40}:${number++}`)
      const Records = texts.map((text) => ({ PartitionKey: text.split(':')[0], Data: Buffer.from(text) }))
      const answer = await client.send(new sdk.PutRecordsCommand({ ...S, Records }))
      for (const [at, { SequenceNumber = '' }] of (answer.Records ?? []).entries())
        put.set(SequenceNumber, texts[at] ?? '')
      // A hundred records a second: the KCL gives shards to others by what goes through them.
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  })()
  const stop = async () => {
    isOver = true
    await loading
    client.destroy()
    return put
  }
  return { client, stop, [Symbol.asyncDispose]: async () => void (await stop()) }
}

/** The first time that records come, those of one key come in the order in which they were put. */
function assertOrder(texts: readonly string[]): void {
  const last = new Map<string, number>()
  for (const text of texts) {
    const [key = '', number] = text.split(':')
    assert.ok(Number(number) > (last.get(key) ?? -1), `${text} comes after ${key}:${last.get(key)}`)
    last.set(key, Number(number))
  }
}

async function* everyRecord(endpoint: string, StreamName: string): AsyncGenerator<Buffer> {
  const client = clientOf(endpoint)
  try {
    for (let at = 0; at < 4; at++) {
      const start = { StreamName, ShardId: idOf(at), ShardIteratorType: 'TRIM_HORIZON' } as const
      let { ShardIterator } = await client.send(new sdk.GetShardIteratorCommand(start))
      for (let millisBehind = 1; millisBehind > 0; ) {
        const page = await client.send(new sdk.GetRecordsCommand({ ShardIterator }))
        for (const { Data } of page.Records ?? []) yield Buffer.from(Data as Uint8Array)
        ShardIterator = page.NextShardIterator
        millisBehind = page.MillisBehindLatest ?? 0
      }
    }
  } finally {
    client.destroy()
  }
}

async function openRanges(endpoint: string): Promise<sdk.Shard[]> {
  const client = clientOf(endpoint)
  const { Shards = [] } = await client.send(new sdk.ListShardsCommand(S))
  client.destroy()
  return Shards
}

function middleOf(shard: sdk.Shard | undefined): string {
  const { StartingHashKey = '0', EndingHashKey = '0' } = shard?.HashKeyRange ?? {}
  return ((BigInt(StartingHashKey) + BigInt(EndingHashKey)) / 2n).toString()
}

function clientOf(endpoint: string): sdk.KinesisClient {
  const credentials = { accessKeyId: 'any', secretAccessKey: 'any' }
  return new sdk.KinesisClient({ endpoint, region: 'us-east-1', credentials })
}

function idOf(shardIndex: number): string {
  return `shardId-${String(shardIndex).padStart(12, '0')}`
}
