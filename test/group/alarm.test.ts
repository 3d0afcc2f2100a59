import assert from 'node:assert/strict'
import { test } from 'node:test'
import { observe } from '../../src/diagnostics.ts'
import { Alarm } from '../../src/group/alarm.ts'
import { createWorker, getStream, parseConfig } from '../../src/index.ts'
import { freshSqliteFile } from '../checkpoint/sqlite-file.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock, settle } from '../support/manual-clock.ts'

interface Warning extends Error {
  code?: string
}

/** The warnings of this process for as long as the test runs; nobody else listens to the news. */
function warnings(t: { after: (act: () => void) => void }) {
  const heard: Warning[] = []
  let wake = () => {}
  const hear = (warning: Warning) => {
    if (warning.name !== 'TritonWarning') return
    heard.push(warning)
    wake()
  }
  process.on('warning', hear)
  t.after(() => process.off('warning', hear))
  const next = async () => {
    while (heard.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    return heard.shift() as Warning
  }
  return { heard, next }
}

test('what somebody has to hear is a warning of the process while nobody listens, the same once a minute', async (t) => {
  const { heard } = warnings(t)
  const clock = new ManualClock()
  const alarm = new Alarm(clock)
  const stopped = (shardId: string) =>
    alarm.report({
      ...{ type: 'shard-stopped', client: 'c', stream: 'orders', shardId, sequenceNumber: '49' },
      ...{ retryMs: 30_000, reason: 'Error: no' },
    })
  for (const shardId of ['shard 0', 'shard 0', 'shard 1']) stopped(shardId)
  await settle()
  assert.deepEqual(
    heard.map(({ code, message }) => `${code} ${message}`),
    ['shard 0', 'shard 1'].map(
      (shardId) => `TRITON_SHARD_STOPPED orders ${shardId} is stopped before 49, tried again in 30 s: Error: no`,
    ),
  )
  await clock.advance(60_000)
  stopped('shard 0')
  const stopObserving = observe(() => {})
  stopped('shard 2')
  stopObserving()
  await settle()
  assert.equal(heard.length, 3)
})

test('a worker whose database has no tables, and one whose handler fails, do not stand without a word', async (t) => {
  const { next } = warnings(t)
  await using engine = await startTestEngine({ streams: [{ name: 'orders', shardCount: 1 }] })
  const definition = { name: 'orders', partition_key: 'key', region: 'us-east-1', endpoint: engine.endpoint }
  await using stream = getStream<{ key: string }>(
    'orders',
    parseConfig(JSON.stringify({ orders: definition }), 'a test'),
  )
  const file = freshSqliteFile()
  await using lost = createWorker({ stream, client: 'c', leases: `sqlite://${file}`, handler: () => {} })
  const hindered = await next()
  assert.equal(hindered.code, 'TRITON_WORKER_HINDERED')
  assert.match(hindered.message, /does not exist: run "triton checkpoint init" or call initCheckpointTable\(\)/)
  await lost.close()
  await stream.put({ key: 'k' })
  await using failing = createWorker({
    ...{ stream, client: 'c', leases: 'memory:', retries: 0 },
    handler: () => {
      throw new Error('never')
    },
  })
  const stopped = await next()
  assert.match(stopped.message, /orders shardId-000000000000 is stopped before \d+, tried again in 30 s: Error: never/)
  await failing.close()
})
