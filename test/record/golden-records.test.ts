import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { losslessJsonOf, msgpackOfLosslessJson } from '../../src/record/lossless-json.ts'
import { decodeMsgpack } from '../../src/record/msgpack-decode.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { partitionKeyOf, partitionKeyOfBytes } from '../../src/record/partition-key.ts'
import { recordCodec } from '../../src/record/record-codec.ts'
import { type GoldenRecord, goldenRecords } from './golden-records.ts'
import { readNaively } from './wire.ts'

describe('every record that py-triton and go-triton wrote', () => {
  const records = goldenRecords()
  const codec = recordCodec('msgpack')

  test('is there to be tested', () => {
    assert.equal(records.length, 99)
  })

  test('prints as its true lossless JSON, to the letter', () => {
    for (const { name, bytes, lossless } of records) assert.equal(losslessJsonOf(bytes), lossless, name)
  })

  test('comes back from its lossless JSON with nothing lost', () => {
    for (const { name, lossless } of records)
      assert.equal(losslessJsonOf(msgpackOfLosslessJson(lossless)), lossless, name)
  })

  test('decodes to its true value', () => {
    for (const { name, bytes, lossless } of records) {
      const { data, error } = codec.decode(bytes)
      assert.equal(error, undefined, name)
      assert.deepEqual(data, readNaively(bytes), name)
      assert.deepEqual(data, decodeMsgpack(msgpackOfLosslessJson(lossless)), name)
    }
  })

  test('decodes to the same value again when we have written that value', () => {
    for (const { name, bytes } of records) {
      const value = decodeMsgpack(bytes)
      const again = encodeMsgpack(value, { allowNonFinite: true })
      assert.deepEqual(decodeMsgpack(again), value, name)
      assert.deepEqual(readNaively(again), value, name)
    }
  })

  test('keeps what a plain object could lose', () => {
    const troubling = decodeMsgpack(find(records, 'py: names that trouble JavaScript').bytes) as object
    assert.deepEqual(Object.keys(troubling).sort(), [
      '0',
      '1',
      '10',
      '__proto__',
      'constructor',
      'hasOwnProperty',
      'id',
    ])
    assert.equal(Object.getOwnPropertyDescriptor(troubling, '__proto__')?.value, 1)
    assert.equal(Object.getPrototypeOf(troubling), Object.prototype)
    const big = decodeMsgpack(find(records, 'py: ints around 2^53').bytes)
    assert.equal((big as { c: unknown }).c, 2n ** 53n + 1n)
    const notText = decodeMsgpack(find(records, 'py: byte strings not UTF-8').bytes)
    assert.deepEqual((notText as { a: unknown }).a, Buffer.from('//4AgHM=', 'base64'))
    assert.equal((notText as { e: unknown }).e, 'ok\u0000nul')
  })

  test("has py-triton's own partition key when asked for Python's text, from its bytes", () => {
    const withKey = records.filter(({ partitionKey }) => partitionKey !== undefined && partitionKey !== '')
    assert.equal(withKey.length, 48)
    for (const { name, bytes, partitionKey } of withKey)
      assert.equal(partitionKeyOfBytes(bytes, 'id', 'python'), partitionKey, name)
  })

  test("has py-triton's own partition key also from its value, except for a whole float", () => {
    for (const { name, bytes, partitionKey } of records) {
      if (partitionKey === undefined || partitionKey === '' || name === 'py: partition key float whole') continue
      assert.equal(partitionKeyOf(decodeMsgpack(bytes), 'id', 'python'), partitionKey, name)
    }
  })

  test('has the same key in both rules when that key is text or an integer', () => {
    for (const { name, bytes, partitionKey } of records) {
      const id = (decodeMsgpack(bytes) as { id?: unknown }).id
      if (partitionKey === undefined || partitionKey === '' || !['string', 'bigint'].includes(typeof id)) continue
      assert.equal(partitionKeyOf(decodeMsgpack(bytes), 'id'), partitionKey, name)
      assert.equal(partitionKeyOfBytes(bytes, 'id', 'javascript'), partitionKey, name)
    }
  })
})

test('what py-triton refuses to write is refused here, too', () => {
  assert.throws(() => encodeMsgpack({ a: 2n ** 64n }), /\$\.a: the integer 18446744073709551616 fits neither/)
  assert.throws(() => encodeMsgpack({ a: -(2n ** 63n) - 1n }), TypeError)
  assert.throws(() => partitionKeyOf({ a: 1 }, 'id'), /no field 'id'/)
  assert.throws(() => partitionKeyOf({ id: Buffer.of(0xff) }, 'id', 'python'), /not UTF-8/)
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  assert.throws(() => encodeMsgpack(cyclic), /\$\.self: it is cyclic/)
})

function find(records: readonly GoldenRecord[], name: string): GoldenRecord {
  const found = records.find((record) => record.name === name)
  assert.ok(found, name)
  return found
}
