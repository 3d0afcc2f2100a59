import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startTestEngine } from '../../support/engine.ts'
import { ask, call, send } from '../wire-client.ts'

/** GET /_triton/metrics, in the text format of Prometheus. */
describe('the metrics of an engine', () => {
  test('count requests, records and bytes, each engine its own', async () => {
    const streams = [{ name: 's', shardCount: 2 }]
    await using engine = await startTestEngine({ metrics: true, streams })
    await using other = await startTestEngine({ metrics: true })
    const { endpoint } = engine
    await ask(endpoint, 'PutRecord', { StreamName: 's', PartitionKey: 'key', Data: Buffer.from('12345') })
    await ask(endpoint, 'PutRecord', { StreamName: 's', PartitionKey: 'key', Data: Buffer.from('12345') })
    await call(endpoint, 'PutRecord', { StreamName: 'none', PartitionKey: 'key', Data: Buffer.from('12345') })
    await call(endpoint, 'Invented', {})
    engine.setFaults([{ action: 'cut-before' }])
    await assert.rejects(call(endpoint, 'ListStreams', {}))

    const text = await metricsOf(endpoint)
    for (const line of [
      'triton_engine_requests_total{operation="PutRecord",error=""} 2',
      'triton_engine_requests_total{operation="PutRecord",error="ResourceNotFoundException"} 1',
      'triton_engine_requests_total{operation="unknown",error="UnknownOperationException"} 1',
      'triton_engine_requests_total{operation="ListStreams",error="fault cut"} 1',
      'triton_engine_request_seconds_count{operation="PutRecord"} 3',
      'triton_engine_records_put_total{stream="s"} 2',
      'triton_engine_put_bytes_total{stream="s"} 16',
      'triton_engine_records_got_total{stream="s"} 0',
      'triton_engine_streams 1',
      'triton_engine_open_shards 2',
      'triton_engine_subscriptions 0',
    ])
      assert.ok(text.split('\n').includes(line), `${line}\nis not in\n${text}`)
    assert.match(text, /^process_resident_memory_bytes \d{7,}$/m)
    assert.ok(!(await metricsOf(other.endpoint)).includes('PutRecord'))
  })

  test('are there when they were asked for', async () => {
    await using engine = await startTestEngine()
    const { status, body } = await send(engine.endpoint, { method: 'GET', path: '/_triton/metrics' })
    assert.equal(status, 404)
    assert.match(JSON.stringify(body), /start it with --metrics/)
  })
})

async function metricsOf(endpoint: string): Promise<string> {
  const { status, headers, bytes } = await send(endpoint, { method: 'GET', path: '/_triton/metrics' })
  assert.equal(status, 200)
  assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/)
  return bytes.toString()
}
