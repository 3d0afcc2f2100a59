import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { FormatError } from '../../src/errors.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { decodeMsgpack } from '../../src/record/msgpack-decode.ts'
import { MsgpackExt } from '../../src/record/msgpack-ext.ts'
import { MsgpackMap } from '../../src/record/msgpack-map.ts'
import { runs, seed } from '../support/soak.ts'
import { goldenRecords } from './golden-records.ts'
import { anyRecord, anyWire, bytesOf, readNaively, valueIn } from './wire.ts'

const fromHex = (hex: string): unknown => decodeMsgpack(Buffer.from(hex.replaceAll(' ', ''), 'hex'))

test('any value comes back as it lies on the wire', () => {
  fc.assert(
    fc.property(anyWire(), (wire) => assert.deepEqual(decodeMsgpack(bytesOf(wire)), valueIn(wire))),
    { numRuns: runs(30_000), seed: seed() },
  )
})

test('records whose keys come in any order, differ or repeat are read alike, whatever came before', () => {
  const names = [
    'id',
    'kind',
    'origin',
    'destination',
    'ts',
    'a',
    'b',
    'schlüssel',
    'a_very_long_name_of_31_bytes_abc',
    'same_beginning_1',
    'same_beginning_2',
    '7',
    '__proto__',
  ]
  const key = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...names) },
    fc.integer({ min: 0, max: 300 }).map((n) => `churn${n}`),
  )
  const entries = fc.array(fc.tuple(key, fc.oneof(fc.integer(), fc.dictionary(key, fc.integer()))), { maxLength: 20 })
  fc.assert(
    fc.property(fc.array(entries, { maxLength: 12 }), (batch) => {
      for (const record of batch) {
        const wire = mapBytes(record)
        assert.deepEqual(decodeMsgpack(wire), readNaively(wire))
      }
    }),
    { numRuns: runs(10_000), seed: seed() },
  )
})

function mapBytes(entries: readonly (readonly [string, unknown])[]): Buffer {
  const parts = entries.flatMap(([key, value]) => [
    bytesOf({ kind: 'text', value: key }),
    typeof value === 'number'
      ? bytesOf({ kind: 'integer', value: BigInt(value) })
      : mapBytes(Object.entries(value as object)),
  ])
  return Buffer.concat([Buffer.of(0xde, 0, entries.length), ...parts])
}

describe('nothing is lost of', () => {
  test('integers outside the safe range', () => {
    assert.equal(fromHex('cf 001fffffffffffff'), Number.MAX_SAFE_INTEGER)
    assert.equal(fromHex('cf 0020000000000000'), 2n ** 53n)
    assert.equal(fromHex('d3 ffe0000000000000'), -(2n ** 53n))
    assert.equal(fromHex('cf ffffffffffffffff'), 2n ** 64n - 1n)
  })

  test('raw bytes that are not UTF-8, of any length, while U+FFFD itself is text', () => {
    assert.deepEqual(fromHex('a2 c328'), Buffer.of(0xc3, 0x28))
    assert.deepEqual(fromHex('a3 eda080'), Buffer.of(0xed, 0xa0, 0x80))
    assert.deepEqual(fromHex(`da 0100 ${'ff'.repeat(256)}`), Buffer.alloc(256, 0xff))
    assert.equal(fromHex('a3 efbfbd'), '\ufffd')
    assert.equal(fromHex('a4 efbbbf61'), '\ufeffa')
  })

  test('extensions: type, bytes, and what time a go-triton time is', () => {
    const time = fromHex('c7 0c 05 0000000056d4dbdf 075bcd15') as MsgpackExt
    assert.ok(time instanceof MsgpackExt)
    assert.deepEqual([time.type, time.seconds, time.nanoseconds], [5, 1_456_790_495, 123_456_789])
    assert.equal((fromHex('c7 0c 05 7fffffffffffffff 00000000') as MsgpackExt).seconds, 2n ** 63n - 1n)
    const other = fromHex('d6 ff 00000009') as MsgpackExt
    assert.deepEqual([other.type, Buffer.from(other.data).toString('hex'), other.seconds], [-1, '00000009', undefined])
    assert.throws(() => new MsgpackExt(128, Buffer.alloc(0)), TypeError)
  })

  test('maps that no object can stand for', () => {
    const repeated = fromHex('83 a161 01 a162 02 a161 03') as MsgpackMap
    assert.ok(repeated instanceof MsgpackMap)
    assert.deepEqual(repeated.entries, [
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ])
    assert.equal(repeated.get('a'), 3)
    const integerKeys = fromHex('82 a23130 c0 0a c3') as MsgpackMap
    assert.deepEqual(integerKeys.entries, [
      ['10', null],
      [10, true],
    ])
    // A key may lie inside a key; nothing is read twice for it.
    assert.deepEqual(fromHex('81 81 01 02 03'), new MsgpackMap([[new MsgpackMap([[1, 2]]), 3]]))
  })

  test('maps in maps in keys, a thousand levels deep, in no time', () => {
    const depth = 1000
    const bytes = Buffer.concat([Buffer.alloc(depth, 0x81), Buffer.of(0xc0), Buffer.alloc(depth, 0xc0)])
    assert.ok(decodeMsgpack(bytes) instanceof MsgpackMap)
  })

  test('an own property called __proto__, which changes no prototype', () => {
    const value = fromHex('82 a9 5f5f70726f746f5f5f 81 a178 01 a161 02') as object
    assert.equal(Object.getPrototypeOf(value), Object.prototype)
    assert.deepEqual(Object.getOwnPropertyDescriptor(value, '__proto__')?.value, { x: 1 })
    assert.equal('x' in {}, false)
  })
})

test('what is handed out is a copy', () => {
  const bytes = Buffer.from('82a161c4020102a162d60501020304', 'hex')
  const value = decodeMsgpack(bytes) as { a: Buffer; b: MsgpackExt }
  bytes.fill(0)
  decodeMsgpack(Buffer.alloc(1))
  assert.deepEqual(value, { a: Buffer.of(1, 2), b: new MsgpackExt(5, Buffer.of(1, 2, 3, 4)) })
})

describe('bytes that are no value are a FormatError:', () => {
  const cases: [string, string, RegExp, number][] = [
    ['nothing', '', /end inside a value/, 0],
    ['byte c1', 'c1', /0xc1/, 0],
    ['a value and more', '8080', /1 bytes are left over/, 1],
    ['a text that is cut', 'a56162', /needs 5 more bytes here, and 2 are left/, 1],
    ['a length that is cut', 'da01', /end inside a value/, 1],
    ['a map of 2^32-1 entries', 'dfffffffff', /needs 8589934590 more bytes/, 5],
    ['an array of 2^32-1 items', 'ddffffffff', /needs 4294967295 more bytes/, 5],
    ['text of 2^32-1 bytes', 'dbffffffff61', /needs 4294967295 more bytes/, 5],
    ['an extension of 2^32-1 bytes', 'c9ffffffff05', /needs 4294967295 more bytes/, 6],
    ['a known key that is cut', '81a26964', /end inside a value/, 4],
  ]
  for (const [name, hex, message, offset] of cases)
    test(name, () => {
      decodeMsgpack(Buffer.from('81a2696401', 'hex'))
      assert.throws(
        () => fromHex(hex),
        (error) => {
          assert.ok(error instanceof FormatError)
          assert.match(error.message, message)
          assert.equal(error.offset, offset)
          return true
        },
      )
    })

  test('nested deeper than 1,024 levels, be it 1,025 or 100,000, as arrays or as maps', () => {
    const nested = (head: Buffer, levels: number) =>
      Buffer.concat([...Array.from({ length: levels }, () => head), Buffer.of(0xc0)])
    for (const head of [Buffer.of(0x91), Buffer.from('81a161', 'hex')]) {
      assert.doesNotThrow(() => decodeMsgpack(nested(head, 1024)))
      for (const levels of [1025, 100_000])
        assert.throws(() => decodeMsgpack(nested(head, levels)), {
          name: 'FormatError',
          message: /deeper than 1024 levels/,
        })
    }
  })

  test('a thousand arrays in one another that each claim a million items cost no memory', () => {
    const claims = Buffer.concat([
      ...Array.from({ length: 1000 }, () => Buffer.from('dd000f4240', 'hex')),
      Buffer.alloc(1_000_000, 0xc1),
    ])
    const before = process.memoryUsage().heapUsed
    assert.throws(() => decodeMsgpack(claims), FormatError)
    assert.ok(process.memoryUsage().heapUsed - before < 64 * 1024 * 1024)
  })
})

describe('golden records that were damaged', () => {
  const records = goldenRecords().filter(({ bytes }) => bytes.length < 2000)

  test('are an error wherever they are cut', () => {
    for (const { name, bytes } of records)
      for (let length = 0; length < bytes.length; length++)
        assert.throws(() => decodeMsgpack(bytes.subarray(0, length)), FormatError, `${name}, cut at ${length}`)
  })

  test('are read as any reader would, or are an error, whatever bits are flipped', () => {
    const random = seededRandom(seed())
    for (let run = 0; run < runs(300_000); run++) {
      const bytes = Buffer.from(records[randomInteger(random, records.length)]?.bytes ?? [])
      for (let flips = 1 + randomInteger(random, 3); flips > 0; flips--) {
        const at = randomInteger(random, bytes.length)
        bytes[at] = (bytes[at] ?? 0) ^ (1 << randomInteger(random, 8))
      }
      assert.deepEqual(
        outcome(() => decodeMsgpack(bytes)),
        outcome(() => readNaively(bytes)),
        bytes.toString('hex'),
      )
    }
  })
})

test('random bytes are read as any reader would, or are an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      assert.deepEqual(
        outcome(() => decodeMsgpack(bytes)),
        outcome(() => readNaively(Buffer.from(bytes))),
      )
    }),
    { numRuns: runs(100_000), seed: seed() },
  )
})

test('a large record does not disturb the small ones before and after it', () => {
  fc.assert(
    fc.property(anyRecord(), fc.integer({ min: 0, max: 200_000 }), (wire, size) => {
      const large = { text: 'x'.repeat(size), more: 'é'.repeat(size) }
      const largeBytes = mapOf(large)
      assert.deepEqual(decodeMsgpack(largeBytes), large)
      assert.deepEqual(decodeMsgpack(bytesOf(wire)), valueIn(wire))
    }),
    { numRuns: runs(2_000), seed: seed() },
  )
})

function mapOf(record: Record<string, string>): Buffer {
  return bytesOf({
    kind: 'map',
    entries: Object.entries(record).map(([key, value]) => [
      { kind: 'text', value: key },
      { kind: 'text', value },
    ]),
  })
}

function outcome(read: () => unknown): unknown {
  try {
    return { value: read() }
  } catch {
    return 'an error'
  }
}
