/**
 * How many records of 200 bytes a second tritond takes and brings to where they belong, the client that pushes them
 * included (both on this machine's cores); what memory it takes, and how soon it sends what a spool holds.
 *
 *     node --import tsx bench/tritond.ts [records a round, default 300,000] [--full]
 *
 * An outage of Kinesis lasts 20 s here and the spool that is recovered has 1 GB. With --full it is 5 minutes and 5 GB, and
 * nothing else is measured.
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Push } from 'zeromq'
import type { StreamDefinition } from '../src/config.ts'
import { encodeHeader } from '../src/daemon/message-frames.ts'
import { NonblockingStream } from '../src/daemon/nonblocking-stream.ts'
import { type BenchRow, writeBenchReport } from './support/bench-report.ts'
import { startKinesisSink } from './support/kinesis-sink.ts'
import { TritondProcess } from './support/tritond-process.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { full: { type: 'boolean' } } })
const recordCount = Number(positionals[0] ?? 300_000)
const roundCount = 3
const outageSeconds = values.full ? 300 : 20
const outageRate = 20_000
const spoolGigabytes = values.full ? 5 : 1
const body = Buffer.alloc(200, 'x')
const keys = Array.from({ length: 1000 }, (_, n) => `user-${n}`)
const headers = Array.from({ length: 1000 }, (_, n) => encodeHeader('bench', keys[n] as string))

const definition: StreamDefinition = {
  streamName: 'bench',
  name: 'bench',
  partitionKey: 'id',
  partitionKeyText: 'javascript',
  format: 'bytes',
  file: 'bench/tritond.ts',
}

const directory = mkdtempSync(join(tmpdir(), 'tritond-bench-'))
const sink = await startKinesisSink()
const config = configFile('triton.yaml', sink.endpoint)
const unreachable = configFile('unreachable.yaml', 'http://127.0.0.1:9')

try {
  writeBenchReport(values.full ? 'tritond-full' : 'tritond', [
    ...(values.full ? [] : await usualRows()),
    ...(await outage()),
    await recovery(),
  ])
} finally {
  sink.close()
  rmSync(directory, { recursive: true, force: true })
}

async function usualRows(): Promise<BenchRow[]> {
  const bare = { what: 'libzmq at both ends, which throws the same messages away', value: await best(pullRate) }
  return [
    rate('memory, --skip-kinesis', bare, await best(() => outputRate()), 200_000),
    rate('memory, --skip-kinesis, from a libzmq PUSH', bare, await best(() => outputRate(pushAll))),
    rate('memory, to a sink that answers at once', bare, await best(() => sinkRate()), 80_000),
    rate('into the spool, --sync interval', bare, await best(() => keepRate('interval')), 120_000),
    rate('into the spool, --sync always', bare, await best(() => keepRate('always')), 60_000),
    rate('through the spool to that sink, --sync interval', bare, await best(() => spoolRate('interval'))),
    rate('through the spool to that sink, --sync always', bare, await best(() => spoolRate('always'))),
    mib('memory of an idle daemon', await idleMib('--config', config), 90),
    mib('memory of an idle daemon with a spool', await idleMib('--config', config, '--spool', newSpool()), 90),
    { what: 'the same with --metrics, asked once', value: await observedMib('--spool', newSpool()), unit: 'MiB' },
  ]
}

function configFile(name: string, endpoint: string): string {
  const path = join(directory, name)
  writeFileSync(path, `bench: { name: bench, partition_key: id, endpoint: '${endpoint}' }\n`)
  return path
}

function newSpool(): string {
  return mkdtempSync(join(directory, 'spool-'))
}

function rate(what: string, baseline: { what: string; value: number }, value: number, atLeast?: number): BenchRow {
  const target = atLeast === undefined ? {} : { target: { atLeast, of: 'value' as const } }
  return { what, value, unit: 'records/s', baseline, ...target }
}

function mib(what: string, value: number, atMost: number): BenchRow {
  return { what, value, unit: 'MiB', target: { atMost, of: 'value' } }
}

async function best(measure: () => Promise<number>): Promise<number> {
  const found: number[] = []
  for (let round = 0; round < roundCount; round++) found.push(await measure())
  return Math.max(...found)
}

/** A process that takes the messages off its socket, as the daemon's is set up, and does nothing with them. */
async function pullRate(): Promise<number> {
  const child = fork(join(import.meta.dirname, 'support/pull-count.ts'), [String(recordCount)], {
    execArgv: ['--import', 'tsx'],
  })
  const told = () => new Promise<unknown>((resolve) => child.once('message', resolve))
  const endpoint = String(await told())
  const done = told()
  const startMs = performance.now()
  await pushAll(endpoint)
  await done
  return recordCount / ((performance.now() - startMs) / 1000)
}

/** Until everything is in the output file. */
async function outputRate(putAll = putWithOurs): Promise<number> {
  const file = join(mkdtempSync(join(directory, 'output-')), 'records')
  const daemon = await TritondProcess.start('--skip-kinesis', '--output_file', file)
  const startMs = performance.now()
  await putAll(daemon.endpoint)
  while (statSync(file).size < recordCount * body.length) await pause(1)
  const took = performance.now() - startMs
  await daemon.stop()
  rmSync(file)
  return recordCount / (took / 1000)
}

function spoolRate(sync: string): Promise<number> {
  return sinkRate('--spool', newSpool(), '--sync', sync)
}

/** Until every record was accepted and nothing waits any more. */
async function sinkRate(...flags: string[]): Promise<number> {
  const daemon = await TritondProcess.start('--config', config, '--metrics', '0', ...flags)
  const startMs = performance.now()
  await putWithOurs(daemon.endpoint)
  for (;;) {
    const { acceptedCount, waitingCount } = await daemon.usage()
    if (acceptedCount === recordCount && waitingCount === 0) break
    await pause(20)
  }
  const took = performance.now() - startMs
  await daemon.stop()
  return recordCount / (took / 1000)
}

/** Into the spool, while nobody takes anything out of it. */
async function keepRate(sync: string): Promise<number> {
  const spool = newSpool()
  const daemon = await TritondProcess.start('--config', unreachable, '--metrics', '0', '--spool', spool, '--sync', sync)
  const startMs = performance.now()
  await putWithOurs(daemon.endpoint)
  while ((await daemon.usage()).waitingCount < recordCount) await pause(20)
  const took = performance.now() - startMs
  await daemon.stop()
  rmSync(spool, { recursive: true })
  return recordCount / (took / 1000)
}

/** As a program does that uses our library. */
async function putWithOurs(endpoint: string): Promise<void> {
  await using stream = new NonblockingStream<Uint8Array>(definition, { port: Number(endpoint.split(':').at(-1)) })
  for (let n = 0; n < recordCount; n++) {
    stream.put(body, { partitionKey: keys[n % keys.length] as string })
    // tritond takes fewer than we can put.
    if (n % 256 === 0) while (stream.counts.waiting > 2_000) await pause(1)
  }
}

/** With libzmq, as the older clients do, which could do no more if it were from Python or Go. */
async function pushAll(endpoint: string): Promise<void> {
  const push = new Push({ sendHighWaterMark: 1000, immediate: true, linger: 10_000 })
  push.connect(endpoint)
  for (let n = 0; n < recordCount; n++) await push.send([headers[n % headers.length] as Buffer, body])
  push.close()
}

async function idleMib(...flags: string[]): Promise<number> {
  const daemon = await TritondProcess.start(...flags)
  await pause(1_000)
  const rssBytes = daemon.rssBytes
  await daemon.stop()
  return rssBytes / 1024 / 1024
}

async function observedMib(...flags: string[]): Promise<number> {
  const daemon = await TritondProcess.start('--config', config, '--metrics', '0', ...flags)
  await pause(1_000)
  const { rssBytes } = await daemon.usage()
  await daemon.stop()
  return rssBytes / 1024 / 1024
}

/** Kinesis is down, records come at a steady rate, and then it is back. */
async function outage(): Promise<BenchRow[]> {
  const spool = newSpool()
  const switching = configFile('switching.yaml', 'http://127.0.0.1:9')
  const daemon = await TritondProcess.start('--config', switching, '--metrics', '0', '--spool', spool)
  const push = new Push({ sendHighWaterMark: 1000, immediate: true, linger: 10_000 })
  push.connect(daemon.endpoint)
  let largest = 0
  const startMs = performance.now()
  for (let n = 0; n < outageSeconds * outageRate; ) {
    for (let burst = 0; burst < outageRate / 100; burst++, n++)
      await push.send([headers[n % headers.length] as Buffer, body])
    if (n % outageRate === 0) largest = Math.max(largest, (await daemon.usage()).rssBytes)
    const aheadMs = startMs + (n / outageRate) * 1000 - performance.now()
    if (aheadMs > 1) await pause(aheadMs)
  }
  const tookSeconds = (performance.now() - startMs) / 1000
  configFile('switching.yaml', sink.endpoint)
  let waitingCount = 1
  while (waitingCount > 0) {
    const usage = await daemon.usage()
    waitingCount = usage.waitingCount
    largest = Math.max(largest, usage.rssBytes)
    await pause(100)
  }
  push.close()
  await daemon.stop()
  rmSync(spool, { recursive: true })
  const what = `records a second that came while Kinesis was away for ${outageSeconds} s`
  return [
    { what, value: (outageSeconds * outageRate) / tookSeconds, unit: 'records/s' },
    mib(`largest memory meanwhile, and while the spool was sent`, largest / 1024 / 1024, 200),
  ]
}

/** From the start of the program to its first request, with a spool that was left behind by another one. */
async function recovery(): Promise<BenchRow> {
  const spool = newSpool()
  const flags = ['--metrics', '0', '--spool', spool, '--spool-max', '20GiB']
  const first = await TritondProcess.start('--config', unreachable, ...flags)
  const push = new Push({ sendHighWaterMark: 1000, immediate: true, linger: 10_000 })
  push.connect(first.endpoint)
  // Larger records, for the sake of who waits; what is looked at grows with segments.
  const kilobyte = Buffer.alloc(1_000, 'x')
  const count = spoolGigabytes * 1e6
  for (let n = 0; n < count; n++) await push.send([headers[n % headers.length] as Buffer, kilobyte])
  while ((await first.usage()).waitingCount < count) await pause(50)
  push.close()
  await first.stop()
  const requested = sink.nextRequest()
  const second = await TritondProcess.start('--config', config, ...flags)
  const seconds = ((await requested) - second.startedMs) / 1000
  await second.stop()
  rmSync(spool, { recursive: true })
  const what = `from the start of the program to its first request, with a spool of ${spoolGigabytes} GB`
  return { what, value: seconds, unit: 's', target: { atMost: 2, of: 'value' } }
}
