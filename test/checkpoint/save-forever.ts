/** Saves 20 shards at step 1, 2, 3 and so on, telling each step that is saved, until somebody kills it. */
import { openCheckpointStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { at } from '../contracts/checkpoint-store.contract.ts'

const store = openCheckpointStore(process.argv[2] ?? '')
for (let step = 1; ; step++) {
  await store.save('c', 's', new Map(Array.from({ length: 20 }, (_, index) => at(index, step))))
  process.stdout.write(`${step}\n`)
}
