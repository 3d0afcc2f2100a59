/**
 * What `put` of a non-blocking stream costs its caller: a record of 5 fields, beside `msgpackr.pack` and a bare ZeroMQ
 * send of the same two frames, in turns, to a process that throws them away.
 *
 *     node --import tsx bench/nonblocking-put.ts [records a round, default 20,000]
 */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { Packr } from 'msgpackr'
import { Push } from 'zeromq'
import { encodeHeader } from '../src/daemon/message-frames.ts'
import { NonblockingStream } from '../src/daemon/nonblocking-stream.ts'
import { writeBenchReport } from './support/bench-report.ts'
import { startPullProcess } from './support/pull-process.ts'

const recordCount = Number(process.argv[2] ?? 20_000)
const roundCount = 15
/** Puts in one turn of the event loop, as by a server under load. */
const burstCount = 50

const events = Array.from({ length: recordCount }, (_, index) => ({
  id: `user-${index % 5000}`,
  ts: 1_767_225_600.5 + index,
  action: 'checkout.completed',
  amount: index % 1000,
  ok: index % 3 === 0,
}))

const sink = await startPullProcess()
const stream = new NonblockingStream<(typeof events)[number]>(
  {
    streamName: 'user_activity',
    name: 'user_activity',
    partitionKey: 'id',
    partitionKeyText: 'javascript',
    format: 'msgpack',
    file: 'bench/nonblocking-put.ts',
  },
  { port: sink.port, highWaterMark: 4000 },
)
const packr = new Packr({ useRecords: false, variableMapSize: true })
const push = new Push({ sendHighWaterMark: 1000, immediate: true })
push.connect(`tcp://127.0.0.1:${sink.port}`)
const header = encodeHeader('user_activity', 'user-1')
await push.send([header, packr.pack(events[0])])

interface Round {
  /** Nanoseconds of each call, sorted. */
  calls: Float64Array
  /** CPU of this process a record, until the socket has all, ZeroMQ's thread included; in nanoseconds. */
  cpu: number
}

async function ours(): Promise<Round> {
  const calls = new Float64Array(recordCount)
  const cpuBefore = process.cpuUsage()
  for (let index = 0; index < recordCount; index++) {
    const before = process.hrtime.bigint()
    stream.put(events[index] as (typeof events)[number])
    calls[index] = Number(process.hrtime.bigint() - before)
    if (index % burstCount === 0) await nextTurn()
    // The sink takes fewer than we can put.
    while (stream.counts.waiting > 1000) await pause(1)
  }
  while (stream.counts.waiting > 0) await pause(1)
  return { calls: calls.sort(), cpu: cpuSince(cpuBefore) }
}

async function bare(): Promise<Round> {
  const calls = new Float64Array(recordCount)
  const cpuBefore = process.cpuUsage()
  for (let index = 0; index < recordCount; index++) {
    const before = process.hrtime.bigint()
    const sent = push.send([header, packr.pack(events[index])])
    calls[index] = Number(process.hrtime.bigint() - before)
    await sent
    if (index % burstCount === 0) await nextTurn()
  }
  return { calls: calls.sort(), cpu: cpuSince(cpuBefore) }
}

function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / recordCount
}

const rounds = { ours: [] as Round[], bare: [] as Round[] }
for (let round = 0; round < roundCount + 3; round++) {
  const [mine, theirs] = [await ours(), await bare()]
  // The first ones warm up.
  if (round < 3) continue
  rounds.ours.push(mine)
  rounds.bare.push(theirs)
}
const { dropped } = stream.counts
await stream.close()
push.linger = 0
push.close()
sink.close()
if (Object.keys(dropped).length > 0) throw new Error(`records were dropped: ${JSON.stringify(dropped)}`)

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number
const callAt = (of: Round[], share: number) =>
  median(of.map(({ calls }) => calls[Math.floor(share * calls.length)] as number))
const us = (ns: number) => ns / 1000
const beside = 'msgpackr.pack and a bare ZeroMQ send'
writeBenchReport('nonblocking-put', [
  {
    what: 'put, 5 fields, p50',
    value: us(callAt(rounds.ours, 0.5)),
    unit: 'us',
    baseline: { what: beside, value: us(callAt(rounds.bare, 0.5)) },
    target: { atMost: 2.5, of: 'value' },
  },
  {
    what: 'put, 5 fields, p99',
    value: us(callAt(rounds.ours, 0.99)),
    unit: 'us',
    baseline: { what: beside, value: us(callAt(rounds.bare, 0.99)) },
    target: { atMost: 20, of: 'value' },
  },
  {
    what: 'put, 5 fields, CPU a record until the socket has it',
    value: us(median(rounds.ours.map(({ cpu }) => cpu))),
    unit: 'us',
    baseline: { what: beside, value: us(median(rounds.bare.map(({ cpu }) => cpu))) },
    target: { atMost: 1.5, of: 'ratio' },
  },
])
