import { getStream, initCheckpointTable, loadConfig } from 'triton-kinesis'

// TRITON_DB says where checkpoints are kept, TRITON_CLIENT_NAME whose they are.
await initCheckpointTable()

await using orders = getStream<{ customer: string; cents: number }>('orders', loadConfig())

const records = orders.buildIteratorFromCheckpoint()
let cents = 0
let count = 0
for await (const record of records) {
  if (record.error) {
    console.error(`${record.shardId} ${record.sequenceNumber}: ${record.error.message}`)
    continue
  }
  cents += record.data.cents
  if (++count === 3) records.stop() // fetches no more, hands out what was fetched
}
await records.checkpoint() // the last record handed out, per shard; never ahead
console.log(`${count} orders, ${cents} cents`)
