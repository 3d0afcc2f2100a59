import { getStream, loadConfig, openStore } from 'triton-kinesis'

await using orders = getStream<{ customer: string; cents: number }>('orders', loadConfig())
await using store = openStore(process.env['ORDERS_ARCHIVE'] ?? 's3://triton-data')

// The archived orders since yesterday, then those that came since: none is missing, none comes twice.
const start = new Date(Date.now() - 86_400_000)
let count = 0
for await (const order of orders.replay(store, { start, thenLive: true })) {
  if (order.error) continue
  console.log(`${order.data.customer}, ${order.data.cents} cents, ${order.archive ? 'archived' : 'live'}`)
  if (++count === 3) break
}
