import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseConfig } from '../../src/config.ts'
import { getStream, type PutOutcome } from '../../src/stream.ts'
import { startEngineProcess } from '../local/start-engine-process.ts'

/** A whole day of bad luck: producer and reader at work, and the engine under them is killed again and again. */
const directory = mkdtempSync(join(tmpdir(), 'triton-killed-'))
after(() => rmSync(directory, { recursive: true }))

interface Event {
  key: string
  number: number
}

const keyCount = 20
const kills = 3

test('with the engine killed (SIGKILL) again and again, every acknowledged record is read, and each key in order', async () => {
  const dataDir = join(directory, 'engine')
  let engine = await startEngineProcess(dataDir, { streams: [{ name: 'events', shardCount: 3 }] })
  const { port } = new URL(engine.endpoint)
  const stream = getStream<Event>(
    'events',
    parseConfig(`events:\n  name: events\n  partition_key: key\n  endpoint: ${engine.endpoint}\n`, 'triton.yaml'),
    { producer: { retryDelayMs: 20, longestRetryDelayMs: 100, order: 'strict' }, consumer: { idlePollMs: 20 } },
  )
  const records = stream.buildIteratorForAll()
  const read: { event: Event; sequenceNumber: string }[] = []
  const isRead = new Set<string>()
  let due: Set<string> | undefined
  const endWhenAllIsRead = () => due && [...due].every((number) => isRead.has(number)) && records.stop()
  const reading = (async () => {
    for await (const { data, sequenceNumber, error } of records) {
      assert.equal(error, undefined)
      read.push({ event: data as Event, sequenceNumber })
      isRead.add(sequenceNumber)
      endWhenAllIsRead()
    }
  })()

  const acknowledged = new Set<string>()
  let next = 0
  const putRound = async () => {
    const round = next++
    const events = Array.from({ length: keyCount }, (_, at) => ({ key: `key-${at}`, number: round }))
    const outcomes = await stream.putMany(events)
    for (const outcome of outcomes) acknowledged.add(numberOf(outcome))
  }
  for (let kill = 0; kill < kills; kill++) {
    for (let round = 0; round < 10; round++) await putRound()
    // Killed while requests are under way.
    const underWay = Promise.all([putRound(), putRound(), putRound()])
    await engine.kill()
    engine = await startEngineProcess(dataDir, { port: Number(port) })
    await underWay
  }
  for (let round = 0; round < 10; round++) await putRound()
  due = acknowledged
  endWhenAllIsRead()
  await reading
  await stream.close()
  await engine.stop()

  assert.equal(acknowledged.size, next * keyCount, 'every record has a number of its own')
  const highest = new Map<string, number>()
  for (const { event } of read) {
    const before = highest.get(event.key) ?? -1
    // A request whose answer was lost with the engine is repeated: its records may stand there twice, never too late.
    assert.ok(event.number === before + 1 || event.number === before, `${event.key}: ${event.number} after ${before}`)
    highest.set(event.key, event.number)
  }
  assert.deepEqual([...new Set(highest.values())], [next - 1])
  assert.equal(highest.size, keyCount)
})

function numberOf(outcome: PutOutcome<Event>): string {
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.error.message)
  return outcome.sequenceNumber
}
