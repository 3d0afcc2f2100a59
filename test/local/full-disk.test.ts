import assert from 'node:assert/strict'
import { test } from 'node:test'
import { observe } from '../../src/diagnostics.ts'
import { StorageError } from '../../src/errors.ts'
import { createMemoryStreamLog } from '../../src/local/memory-stream-log.ts'
import { createMemoryStateStore } from '../../src/local/state/memory-state-store.ts'
import { deleting, setting } from '../../src/local/state/pending-change.ts'
import type { StreamState } from '../../src/local/state/stream-state.ts'
import { Streams } from '../../src/local/state/streams.ts'
import { ManualClock } from '../support/manual-clock.ts'

test('9 a change that cannot be kept is told once, tried again, and made when it can be', async (t) => {
  const clock = new ManualClock()
  let isFull = false
  const save = () => {
    if (isFull) throw new StorageError('cannot keep the state: the disk is full')
  }
  const store = { ...createMemoryStateStore(), save, remove: save }
  const streams = new Streams(
    store,
    { open: async () => createMemoryStreamLog(), remove: async () => undefined },
    clock,
  )
  t.after(() => streams.close())
  const told: string[] = []
  t.after(
    observe((news) => {
      if (news.type === 'engine-error') told.push(`${news.operation}: ${news.reason}`)
    }),
  )
  streams.create((serial): StreamState => ({ ...aStream, serial }))
  const stream = streams.get('s')
  assert.ok(stream)
  const trouble = (kind: string) => `${kind} stream s: cannot keep the state: the disk is full`

  streams.change(stream, setting(stream.state, { maxRecordKiB: 2048 }, clock.now() + 100))
  isFull = true
  await clock.advance(5_000)
  assert.deepEqual([stream.state.status, streams.troubles], ['UPDATING', [trouble('set')]])
  isFull = false
  await clock.advance(1_000)
  assert.deepEqual([stream.state.status, stream.state.maxRecordKiB, streams.troubles], ['ACTIVE', 2048, []])

  streams.change(stream, deleting(stream.state, clock.now() + 100))
  isFull = true
  await clock.advance(5_000)
  assert.deepEqual([streams.get('s')?.state.status, streams.troubles], ['DELETING', [trouble('remove')]])
  isFull = false
  await clock.advance(1_000)
  assert.deepEqual([streams.get('s'), streams.troubles], [undefined, []])
  assert.deepEqual(told, [trouble('set'), trouble('remove')])
})

const aStream = {
  name: 's',
  status: 'ACTIVE',
  mode: 'PROVISIONED',
  createdSeconds: 1_700_000_000,
  retentionHours: 24,
  shards: [],
  nextShardIndex: 0,
} as const
