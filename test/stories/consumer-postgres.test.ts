import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openCheckpointStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { iterate } from '../../src/consumer/iterate.ts'
import type { CheckpointTarget } from '../../src/consumer/read-settings.ts'
import { TritonCheckpointError } from '../../src/errors.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { NumberedLoad, openShards, splitShard } from '../support/reshard-load.ts'

let engine: LocalEngine
let api: KinesisApi
let postgres: TestPostgres

before(async () => {
  ;[engine, postgres] = await Promise.all([startTestEngine(), startPostgres()])
  api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
})

after(async () => {
  api.close()
  await engine.close()
  await postgres.close()
})

function read(stream: string, checkpoint: CheckpointTarget) {
  const decode = (bytes: Uint8Array) => ({ data: Buffer.from(bytes).toString() })
  const pace = { untilCaughtUp: true, idlePollMs: 5, callsPerSecond: 1_000, limit: 10 }
  return iterate({ api, stream, decode }, { from: 'checkpoint' }, { ...pace, checkpoint })
}

test('a database that dies in the middle costs a checkpoint, not a record', async () => {
  const stream = 'orders'
  await api.createStream(stream, 2)
  const load = new NumberedLoad(api, stream)
  await load.putRounds(3)
  await splitShard(api, stream, (await openShards(api, stream))[0])
  await load.putRounds(3)
  await using store = openCheckpointStore(await postgres.createSchema(), { retryMs: 200 })
  await store.init()
  const checkpoint = { store, client: 'billing' }
  const lines: string[] = []
  const first = read(stream, checkpoint)
  for await (const { data } of first) {
    lines.push(data as string)
    if (lines.length === 20) await first.checkpoint()
    if (lines.length === 50) {
      await postgres.stop('immediate')
      await assert.rejects(first.checkpoint(), TritonCheckpointError)
      await postgres.start()
    }
    if (lines.length === 70) break
  }
  await first.checkpoint()
  const second = read(stream, checkpoint)
  for await (const { data } of second) lines.push(data as string)
  await second.checkpoint()
  assert.deepEqual(load.faultsIn(lines), [])
  const finished = (await store.list()).filter((row) => row.isFinished).map((row) => row.shardId)
  assert.deepEqual(finished, ['shardId-000000000000'])
})

test('a start from the checkpoint of a database that is down is an error that says so', async () => {
  const url = await postgres.createSchema()
  await postgres.stop('fast')
  await using store = openCheckpointStore(url, { retryMs: 100 })
  await assert.rejects(read('orders', { store, client: 'billing' }).next(), TritonCheckpointError)
  await postgres.start()
})
