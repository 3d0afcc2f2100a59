import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { laterRecords } from '../../src/consumer/later-records.ts'
import { FormatError } from '../../src/errors.ts'
import { CborReader, CborWriter } from '../../src/kinesis/cbor.ts'
import { readPage } from '../../src/kinesis/cbor-get-records.ts'
import { CborRecords } from '../../src/kinesis/cbor-records.ts'
import type { EncodedRecord } from '../../src/kinesis/kinesis-api.ts'
import { runs, seed } from '../support/soak.ts'

const record = fc.record({
  SequenceNumber: fc.bigInt({ min: 1n, max: 1n << 186n }).map(String),
  ApproximateArrivalTimestamp: fc.integer({ min: 1e11, max: 2e12 }),
  Data: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  PartitionKey: fc.oneof(fc.string({ minLength: 1 }), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 })),
})

function encoded(value: object): Buffer {
  const writer = new CborWriter()
  writer.value(value as never)
  return writer.finish()
}

test('a plain record is read as the reader of every form reads it, in any order of its members', () => {
  const property = fc.property(record, fc.integer({ min: 0, max: 23 }), (one, order) => {
    const names = permutation(['SequenceNumber', 'ApproximateArrivalTimestamp', 'Data', 'PartitionKey'] as const, order)
    const bytes = encoded(Object.fromEntries(names.map((name) => [name, one[name]])))
    const records = new CborRecords(bytes, 1)
    assert.equal(records.addPlain(0), bytes.length)
    const read = records.at(0)
    assert.deepEqual(read && { ...read, bytes: Buffer.from(read.bytes) }, {
      sequenceNumber: one.SequenceNumber,
      partitionKey: Buffer.from(one.PartitionKey).toString(),
      arrivedAtMs: one.ApproximateArrivalTimestamp,
      bytes: one.Data,
    })
    assert.equal(records.byteLength, one.Data.length + Buffer.byteLength(one.PartitionKey))
    const slow = new CborReader(bytes).value() as { SequenceNumber: string; PartitionKey: string }
    assert.equal(slow.SequenceNumber, read?.sequenceNumber)
    assert.equal(slow.PartitionKey, read?.partitionKey)
  })
  fc.assert(property, { numRuns: runs(20_000), seed: seed() })
})

test('whatever is not plain, or cut, is left to the reader of every form', () => {
  const bytes = encoded({
    SequenceNumber: '1',
    ApproximateArrivalTimestamp: 1e12,
    Data: Buffer.from('x'),
    PartitionKey: 'k',
  })
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(new CborRecords(bytes.subarray(0, length), 1).addPlain(0), 0, `${length} bytes`)
  }
  const odd = [
    { SequenceNumber: '1', ApproximateArrivalTimestamp: 1e12, PartitionKey: 'k' },
    { ApproximateArrivalTimestamp: 1e12, Data: Buffer.from('x') },
    { SequenceNumber: '1', Data: Buffer.from('x'), Future: 'x' },
    { SequenceNumber: '1', Data: Buffer.from('x'), ApproximateArrivalTimestamp: 1.5e9 },
    { SequenceNumber: '1', Data: Buffer.from('x'), PartitionKey: null },
    { SequenceNumber: 1, Data: Buffer.from('x') },
  ]
  for (const one of odd) assert.equal(new CborRecords(encoded(one), 1).addPlain(0), 0)
})

test('plain and other records stand side by side in one page', () => {
  const plain = { SequenceNumber: '1', ApproximateArrivalTimestamp: 1e12, Data: Buffer.from('a'), PartitionKey: 'k' }
  const page = readPage(
    encoded({
      Records: [plain, { ...plain, EncryptionType: 'KMS' }, { ...plain, Future: [1] }],
      MillisBehindLatest: 0,
    }),
  )
  assert.deepEqual(
    [...page.records].map(({ sequenceNumber, arrivedAtMs, partitionKey, bytes }) => [
      sequenceNumber,
      arrivedAtMs,
      partitionKey,
      Buffer.from(bytes).toString(),
    ]),
    Array.from({ length: 3 }, () => ['1', 1e12, 'k', 'a']),
  )
})

test('more records come than were announced, and each is made anew when asked for', () => {
  const bytes = encoded({
    SequenceNumber: '1',
    ApproximateArrivalTimestamp: 1e12,
    Data: Buffer.from('x'),
    PartitionKey: 'k',
  })
  const records = new CborRecords(Buffer.concat([bytes, bytes, bytes]), 1)
  for (let at = 0; at < 3; at++) assert.equal(records.addPlain(at * bytes.length), (at + 1) * bytes.length)
  assert.equal(records.length, 3)
  assert.equal(records.byteLength, 6)
  assert.deepEqual(records.at(2), records.at(0))
  assert.notEqual(records.at(0), records.at(0))
  assert.equal(records.at(3), undefined)
  assert.equal(records.at(-1), undefined)
  const later = laterRecords(records)
  assert.equal(later.length, 2)
  assert.equal(later.byteLength, 4)
  assert.deepEqual([...later], [records.at(1), records.at(2)])
  assert.equal(later.at(2), undefined)
  assert.deepEqual(later.slice(1, 9), records.slice(2, 3))
})

test('records outlive the body that went back to serve another answer, which it does once', () => {
  const property = fc.property(fc.array(record, { minLength: 1, maxLength: 300 }), fc.boolean(), (all, withOdd) => {
    const Records = all.map((one, index) => (withOdd && index % 7 === 3 ? { ...one, Future: [1] } : one))
    const body = encoded({ Records, MillisBehindLatest: 0 })
    let backCount = 0
    const giveBack = () => {
      backCount += 1
      body.fill(0xff)
    }
    const expected = [...readPage(Buffer.from(body)).records].map(comparable)
    const { records } = readPage(body, giveBack)
    const middle = records.at(Math.floor(all.length / 2))
    const read = [...records, ...(middle === undefined ? [] : [middle])]
    records.release()
    records.release()
    assert.equal(backCount, 1)
    assert.deepEqual(read.slice(0, -1).map(comparable), expected)
    assert.deepEqual(read.slice(-1).map(comparable), expected.slice(Math.floor(all.length / 2)).slice(0, 1))
    assert.deepEqual([records.length, records.at(0), [...records], records.slice(0, 9)], [0, undefined, [], []])
  })
  fc.assert(property, { numRuns: runs(1_000), seed: seed() })
})

test('an answer that claims four billion records is refused before it costs memory', () => {
  const claim = Buffer.concat([Buffer.from([0xa1, 0x67]), Buffer.from('Records'), Buffer.from('9affffffff', 'hex')])
  assert.throws(() => readPage(claim), FormatError)
  const many = Buffer.concat([claim.subarray(0, -4), Buffer.from('00100000', 'hex'), Buffer.alloc(0x100000, 0xa0)])
  assert.throws(() => readPage(many), FormatError)
})

function comparable(one: EncodedRecord): object {
  return { ...one, bytes: Buffer.from(one.bytes).toString('hex') }
}

function permutation<T>(items: readonly T[], order: number): T[] {
  const left = [...items]
  const chosen: T[] = []
  for (let rest = order; left.length > 0; rest = Math.floor(rest / (left.length + 1))) {
    chosen.push(...left.splice(rest % left.length, 1))
  }
  return chosen
}
