import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ConfigWatch } from '../../src/daemon/config-watch.ts'
import { ManualClock } from '../support/manual-clock.ts'

const definition = (name: string) => `${name}: { name: ${name}, partition_key: id }\n`

test('a configuration is read anew when it has changed, and only when its writer is done', async (t) => {
  const { file, clock, streams } = watched(t, definition('one'))
  assert.deepEqual(streams, [['one']])
  // What an editor has written so far would do as a configuration.
  writeFileSync(file, definition('two'))
  await clock.advance(1_000)
  writeFileSync(file, definition('two') + definition('three'))
  await clock.advance(1_000)
  assert.deepEqual(streams, [['one']])
  await clock.advance(1_000)
  assert.deepEqual(streams, [['one'], ['two', 'three']])
  await clock.advance(5_000)
  assert.equal(streams.length, 2)
})

test('a configuration is read at once when asked, and not again by itself', async (t) => {
  const { file, clock, streams, watch } = watched(t, definition('one'))
  writeFileSync(file, definition('two'))
  watch.reload()
  assert.deepEqual(streams, [['one'], ['two']])
  await clock.advance(5_000)
  assert.equal(streams.length, 2)
})

test('a configuration that goes and comes back is read when it is there', async (t) => {
  const { file, clock, streams } = watched(t, definition('one'))
  rmSync(file)
  await clock.advance(3_000)
  writeFileSync(file, definition('back'))
  await clock.advance(3_000)
  assert.deepEqual(streams, [['one'], ['back']])
})

function watched(t: TestContext, text: string) {
  const directory = mkdtempSync(join(tmpdir(), 'triton-config-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'triton.yaml')
  writeFileSync(file, text)
  const clock = new ManualClock()
  const streams: string[][] = []
  const onConfig = (config: object) => void streams.push(Object.keys(config))
  const watch = new ConfigWatch({ path: file, pollMs: 1_000, clock, onConfig })
  t.after(() => watch[Symbol.dispose]())
  return { file, clock, streams, watch }
}
