// One worker, of the package as it is built: prints its news and the time of each record. Its argument is JSON.
import { createWorker, getStream, observe, parseConfig } from 'triton-kinesis'

const { endpoint, stream: name, ...options } = JSON.parse(process.argv[2] ?? '{}')
const definition = { name, partition_key: 'key', region: 'us-east-1', endpoint, format: 'text' }
const stream = getStream(name, parseConfig(JSON.stringify({ [name]: definition }), 'the bench'))
const say = (line) => process.stdout.write(`${JSON.stringify({ ...line, atMs: Date.now() })}\n`)

observe(({ type, name: lease, shardId = lease }) => {
  if (/^(lease-taken|lease-released|lease-lost|shard-started|shard-finished)$/.test(type)) say({ type, shardId })
})
const worker = createWorker({
  ...options,
  stream,
  handler: (records) => say({ type: 'handled', shardId: records[0].shardId, count: records.length }),
})
process.once('SIGTERM', async () => {
  await worker.close()
  await stream.close()
})
