import { DurablePutError, getNonblockingStream, loadConfig } from 'triton-kinesis'

await using orders = getNonblockingStream('orders', loadConfig())

try {
  // Resolves when tritond has the record in its spool on this host's disk, whether Kinesis is there or not.
  await orders.putDurable({ customer: 'ada', item: 'sofa', cents: 89_900 })
  console.log('the record outlives this process, and tritond')
} catch (error) {
  if (!(error instanceof DurablePutError)) throw error
  // No tritond, one without --spool, or no room: the reason says which, and whether the record may be kept all the same.
  console.error(`not kept: ${error.message}`)
}
