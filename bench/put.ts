/**
 * What a put costs the process that makes it: CPU per record of 200 bytes, encoding included, beside the AWS SDK used
 * plainly (records encoded beforehand, 500 a request, HTTP/1.1 with keep-alive) on the same engine, in turns.
 *
 *     node --import tsx bench/put.ts [records a round, default 20,000]
 */
import { Agent } from 'node:http'
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { encodeMsgpack } from '../src/record/msgpack-encode.ts'
import { Stream } from '../src/stream.ts'
import { writeBenchReport } from './support/bench-report.ts'
import { cpuUsPerRecord, median } from './support/cpu-us-per-record.ts'
import { startEngineProcess } from './support/engine-process.ts'

const recordCount = Number(process.argv[2] ?? 20_000)
const roundCount = 31
const warmUpRounds = 8
const callRecords = 10_000

interface Event {
  id: string
  ts: number
  user: string
  action: string
  amount: number
  note: string
}

const events = Array.from({ length: recordCount }, (_, index): Event => {
  return {
    id: `device-${index % 5000}`,
    ts: 1_767_225_600 + index / 10,
    user: `user-${index}`,
    action: 'checkout.completed',
    amount: index % 1000,
    note: 'x'.repeat(127 - String(index).length),
  }
})
const encoded = events.map((event) => Buffer.from(encodeMsgpack(event)))

const engine = await startEngineProcess({ streams: [{ name: 'bench', shardCount: 4 }], createStreamMs: 0 })
const sdk = new KinesisClient({
  endpoint: engine.endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  requestHandler: new NodeHttpHandler({ httpAgent: new Agent({ keepAlive: true }) }),
})
const stream = new Stream<Event>({
  streamName: 'bench',
  name: 'bench',
  partitionKey: 'id',
  partitionKeyText: 'javascript',
  region: 'us-east-1',
  endpoint: engine.endpoint,
  format: 'msgpack',
  file: 'bench/put.ts',
})

try {
  const times = { sdk: [] as number[], putMany: [] as number[], put: [] as number[] }
  for (let round = 0; round < warmUpRounds + roundCount; round++) {
    const measured = {
      sdk: await cpuUsPerRecord(recordCount, putBySdk),
      putMany: await cpuUsPerRecord(recordCount, putMany),
      put: await cpuUsPerRecord(recordCount, putOneByOne),
    }
    if (round < warmUpRounds) continue
    for (const way of ['sdk', 'putMany', 'put'] as const) times[way].push(measured[way])
  }
  const baseline = { what: 'AWS SDK, plainly', value: median(times.sdk) }
  const unit = 'us of client CPU a record'
  writeBenchReport('put', [
    { what: 'AWS SDK, plainly', value: baseline.value, unit },
    {
      what: 'putMany, 10,000 a call',
      value: median(times.putMany),
      unit,
      baseline,
      target: { atMost: 0.8, of: 'ratio' },
    },
    { what: '1,000 concurrent puts', value: median(times.put), unit, baseline, target: { atMost: 1, of: 'ratio' } },
  ])
} finally {
  await stream.close()
  sdk.destroy()
  await engine.close()
}

async function putBySdk(): Promise<void> {
  for (let from = 0; from < recordCount; from += 500) {
    const records = encoded.slice(from, from + 500)
    const answer = await sdk.send(
      new PutRecordsCommand({
        StreamName: 'bench',
        Records: records.map((data, index) => ({ Data: data, PartitionKey: events[from + index]?.id })),
      }),
    )
    if (answer.FailedRecordCount !== 0) throw new Error(`${answer.FailedRecordCount} records failed`)
  }
}

async function putMany(): Promise<void> {
  for (let from = 0; from < recordCount; from += callRecords) {
    const outcomes = await stream.putMany(events.slice(from, from + callRecords))
    if (outcomes.some((outcome) => !outcome.ok)) throw new Error('a record failed')
  }
}

async function putOneByOne(): Promise<void> {
  for (let from = 0; from < recordCount; from += 1000) {
    await Promise.all(events.slice(from, from + 1000).map((event) => stream.put(event)))
  }
}
