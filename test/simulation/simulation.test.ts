import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulateWorld } from './world.ts'

/** `make simulate SEEDS=10000` runs more of them. */
const seedCount = 200

test(`in ${seedCount} simulated worlds nothing is lost, nobody runs over another, and all comes right`, async () => {
  for (let seed = 1; seed <= seedCount; seed++) {
    const { faults, deeds } = await simulateWorld(seed)
    assert.deepEqual(faults, [], `seed ${seed} (make simulate SEED=${seed})\n${deeds.join('\n')}`)
  }
})
