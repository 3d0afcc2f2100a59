import assert from 'node:assert/strict'
import { test } from 'node:test'
import { worldStartMs } from '../simulation/simulated-time.ts'
import { WorkerScene } from '../support/worker-scene.ts'

test('pauses between retries double from retryMs on, up to 5 s, and as many are made as were asked for', async () => {
  using scene = new WorkerScene(1)
  scene.stream.putInto(0, 'bad')
  const worker = scene.start({
    ...{ retries: 9, retryMs: 100, onFailure: 'skip' },
    handler: () => {
      throw new Error('never')
    },
  })
  await scene.time.run(60_000)
  const failures = scene.of('handler-failed')
  assert.deepEqual(
    failures.map(({ attempt }) => attempt),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  )
  failures.forEach(({ attempt, delayMs }) => {
    const longestMs = attempt > 9 ? 0 : Math.min(5_000, 100 * 2 ** (attempt - 1))
    assert.ok(delayMs >= longestMs / 2 && delayMs <= longestMs, `${delayMs} ms after attempt ${attempt}`)
  })
  assert.equal(scene.of('record-skipped').length, 1)
  await scene.close(worker)
})

test('each batch tells how many records it had, how old they were, and how far behind the tip they lie', async () => {
  using scene = new WorkerScene(1)
  scene.stream.nowMs = worldStartMs
  for (const text of ['a', 'b', 'c']) scene.stream.putInto(0, text)
  await scene.time.run(3_000)
  const worker = scene.start({
    handler: () => new Promise((resolve) => scene.clock.setTimer(() => resolve(undefined), 500)),
  })
  await scene.time.run(5_000)
  const [batch] = scene.of('batch-handled')
  assert.deepEqual([batch?.recordCount, batch?.millisBehindLatest, batch?.durationMs], [3, 0, 500])
  assert.ok((batch?.ageMs ?? 0) >= 3_400 && (batch?.ageMs ?? 0) <= 4_500, `${batch?.ageMs} ms old`)
  await scene.close(worker)
})
