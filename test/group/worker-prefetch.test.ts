import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WorkerScene } from '../support/worker-scene.ts'

const shardCount = 8
/** A megabyte in each shard. */
const recordsPerShard = 100
const recordBytes = 10_000

/** How many bytes a worker has fetched after a while whose handlers do not return. */
async function fetchedBytes(prefetchBytes: number): Promise<number> {
  using scene = new WorkerScene(shardCount)
  for (let shard = 0; shard < shardCount; shard++) {
    for (let count = 0; count < recordsPerShard; count++) scene.stream.putInto(shard, 'x'.repeat(recordBytes))
  }
  scene.start({ prefetchBytes, handler: () => new Promise<void>(() => {}) })
  await scene.time.run(3_000)
  return scene.of('page-read').reduce((sum, { pageBytes }) => sum + pageBytes, 0)
}

test('what lies fetched is bounded for all shards of a worker together', async () => {
  const all = shardCount * recordsPerShard * recordBytes
  assert.ok((await fetchedBytes(100 * all)) >= all, 'with room enough all of it is fetched')
  const bound = 2_500_000
  const fetched = await fetchedBytes(bound)
  assert.ok(fetched > 0 && fetched <= bound, `${fetched} bytes were fetched`)
})
