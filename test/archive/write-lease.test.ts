import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { WriteLease } from '../../src/archive/write-lease.ts'
import { MemoryLeaseStore } from '../../src/checkpoint/memory-lease-store.ts'
import { LeaseHeldError, LeaseLostError } from '../../src/errors.ts'
import { ManualClock } from '../support/manual-clock.ts'

test('a second holder is refused while the first renews, and has it when the first gives it back', async () => {
  await using store = new MemoryLeaseStore()
  const first = await WriteLease.take(store, 'store', 'orders', { leaseMs: 4_000 })
  await assert.rejects(WriteLease.take(store, 'store', 'orders', { leaseMs: 4_000 }), LeaseHeldError)
  await using other = await WriteLease.take(store, 'backup', 'orders', { leaseMs: 4_000 })
  await other.confirm()
  await first.confirm()
  await first.close()
  await first.close()
  await using second = await WriteLease.take(store, 'store', 'orders', { leaseMs: 4_000 })
  await second.confirm()
  await assert.rejects(first.confirm(), LeaseLostError)
})

test('a holder elsewhere that gives no sign of life is succeeded, and learns it when it asks', async () => {
  await using store = new MemoryLeaseStore()
  const clock = new ManualClock()
  // Nobody moves this holder's clock: it stands still.
  const stuck = await WriteLease.take(store, 'store', 'orders', { clock: new ManualClock() })
  const taking = WriteLease.take(store, 'store', 'orders', { clock })
  let isTaken = false
  void taking.then(() => {
    isTaken = true
  })
  while (!isTaken) {
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(500)
  }
  await using next = await taking
  await next.confirm()
  await assert.rejects(stuck.confirm(), LeaseLostError)
  assert.equal(stuck.lost.aborted, true)
  await stuck.close()
})

test('a holder of this host whose process is gone is succeeded at once', async () => {
  await using store = new MemoryLeaseStore()
  const gone = `${hostname().slice(0, 120)}/2147483646/1/x`
  await store.apply('store', 'orders', [
    { type: 'create', name: 'store' },
    { type: 'take', name: 'store', by: gone, owner: '', counter: 0, next: 1 },
  ])
  const [lease] = await store.list('store', 'orders')
  assert.equal(lease?.owner, gone)
  const stopped = new ManualClock()
  await using next = await WriteLease.take(store, 'store', 'orders', { clock: stopped })
  await next.confirm()
})
