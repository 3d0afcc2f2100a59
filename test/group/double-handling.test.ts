import assert from 'node:assert/strict'
import { test } from 'node:test'
import { releaseShard } from '../../src/group/seize-shards.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { MachineClock } from '../simulation/simulated-time.ts'
import { WorkerScene } from '../support/worker-scene.ts'

const checkpointMs = 1_000
const recordEveryMs = 100
const pollMs = 50

/**
 * A shard gets a record every 100 ms; after ten seconds and a half something happens, and another worker is there. Answers how long
 * before that the records were handled for the first time that were handled twice. None may be missing.
 */
async function agesOfRepeated(happen: (scene: WorkerScene) => unknown): Promise<number[]> {
  using scene = new WorkerScene(1)
  const handled: { text: string; atMs: number }[] = []
  const start = (clock: MachineClock) =>
    scene.start({
      ...{ clock, idlePollMs: pollMs, callsPerSecond: 1_000 },
      handler: (records) => {
        for (const { data = '' } of records) handled.push({ text: data, atMs: scene.time.nowMs })
      },
    })
  const putRecords = async (from: number, count: number) => {
    for (let number = from; number < from + count; number++) {
      scene.stream.putInto(0, `r${number}`)
      await scene.time.run(recordEveryMs)
    }
  }
  start(scene.clock)
  await putRecords(0, 105) // between two checkpoints
  const happenedMs = scene.time.nowMs
  await happen(scene)
  start(new MachineClock(scene.time, 0))
  await putRecords(105, 45)
  await scene.time.run(10_000)
  const firstMs = new Map<string, number>()
  const repeated = handled.filter(({ text, atMs }) => {
    const isAgain = firstMs.has(text)
    if (!isAgain) firstMs.set(text, atMs)
    return isAgain
  })
  assert.deepEqual(
    [...firstMs.keys()],
    Array.from({ length: 150 }, (_, number) => `r${number}`),
  )
  return repeated.map(({ text }) => happenedMs - (firstMs.get(text) ?? 0))
}

test('after a crash only that comes again which was handled since the last checkpoint, a second at most', async () => {
  const ages = await agesOfRepeated((scene) => {
    scene.clock.state = 'dead'
  })
  assert.ok(ages.length > 0, 'what was not kept comes again')
  assert.ok(Math.max(...ages) <= checkpointMs + pollMs, `handled ${Math.max(...ages)} ms before the crash`)
})

test('a shard that is taken from its worker comes again from the last checkpoint on', async () => {
  const ages = await agesOfRepeated(({ leases: store }) =>
    releaseShard({ store, client: 'c', stream: 'model', by: 'operator' }, shardIdOf(0)),
  )
  assert.ok(Math.max(0, ...ages) <= checkpointMs + pollMs, `handled ${Math.max(...ages)} ms before`)
})
