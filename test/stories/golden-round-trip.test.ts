import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { parseConfig } from '../../src/config.ts'
import type { StreamRecord } from '../../src/consumer/stream-record.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { losslessJsonOf } from '../../src/record/lossless-json.ts'
import { decodeMsgpack } from '../../src/record/msgpack-decode.ts'
import { getStream, type Stream } from '../../src/stream.ts'
import { goldenRecords } from '../record/golden-records.ts'
import { startTestEngine } from '../support/engine.ts'

/** What py-triton and go-triton once wrote goes through a stream, as bytes of theirs and as values of ours. */
describe('every golden record', () => {
  const golden = goldenRecords()
  let engine: LocalEngine
  let values: Stream
  let bytes: Stream<Uint8Array>
  /** The same Kinesis stream as `bytes`, read as maps. */
  let theirs: Stream

  before(async () => {
    engine = await startTestEngine({
      streams: ['values', 'bytes'].map((name) => ({ name, shardCount: 3 })),
    })
    const definition = (name: string, format: string, stream = name) =>
      `${name}:\n  name: ${stream}\n  partition_key: id\n  format: ${format}\n  endpoint: ${engine.endpoint}\n`
    const config = parseConfig(
      definition('values', 'msgpack') + definition('bytes', 'bytes') + definition('theirs', 'msgpack', 'bytes'),
      'triton.yaml',
    )
    // NaN and Infinity are golden, too; written by us they need to be asked for.
    values = getStream('values', config, { record: { allowNonFinite: true } })
    bytes = getStream<Uint8Array>('bytes', config)
    theirs = getStream('theirs', config)
  })
  after(async () => {
    await Promise.all([values, bytes, theirs].map((stream) => stream.close()))
    await engine.close()
  })

  test('that is put as a value is read as the same value, in its place of the order of its key', async () => {
    const expected = golden.map(({ bytes: record }) => decodeMsgpack(record))
    const outcomes = await values.putMany(expected, { keysOf: (_, index) => ({ partitionKey: keyOf(index) }) })
    assert.deepEqual(
      outcomes.filter(({ ok }) => !ok),
      [],
    )
    const read = await readByKey(values)
    for (const [index, { name }] of golden.entries()) {
      const record = read.get(keyOf(index))?.shift()
      assert.equal(record?.error, undefined, name)
      assert.deepEqual(record?.data, expected[index], name)
    }
    assert.equal([...read.values()].flat().length, 0, 'nothing else was read')
  })

  test('that an older program put is read byte by byte, as its true value', async () => {
    await bytes.putMany(
      golden.map((record) => record.bytes),
      { keysOf: (_, index) => ({ partitionKey: keyOf(index) }) },
    )
    const read = await readByKey(theirs)
    for (const [index, { name, bytes: written, lossless }] of golden.entries()) {
      const record = read.get(keyOf(index))?.shift()
      assert.equal(record?.error, undefined, name)
      assert.deepEqual(Buffer.from(record?.bytes ?? []), written, name)
      assert.equal(losslessJsonOf(record?.bytes ?? Buffer.of()), lossless, name)
      assert.deepEqual(record?.data, decodeMsgpack(written), name)
    }
  })
})

const keyOf = (index: number) => `key-${index % 7}`

async function readByKey(stream: Stream) {
  const read = new Map<string, StreamRecord<unknown>[]>()
  for await (const record of stream.iterate({ from: 'oldest' }, { untilCaughtUp: true })) {
    const ofKey = read.get(record.partitionKey) ?? []
    ofKey.push(record)
    read.set(record.partitionKey, ofKey)
  }
  return read
}
