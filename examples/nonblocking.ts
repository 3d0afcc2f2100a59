import { getNonblockingStream, loadConfig } from 'triton-kinesis'

interface Order {
  customer: string
  item: string
  cents: number
}

// Through the tritond of this host, which may also start later: TRITON_ZMQ_HOST and TRITON_ZMQ_PORT say where it is.
await using orders = getNonblockingStream<Order>('orders', loadConfig())

// Returns in about a microsecond, and never throws. True: the record waits in a bounded ring for the daemon.
const isWaiting = orders.put({ customer: 'ada', item: 'lamp', cents: 4_990 })

// What could not wait was dropped, counted by its reason, and told once a second.
console.log(isWaiting, orders.counts)

// Leaving the block sends what waits, for 3 s at most.
