import { KinesisClient, ListStreamsCommand } from '@aws-sdk/client-kinesis'
import { startLocalEngine } from 'triton-kinesis/local'

// A Kinesis for your own tests: in memory, up in milliseconds, gone with the block.
await using engine = await startLocalEngine({ streams: [{ name: 'orders_v2', shardCount: 2 }] })

const kinesis = new KinesisClient({
  endpoint: engine.endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
})
const { StreamNames } = await kinesis.send(new ListStreamsCommand({}))
console.log(StreamNames)
kinesis.destroy()
