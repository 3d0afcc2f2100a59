import assert from 'node:assert/strict'
import { test } from 'node:test'
import { S3Store } from '../../src/archive/s3-store.ts'
import { StoreMetrics } from '../../src/archive/store-metrics.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { ArchivePlace } from '../support/archive-place.ts'
import { startTestS3 } from '../support/s3.ts'

test('what is stored is counted: records, those aside, bytes, objects, requests that were tried again', async () => {
  await using place = await ArchivePlace.open({ streams: [{ name: 'orders', shardCount: 1 }] })
  await using s3 = await startTestS3()
  await using store = new S3Store(s3.bucket, '', { endpoint: s3.endpoint })
  using metrics = await StoreMetrics.open()
  assert.deepEqual(metrics.readiness(), { isReady: false, lines: ['reading not yet'] })
  const bodies = [...Array.from({ length: 99 }, (_, n) => encodeMsgpack({ n })), Buffer.from('no map')]
  await place.api.putRecords(
    'orders',
    bodies.map((data) => ({ data, partitionKey: 'k' })),
  )
  let failures = 2
  s3.fault = ({ method, query }) =>
    method === 'PUT' && query.has('partNumber') && failures-- > 0 ? { status: 503, code: 'SlowDown' } : undefined
  await place.storeAll('orders', { store })

  const numberOf = new Map<string, number>()
  for (const line of (await metrics.text()).split('\n')) {
    const [, name, value] = /^triton_store_(\S+) (\S+)$/.exec(line) ?? []
    if (name !== undefined) numberOf.set(name, Number(value))
  }
  const [main] = (await store.list('')).filter(({ key }) => !key.startsWith('undecodable/'))
  assert.equal(numberOf.get('records_read_total{stream="orders"}'), 100)
  assert.equal(numberOf.get('records_stored_total{stream="orders"}'), 99)
  assert.equal(numberOf.get('records_undecodable_total{stream="orders"}'), 1)
  assert.equal(numberOf.get('uploads_total{stream="orders"}'), 1)
  assert.equal(numberOf.get('object_bytes_total{stream="orders"}'), main?.bytes)
  assert.equal(numberOf.get('retries_total{what="store"}'), 2)
  assert.equal(numberOf.get('seconds_behind_latest{stream="orders",shard="shardId-000000000000"}'), 0)
  assert.ok((numberOf.get('last_object_timestamp_seconds{stream="orders"}') ?? 0) > 0)
  assert.equal(metrics.readiness().isReady, true)
})
