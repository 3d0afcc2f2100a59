import { openCheckpointStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { iterate } from '../../src/consumer/iterate.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'

/**
 * A reader in a process of its own, to be killed: prints each record's data as a line and saves a checkpoint every so
 * many records. Its arguments are endpoint, stream, checkpoint database and records per checkpoint.
 */
const [endpoint = '', stream = '', database = '', checkpointEvery = ''] = process.argv.slice(2)

const api = createAwsKinesisApi({ endpoint, region: 'us-east-1' })
const store = openCheckpointStore(database)
await store.init()
const records = iterate(
  { api, stream, decode: (bytes) => ({ data: Buffer.from(bytes).toString() }) },
  { from: 'checkpoint' },
  { checkpoint: { store, client: 'killed' }, limit: 25, untilCaughtUp: true, idlePollMs: 5, callsPerSecond: 1_000 },
)
let count = 0
for await (const { data } of records) {
  process.stdout.write(`${data}\n`)
  if (++count % Number(checkpointEvery) === 0) await records.checkpoint()
}
await records.checkpoint()
await store.close()
api.close()
