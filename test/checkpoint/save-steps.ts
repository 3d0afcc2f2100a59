/**
 * A process of its own: `save-steps.ts ADDRESS FIRST_SHARD STEPS` creates the tables and saves 20 shards, from this
 * one on, at step 1, 2, 3 and so on, telling each step that is saved.
 */
import { openCheckpointStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { at } from '../contracts/checkpoint-store.contract.ts'

const [address = '', firstShard, steps] = process.argv.slice(2)
await using store = openCheckpointStore(address)
await store.init()
for (let step = 1; step <= Number(steps); step++) {
  await store.save('c', 's', new Map(Array.from({ length: 20 }, (_, index) => at(Number(firstShard) + index, step))))
  process.stdout.write(`${step}\n`)
}
