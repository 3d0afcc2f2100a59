import { definitionOf, loadConfig, openStore, streamFromStore } from 'triton-kinesis'

interface Order {
  customer: string
  cents: number
}

await using store = openStore(process.env['ORDERS_ARCHIVE'] ?? 's3://triton-data')
const orders = definitionOf('orders', loadConfig())
const [yesterday, today] = [new Date(Date.now() - 86_400_000), new Date()]

// What `triton store -s orders` kept, in the order written; days are UTC.
const centsOf = new Map<string, number>()
for await (const { customer, cents } of streamFromStore<Order>(store, orders, yesterday, today)) {
  centsOf.set(customer, (centsOf.get(customer) ?? 0) + cents)
}
for (const [customer, cents] of centsOf) console.log(`${customer} spent ${cents} cents`)
