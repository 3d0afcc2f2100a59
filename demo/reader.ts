import { appendFileSync } from 'node:fs'
import { getStream, loadConfig } from 'triton-kinesis'
import { formatReading } from './proof.ts'
import { recordsPerCheckpoint } from './reader-rhythm.ts'

/**
 * The demo's second process: reads on from its checkpoint, notes down what it was handed, and checkpoints now and
 * then. It may be killed at any moment. Arguments: stream, file to note in, key field.
 */
const [streamName = '', noteFile = '', keyField = ''] = process.argv.slice(2)

const stream = getStream<Record<string, unknown>>(streamName, loadConfig())
const records = stream.buildIteratorFromCheckpoint()
process.on('disconnect', () => records.stop())
// The channel may have gone while the program was still being loaded.
if (!process.connected) records.stop()

let sinceCheckpoint = 0
for await (const record of records) {
  if (record.error) throw record.error
  const inputLine = Number(record.data['_line'])
  const key = String(record.data[keyField] ?? record.partitionKey)
  // Written before the checkpoint: a kill in between makes a record come again, never vanish.
  appendFileSync(
    noteFile,
    formatReading({ shardId: record.shardId, sequenceNumber: record.sequenceNumber, inputLine, key }),
  )
  if (++sinceCheckpoint >= recordsPerCheckpoint) {
    sinceCheckpoint = 0
    await records.checkpoint()
  }
}
await records.checkpoint()
await stream.close()
