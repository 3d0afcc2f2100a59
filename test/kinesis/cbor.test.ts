import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FormatError } from '../../src/errors.ts'
import { type CborInput, CborReader, CborWriter } from '../../src/kinesis/cbor.ts'
import { readPage } from '../../src/kinesis/cbor-get-records.ts'
import { readPutAnswers, writePutRecords } from '../../src/kinesis/cbor-put-records.ts'
import { runs, seed } from '../support/soak.ts'

test('the examples of RFC 8949 are read as it says', () => {
  for (const [hex, value] of rfcExamples) {
    const reader = new CborReader(Buffer.from(hex, 'hex'))
    assert.deepEqual(plain(reader.value()), value, hex)
    assert.ok(reader.isAtEnd, hex)
  }
})

test('what is written is what RFC 8949 shows', () => {
  const written: [CborInput, string][] = [
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [1000, '1903e8'],
    [1000000, '1a000f4240'],
    [1000000000000, '1b000000e8d4a51000'],
    [18446744073709551615n, '1bffffffffffffffff'],
    [-1, '20'],
    [-1000, '3903e7'],
    [-18446744073709551616n, '3bffffffffffffffff'],
    [1.1, 'fb3ff199999999999a'],
    [-0, 'fb8000000000000000'],
    [false, 'f4'],
    [true, 'f5'],
    [null, 'f6'],
    [Buffer.from('01020304', 'hex'), '4401020304'],
    ['', '60'],
    ['IETF', '6449455446'],
    ['\u6c34', '63e6b0b4'],
    ['\ud800\udd51', '64f0908591'],
    [[1, [2, 3], [4, 5]], '8301820203820405'],
    [{ a: 1, gone: undefined, b: [2, 3] }, 'a26161016162820203'],
    [new Date(1446207305123), 'c11b00000150b8ac35a3'],
  ]
  for (const [value, hex] of written) assert.equal(encode(value).toString('hex'), hex)
})

test('any value comes back as it was written', () => {
  const value = fc.letrec<{ value: CborInput }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true }),
      fc.bigInt({ min: 1n << 53n, max: (1n << 64n) - 1n }),
      fc.bigInt({ min: -(1n << 64n), max: -(1n << 53n) }),
      fc.string({ unit: 'grapheme', maxLength: 100 }),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.array(tie('value'), { maxLength: 30 }),
      fc.dictionary(fc.string({ maxLength: 30 }), tie('value'), { maxKeys: 30 }),
    ),
  })).value
  const property = fc.property(value, (given) => {
    const reader = new CborReader(encode(given))
    assert.deepEqual(plain(reader.value()), plain(given))
    assert.ok(reader.isAtEnd)
    const skipper = new CborReader(encode(given))
    skipper.skip()
    assert.ok(skipper.isAtEnd)
  })
  fc.assert(property, { numRuns: runs(20_000), seed: seed() })
})

test('a PutRecords body holds stream, data and keys, whatever characters they have', () => {
  const entry = fc.record(
    {
      data: fc.uint8Array({ maxLength: 400 }),
      partitionKey: fc
        .string({ unit: 'binary', minLength: 1, maxLength: 200 })
        .map((text) => Buffer.from(text).toString()),
      explicitHashKey: fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map(String),
    },
    { requiredKeys: ['data', 'partitionKey'] },
  )
  const property = fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
    const body = new CborReader(writePutRecords('orders', entries)).value()
    const expected = entries.map(({ data, partitionKey, explicitHashKey }) => ({
      Data: data,
      PartitionKey: partitionKey,
      ...(explicitHashKey === undefined ? {} : { ExplicitHashKey: explicitHashKey }),
    }))
    assert.deepEqual(plain(body), plain({ StreamName: 'orders', Records: expected }))
  })
  fc.assert(property, { numRuns: runs(10_000), seed: seed() })
})

test('answers of indefinite length, with members nobody knows and nulls, are read alike', () => {
  const answer = Buffer.concat([
    Buffer.from('bf', 'hex'),
    encode('EncryptionType'),
    Buffer.from('f6', 'hex'),
    encode('Records'),
    Buffer.from('9fbf', 'hex'),
    encode('ShardId'),
    Buffer.from('7f', 'hex'), // a text in two pieces
    encode('shardId-0000'),
    encode('00000001'),
    Buffer.from('ff', 'hex'),
    encode('SequenceNumber'),
    encode('4957'),
    encode('ErrorCode'),
    Buffer.from('f6', 'hex'),
    encode('Future'),
    encode({ deep: [1, { er: Buffer.from('x') }] }),
    Buffer.from('ff', 'hex'),
    encode({ ErrorCode: 'InternalFailure', ErrorMessage: 'Internal Service Failure.' }),
    Buffer.from('ffff', 'hex'),
  ])
  assert.deepEqual(readPutAnswers(answer), [
    { shardId: 'shardId-000000000001', sequenceNumber: '4957' },
    { errorCode: 'InternalFailure', errorMessage: 'Internal Service Failure.' },
  ])
})

test('a page has its records as views into the answer, and its times in milliseconds', () => {
  const record = (time: CborInput) => ({
    SequenceNumber: '4957',
    ApproximateArrivalTimestamp: time,
    Data: Buffer.from('payload'),
    PartitionKey: 'käse',
  })
  const body = encode({
    Records: [record(1446207305123), record(1446207305123.9), record(new Date(1446207305123)), record(1446207305.123)],
    MillisBehindLatest: 17,
    ChildShards: [
      {
        ShardId: 'shardId-000000000003',
        ParentShards: ['shardId-000000000000', 'shardId-000000000001'],
        HashKeyRange: { StartingHashKey: '0', EndingHashKey: '9' },
      },
    ],
  })
  const page = readPage(body)
  assert.equal(page.millisBehindLatest, 17)
  assert.equal(page.nextShardIterator, undefined)
  assert.deepEqual(page.childShards, [
    { shardId: 'shardId-000000000003', parentShardIds: ['shardId-000000000000', 'shardId-000000000001'] },
  ])
  for (const { arrivedAtMs, bytes, partitionKey, sequenceNumber } of page.records) {
    assert.equal(arrivedAtMs, 1446207305123)
    assert.equal(Buffer.from(bytes).toString(), 'payload')
    assert.equal(bytes.buffer, body.buffer)
    assert.equal(partitionKey, 'käse')
    assert.equal(sequenceNumber, '4957')
  }
})

test('a body cut anywhere, or with a byte changed, is a FormatError or another body, never anything else', () => {
  const answers = Array.from({ length: 5 }, (_, index) => ({
    ShardId: 'shardId-000000000001',
    SequenceNumber: `${index}`,
  }))
  const body = encode({ FailedRecordCount: 0, Records: answers })
  for (let length = 0; length < body.length; length++) {
    assert.throws(() => readPutAnswers(body.subarray(0, length)), FormatError, `${length} bytes`)
  }
  const property = fc.property(fc.nat(body.length - 1), fc.nat(255), (at, byte) => {
    const damaged = Buffer.from(body)
    damaged[at] = byte
    for (const read of [readPutAnswers, readPage, (bytes: Buffer) => new CborReader(bytes).value()]) {
      try {
        read(damaged)
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error))
      }
    }
  })
  fc.assert(property, { numRuns: runs(50_000), seed: seed() })
})

test('random bytes and endless nesting are refused', () => {
  const property = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    try {
      new CborReader(bytes).value()
    } catch (error) {
      assert.ok(error instanceof FormatError, String(error))
    }
  })
  fc.assert(property, { numRuns: runs(50_000), seed: seed() })
  assert.throws(() => new CborReader(Buffer.alloc(100_000, 0x81)).value(), FormatError)
  assert.throws(() => new CborReader(Buffer.alloc(100_000, 0x9f)).skip(), FormatError)
  assert.throws(() => new CborReader(Buffer.from('9bffffffffffffffff', 'hex')).value(), FormatError)
})

/** Examples of RFC 8949, appendix A (its undefined, simple values and bignums left out: Kinesis sends none). */
const rfcExamples: [string, unknown][] = [
  ['00', 0],
  ['0a', 10],
  ['17', 23],
  ['1818', 24],
  ['1864', 100],
  ['1903e8', 1000],
  ['1a000f4240', 1000000],
  ['1b000000e8d4a51000', 1000000000000],
  ['1bffffffffffffffff', 18446744073709551615n],
  ['20', -1],
  ['3863', -100],
  ['3bffffffffffffffff', -18446744073709551616n],
  ['f90000', 0],
  ['f98000', -0],
  ['f93c00', 1],
  ['f93e00', 1.5],
  ['f97bff', 65504],
  ['f90001', 2 ** -24],
  ['f90400', 0.00006103515625],
  ['f9c400', -4],
  ['f97c00', Number.POSITIVE_INFINITY],
  ['f97e00', Number.NaN],
  ['fa47c35000', 100000],
  ['fb3ff199999999999a', 1.1],
  ['fb7e37e43c8800759c', 1e300],
  ['f4', false],
  ['f5', true],
  ['f6', null],
  ['c11a514b67b0', 1363896240],
  ['d74401020304', '01020304'],
  ['40', ''],
  ['60', ''],
  ['6161', 'a'],
  ['62225c', '"\\'],
  ['62c3bc', '\u00fc'],
  ['64f0908591', '\ud800\udd51'],
  ['80', []],
  ['8301820203820405', [1, [2, 3], [4, 5]]],
  ['98190102030405060708090a0b0c0d0e0f101112131415161718181819', Array.from({ length: 25 }, (_, index) => index + 1)],
  ['a0', {}],
  ['a201020304', { 1: 2, 3: 4 }],
  ['a26161016162820203', { a: 1, b: [2, 3] }],
  ['5f42010243030405ff', '0102030405'],
  ['7f657374726561646d696e67ff', 'streaming'],
  ['9fff', []],
  ['9f018202039f0405ffff', [1, [2, 3], [4, 5]]],
  ['bf61610161629f0203ffff', { a: 1, b: [2, 3] }],
  ['826161bf61626163ff', ['a', { b: 'c' }]],
]

function encode(value: CborInput): Buffer {
  const writer = new CborWriter(1)
  writer.value(value)
  return writer.finish()
}

/** For comparison: bytes as hex, maps as objects. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
}
