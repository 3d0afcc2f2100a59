import { once } from 'node:events'
import { createWorker, getStream, initCheckpointTable, loadConfig } from 'triton-kinesis'

interface Order {
  customer: string
  item: string
  cents: number
}

// TRITON_DB says where the group keeps its leases and checkpoints.
await initCheckpointTable()
await using orders = getStream<Order>('orders', loadConfig())

const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())

// Start this program as often as you like: the processes share the shards, and go on for one another.
let count = 0
await using worker = createWorker({
  stream: orders,
  client: 'billing',
  handler: async (records, { shardId }) => {
    // Resolved means done: a batch that throws comes again, then its halves, then what onFailure says.
    for (const { data } of records) console.log(`${shardId}: ${data?.customer} bought ${data?.item}`)
    count += records.length
    if (count === 3) stop.abort() // this example has seen enough
  },
})
console.log(`${worker.owner} works`)
await once(stop.signal, 'abort')
// Leaving the block ends what is in hand, keeps the checkpoints, and gives the shards back.
