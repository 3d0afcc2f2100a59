import assert from 'node:assert/strict'
import { test } from 'node:test'
import { report } from '../../src/diagnostics.ts'
import { WorkerMetrics } from '../../src/group/worker-metrics.ts'

const place = { client: 'c', stream: 's' }
const shard = { ...place, shardId: 'shardId-000000000000' }
const record = { ...shard, sequenceNumber: '1', reason: 'no' }

test('every record that is handled, skipped, kept as a dead letter, or stands is counted', async () => {
  using metrics = await WorkerMetrics.open()
  report({ ...shard, type: 'batch-handled', recordCount: 7, millisBehindLatest: 1_500, ageMs: 700, durationMs: 250 })
  report({ ...record, type: 'handler-failed', recordCount: 7, attempt: 1, delayMs: 0 })
  report({ ...record, type: 'record-skipped' })
  report({ ...record, type: 'record-dead-lettered', to: 'a list' })
  report({ ...record, type: 'record-dead-lettered', to: 'a list' })
  report({ ...record, type: 'shard-stopped', retryMs: 1 })
  report({ ...shard, type: 'shard-stuck', reason: 'no', isRestarted: false })
  const text = await metrics.text()
  for (const line of [
    'records_handled_total{stream="s"} 7',
    'handling_seconds_total{stream="s"} 0.25',
    'handler_failures_total{stream="s"} 1',
    'records_given_up_total{stream="s",policy="skip"} 1',
    'records_given_up_total{stream="s",policy="dead-letter"} 2',
    'shard_stops_total{stream="s",shard="shardId-000000000000"} 1',
    'shard_stuck_total{stream="s",shard="shardId-000000000000"} 1',
    'record_age_milliseconds{stream="s",shard="shardId-000000000000"} 700',
    'behind_milliseconds{stream="s",shard="shardId-000000000000"} 1500',
  ]) {
    assert.ok(text.includes(`triton_worker_${line}\n`), `${line} is not in\n${text}`)
  }
})

test('a worker is ready while it is a member of its group, with or without a shard', async () => {
  using metrics = await WorkerMetrics.open()
  const lease = { ...place, owner: 'me/1' }
  const readiness = () => [metrics.readiness().isReady, ...metrics.readiness().lines]
  assert.deepEqual(readiness(), [false, 'group not joined', 'leases 0'])
  report({ ...lease, type: 'worker-joined' })
  assert.deepEqual(readiness(), [true, 'group joined', 'leases 0'])
  report({ ...lease, type: 'lease-taken', name: 'shardId-000000000000', from: '' })
  assert.deepEqual(readiness(), [true, 'group joined', 'leases 1'])
  assert.match(await metrics.text(), /triton_worker_leases\{stream="s"\} 1\n/)
  report({ ...lease, type: 'lease-lost', name: 'shardId-000000000000', reason: 'taken' })
  assert.deepEqual(readiness(), [true, 'group joined', 'leases 0'])
  report({ ...lease, type: 'lease-lost', name: 'worker:me/1', reason: 'overdue' })
  assert.deepEqual(readiness(), [false, 'group not joined', 'leases 0'])
  assert.match(await metrics.text(), /triton_worker_leases_lost_total\{stream="s"\} 1\n/)
})
