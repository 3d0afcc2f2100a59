import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Lease, unknownFacts } from '../../src/checkpoint/lease-store.ts'
import { judgeStuck, judgeWaiting } from '../../src/group/judge-stuck.ts'
import type { RunnerState } from '../../src/group/shard-runner.ts'

const standing: RunnerState = {
  ...{ position: '', sequenceNumber: '1', movedAtMs: 0, behindMs: 5_000, handlerSinceMs: undefined, halted: '' },
  ...{ isInLine: false, isUnkept: false },
  ...{ readTrouble: '', handledCount: 0, handledBytes: 0 },
}
const lease = (name: string, about: Partial<Lease> = {}): Lease => ({
  ...{ name, owner: '', counter: 1, wantedBy: '', parentIds: [], state: 'new', facts: unknownFacts },
  ...about,
})

describe('the stuck-shard watch', () => {
  test('leaves a shard alone that moved, or that stands at its tip', () => {
    assert.equal(judgeStuck(standing, 59_000, 60_000), undefined)
    assert.equal(judgeStuck({ ...standing, behindMs: 0 }, 61_000, 60_000), undefined)
  })

  test('says what a shard stands for, and restarts only what a restart can help', () => {
    const at = (about: Partial<RunnerState>) => judgeStuck({ ...standing, ...about }, 61_000, 60_000)
    assert.deepEqual(at({}), { reason: 'no page comes', canRestart: true })
    assert.deepEqual(at({ handlerSinceMs: 1_000 }), {
      reason: 'its handler has been running for 60 s',
      canRestart: false,
    })
    assert.match(at({ halted: 'Error: poison', handlerSinceMs: 1_000 })?.reason ?? '', /stopped before .*poison/)
    assert.match(at({ isInLine: true })?.reason ?? '', /waits for its turn/)
    assert.match(at({ readTrouble: 'ProvisionedThroughputExceededException' })?.reason ?? '', /Throughput/)
  })

  test('says why nobody reads a shard', () => {
    const judge = (...leases: [Lease, ...Lease[]]) =>
      judgeWaiting(leases[0], new Map(leases.map((one) => [one.name, one])))
    assert.equal(judge(lease('child')), 'nobody reads it')
    assert.equal(judge(lease('child', { state: 'finished' })), undefined)
    assert.equal(judge(lease('child', { owner: 'a' })), undefined)
    assert.match(judge(lease('child', { owner: 'a', wantedBy: 'b' })) ?? '', /b asked a for it/)
    const child = lease('child', { parentIds: ['parent'] })
    assert.equal(judge(child, lease('parent')), 'waits for its parent parent, which nobody reads')
    const facts = { ...unknownFacts, trouble: 'its handler has been running for 90 s' }
    assert.match(judge(child, lease('parent', { owner: 'a', facts })) ?? '', /which stands: its handler/)
    assert.equal(judge(child, lease('parent', { state: 'finished', owner: '' })), 'nobody reads it')
  })
})
