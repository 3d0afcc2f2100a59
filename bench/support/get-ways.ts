/**
 * One way to read the stream `bench`, in a process of its own so that it meets its own garbage only, several times over.
 * Prints what each time cost, in microseconds of CPU a record, as JSON.
 *
 *     node --import tsx bench/support/get-ways.ts WAY ENDPOINT RECORDS
 */
import { Agent } from 'node:http'
import { GetRecordsCommand, GetShardIteratorCommand, KinesisClient, ListShardsCommand } from '@aws-sdk/client-kinesis'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { Stream } from '../../src/stream.ts'
import { cpuUsPerRecord } from './cpu-us-per-record.ts'

const [way = '', endpoint = '', records = ''] = process.argv.slice(2)
const recordCount = Number(records)
const warmUpRounds = 3
const roundCount = 7
const catchingUp = { untilCaughtUp: true, callsPerSecond: Number.POSITIVE_INFINITY, idlePollMs: 0 }

const ways: Record<string, () => Promise<number>> = { sdk: readBySdk, forAwait: readOneByOne, batches: readBatches }
const read = ways[way]
if (read === undefined) throw new Error(`no way ${way}`)
const sdk = new KinesisClient({
  endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  requestHandler: new NodeHttpHandler({ httpAgent: new Agent({ keepAlive: true }) }),
})
const stream = new Stream<object>({
  ...{ streamName: 'bench', name: 'bench', partitionKey: 'id', partitionKeyText: 'javascript' },
  ...{ region: 'us-east-1', endpoint, format: 'msgpack', file: 'bench/get.ts' },
})

const costs: number[] = []
for (let round = 0; round < warmUpRounds + roundCount; round++) {
  const cost = await cpuUsPerRecord(recordCount, async () => {
    const count = await read()
    if (count !== recordCount) throw new Error(`${count} of ${recordCount} records came`)
  })
  if (round >= warmUpRounds) costs.push(cost)
}
process.stdout.write(JSON.stringify(costs))
await stream.close()
sdk.destroy()

async function readBySdk(): Promise<number> {
  let count = 0
  const { Shards = [] } = await sdk.send(new ListShardsCommand({ StreamName: 'bench' }))
  for (const { ShardId } of Shards) {
    const place = { StreamName: 'bench', ShardId, ShardIteratorType: 'TRIM_HORIZON' } as const
    let { ShardIterator } = await sdk.send(new GetShardIteratorCommand(place))
    while (ShardIterator !== undefined) {
      const answer = await sdk.send(new GetRecordsCommand({ ShardIterator, Limit: 10_000 }))
      for (const { Data } of answer.Records ?? []) if (Data !== undefined) count += 1
      ShardIterator = answer.MillisBehindLatest === 0 ? undefined : answer.NextShardIterator
    }
  }
  return count
}

async function readOneByOne(): Promise<number> {
  let count = 0
  for await (const { data } of stream.iterate({ from: 'oldest' }, catchingUp)) if (data !== undefined) count += 1
  return count
}

async function readBatches(): Promise<number> {
  let count = 0
  for await (const batch of stream.iterate({ from: 'oldest' }, catchingUp).batches()) {
    for (const { data } of batch) if (data !== undefined) count += 1
  }
  return count
}
