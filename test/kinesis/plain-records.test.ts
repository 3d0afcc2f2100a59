import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CborReader, CborWriter } from '../../src/kinesis/cbor.ts'
import { readPage } from '../../src/kinesis/cbor-get-records.ts'
import { PlainRecords } from '../../src/kinesis/plain-records.ts'
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
    const plain = new PlainRecords(bytes)
    const read = plain.read(0)
    assert.deepEqual(read && { ...read, bytes: Buffer.from(read.bytes) }, {
      sequenceNumber: one.SequenceNumber,
      partitionKey: Buffer.from(one.PartitionKey).toString(),
      arrivedAtMs: one.ApproximateArrivalTimestamp,
      bytes: one.Data,
    })
    assert.equal(plain.end, bytes.length)
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
    assert.equal(new PlainRecords(bytes.subarray(0, length)).read(0), undefined, `${length} bytes`)
  }
  const odd = [
    { SequenceNumber: '1', ApproximateArrivalTimestamp: 1e12, PartitionKey: 'k' },
    { ApproximateArrivalTimestamp: 1e12, Data: Buffer.from('x') },
    { SequenceNumber: '1', Data: Buffer.from('x'), Future: 'x' },
    { SequenceNumber: '1', Data: Buffer.from('x'), ApproximateArrivalTimestamp: 1.5e9 },
    { SequenceNumber: '1', Data: Buffer.from('x'), PartitionKey: null },
    { SequenceNumber: 1, Data: Buffer.from('x') },
  ]
  for (const one of odd) assert.equal(new PlainRecords(encoded(one)).read(0), undefined)
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
    page.records.map(({ sequenceNumber, arrivedAtMs, partitionKey, bytes }) => [
      sequenceNumber,
      arrivedAtMs,
      partitionKey,
      Buffer.from(bytes).toString(),
    ]),
    Array.from({ length: 3 }, () => ['1', 1e12, 'k', 'a']),
  )
})

function permutation<T>(items: readonly T[], order: number): T[] {
  const left = [...items]
  const chosen: T[] = []
  for (let rest = order; left.length > 0; rest = Math.floor(rest / (left.length + 1))) {
    chosen.push(...left.splice(rest % left.length, 1))
  }
  return chosen
}
