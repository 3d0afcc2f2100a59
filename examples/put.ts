import { getStream, loadConfig } from 'triton-kinesis'

interface Order {
  customer: string
  item: string
  cents: number
}

await using orders = getStream<Order>('orders', loadConfig())

// Resolved means that Kinesis has it. Calls of one turn of the event loop travel in one request.
const { shardId, sequenceNumber } = await orders.put({ customer: 'ada', item: 'lamp', cents: 4_990 })
console.log(`stored in ${shardId} as ${sequenceNumber}`)

// Outcomes stand in input order; what could not be stored is handed back, with the reason.
const outcomes = await orders.putMany([
  { customer: 'ada', item: 'bulb', cents: 390 },
  { customer: 'bob', item: 'desk', cents: 24_900 },
])
for (const outcome of outcomes) {
  if (!outcome.ok) console.error(`record ${outcome.index} failed: ${outcome.error.message}`)
}
