import { GetRecordsCommand, GetShardIteratorCommand, KinesisClient, PutRecordCommand } from '@aws-sdk/client-kinesis'
import { MovableClock, startLocalEngine } from 'triton-kinesis/local'

const clock = new MovableClock()
await using engine = await startLocalEngine({ clock, streams: [{ name: 'orders_v2', shardCount: 1 }] })
const credentials = { accessKeyId: 'any', secretAccessKey: 'any' }
const kinesis = new KinesisClient({ endpoint: engine.endpoint, region: 'us-east-1', credentials })

// The first call is throttled, as on a busy day; the SDK tries again.
engine.setFaults([{ action: 'throttle', operation: 'PutRecord', count: 1 }])
const Data = Buffer.from('hi')
const { $metadata } = await kinesis.send(new PutRecordCommand({ StreamName: 'orders_v2', PartitionKey: 'ada', Data }))
console.log(`stored after ${$metadata.attempts} attempts`)

const count = async () => {
  const start = { StreamName: 'orders_v2', ShardId: 'shardId-000000000000', ShardIteratorType: 'TRIM_HORIZON' } as const
  const { ShardIterator } = await kinesis.send(new GetShardIteratorCommand(start))
  const { Records = [] } = await kinesis.send(new GetRecordsCommand({ ShardIterator }))
  return Records.length
}
console.log(`${await count()} record`)

// A day and an hour later, retention has taken it.
clock.advance(25 * 3_600_000)
console.log(`${await count()} records`)
kinesis.destroy()
