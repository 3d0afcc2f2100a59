import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RecordError } from '../../src/errors.ts'
import { msgpackOfLosslessJson } from '../../src/record/lossless-json.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { MsgpackExt } from '../../src/record/msgpack-ext.ts'
import { MsgpackMap } from '../../src/record/msgpack-map.ts'
import { checkPartitionKey, partitionKeyOf, partitionKeyOfBytes } from '../../src/record/partition-key.ts'

test('text and integers have the same key in both rules, from the value and from its bytes', () => {
  for (const id of [
    'abc',
    'clé-☃',
    '😀'.repeat(256),
    0,
    42,
    -7,
    Number.MAX_SAFE_INTEGER,
    2n ** 64n - 1n,
    -(2n ** 63n),
  ]) {
    const record = { v: 1, id }
    for (const rule of ['javascript', 'python'] as const) {
      assert.equal(partitionKeyOf(record, 'id', rule), String(id))
      assert.equal(partitionKeyOfBytes(encodeMsgpack(record), 'id', rule), String(id))
    }
  }
})

/** Value, JavaScript's text, Python 2.7.18's text (`unicode(value)`, run there). */
const others: [unknown, string, string][] = [
  [true, 'true', 'True'],
  [false, 'false', 'False'],
  [null, 'null', 'None'],
  [1.5, '1.5', '1.5'],
  [0.1 + 0.2, '0.30000000000000004', '0.3'],
  [2 ** 53, '9007199254740992', '9.00719925474e+15'],
  [1e22, '1e+22', '1e+22'],
  [1e-5, '0.00001', '1e-05'],
  [0.0001, '0.0001', '0.0001'],
  [-0, '0', '-0.0'],
  [99_999_999_999.5, '99999999999.5', '99999999999.5'],
  [123_456_789_012.5, '123456789012.5', '1.23456789012e+11'],
  [1_234_567_890.125, '1234567890.125', '1234567890.12'],
  [1_234_567_890.375, '1234567890.375', '1234567890.38'],
  [[], '', '[]'],
  [[1, 'a'], '1,a', "[1, u'a']"],
  [
    [0.1 + 0.2, 1e16 + 2, true, null],
    '0.30000000000000004,10000000000000002,true,',
    '[0.30000000000000004, 1.0000000000000002e+16, True, None]',
  ],
  [[2n ** 63n], '9223372036854775808', '[9223372036854775808L]'],
  [["it's", '"', '\'"'], 'it\'s,",\'"', "[u\"it's\", u'\"', u'\\'\"']"],
  [['é☃😀\n\t\r\0\x7f\\'], 'é☃😀\n\t\r\0\x7f\\', "[u'\\xe9\\u2603\\U0001f600\\n\\t\\r\\x00\\x7f\\\\']"],
  [[Buffer.from('ab\xff\n', 'latin1')], 'ab\ufffd\n', "['ab\\xff\\n']"],
  [{ a: { b: 1 } }, '[object Object]', "{u'a': {u'b': 1}}"],
  [Buffer.from('clé'), 'clé', 'clé'],
  [Uint8Array.of(0x61), 'a', 'a'],
  [new Date(0), '1970-01-01T00:00:00.000Z', '1970-01-01T00:00:00.000Z'],
]

test("other values have JavaScript's text, or Python's when asked for", () => {
  for (const [value, javascript, python] of others) {
    if (javascript !== '') assert.equal(partitionKeyOf({ id: value }, 'id'), javascript)
    assert.equal(partitionKeyOf({ id: value }, 'id', 'python'), python)
    assert.equal(partitionKeyOfBytes(encodeMsgpack({ id: value }), 'id', 'python'), python)
  }
})

test('Python tells 3.0 from 3, which only the bytes know', () => {
  const bytes = msgpackOfLosslessJson('{"id":3.0}')
  assert.equal(partitionKeyOfBytes(bytes, 'id', 'python'), '3.0')
  assert.equal(partitionKeyOfBytes(bytes, 'id', 'javascript'), '3')
  assert.equal(partitionKeyOf({ id: 3.0 }, 'id', 'python'), '3')
  assert.equal(partitionKeyOfBytes(msgpackOfLosslessJson('{"id":100000000000.0}'), 'id', 'python'), '1e+11')
  assert.equal(
    partitionKeyOfBytes(msgpackOfLosslessJson('{"id":1450000000305.0}'), 'id', 'python'),
    '1.45000000030e+12',
  )
  assert.equal(partitionKeyOfBytes(msgpackOfLosslessJson('{"id":{"$float":"-Infinity"}}'), 'id', 'python'), '-inf')
  assert.equal(partitionKeyOfBytes(msgpackOfLosslessJson('{"id":[{"$float":"NaN"}]}'), 'id', 'python'), '[nan]')
})

test('the key is that of what is written: toJSON is asked, of the record and of its field', () => {
  const record = { toJSON: () => ({ id: { toJSON: () => 'told' } }) }
  assert.equal(partitionKeyOf(record, 'id'), 'told')
})

test('the field may have any name and lie anywhere; the last of two counts', () => {
  assert.equal(partitionKeyOf(JSON.parse('{"__proto__":"p"}'), '__proto__'), 'p')
  const odd = new MsgpackMap([
    [1, 'x'],
    [{ deep: [1] }, 2],
    ['id', 'first'],
    ['id', 'last'],
  ])
  assert.equal(partitionKeyOf(odd, 'id'), 'last')
  assert.equal(partitionKeyOfBytes(encodeMsgpack(odd), 'id'), 'last')
})

describe('a RecordError says what is wrong and what would be right:', () => {
  const cases: [string, unknown, RegExp][] = [
    ['a missing field', { a: 1 }, /no field 'id'.*add the field/],
    ['an undefined field', { id: undefined }, /no field 'id'/],
    ['an inherited field', Object.create({ id: 'x' }), /no field 'id'/],
    ['an empty key', { id: '' }, /from field 'id' is empty; Kinesis takes 1 to 256/],
    ['257 characters', { id: 'x'.repeat(257) }, /has 257 characters; Kinesis takes 1 to 256/],
    ['257 code points in more units', { id: '😀'.repeat(257) }, /has 257 characters/],
    ['bytes that are not UTF-8', { id: Buffer.of(0xff) }, /field 'id' holds bytes that are not UTF-8/],
    ['half a surrogate pair', { id: 'a\ud800' }, /half a surrogate pair/],
    ['an extension', { id: new MsgpackExt(5, Buffer.alloc(12)) }, /field 'id' is an instance of MsgpackExt/],
    ['text as record', 'text', /the record is text and has no fields/],
    ['bytes as record', Buffer.of(1), /the record is bytes/],
    ['an array as record', ['id'], /the record is an array/],
    ['null as record', null, /the record is null/],
  ]
  for (const [name, record, message] of cases)
    test(name, () => {
      for (const rule of ['javascript', 'python'] as const)
        assert.throws(
          () => partitionKeyOf(record, 'id', rule),
          (error) => {
            assert.ok(error instanceof RecordError, String(error))
            assert.match(error.message, message)
            return true
          },
        )
    })

  test('a function, in either rule', () => {
    assert.throws(() => partitionKeyOf({ id: () => 0 }, 'id'), /field 'id' is a function/)
    assert.throws(() => partitionKeyOf({ id: () => 0 }, 'id', 'python'), /\$\.id: a function/)
  })

  test('from bytes: a missing field, no map, an extension, an extension in a list', () => {
    const ext = new MsgpackExt(1, Buffer.alloc(1))
    assert.throws(() => partitionKeyOfBytes(encodeMsgpack({ a: [{ id: 1 }] }), 'id'), RecordError)
    assert.throws(() => partitionKeyOfBytes(encodeMsgpack([1]), 'id'), RecordError)
    assert.throws(() => partitionKeyOfBytes(encodeMsgpack({ id: ext }), 'id', 'python'), RecordError)
    assert.throws(() => partitionKeyOfBytes(encodeMsgpack({ id: [ext] }), 'id', 'python'), RecordError)
    assert.throws(() => partitionKeyOfBytes(Buffer.from('81a2', 'hex'), 'id'), { name: 'FormatError' })
  })
})

test('256 code points are allowed, however many units they are', () => {
  for (const key of ['x'.repeat(256), '😀'.repeat(256), 'x']) assert.equal(checkPartitionKey(key), key)
  assert.throws(() => checkPartitionKey(''), /the partition key is empty/)
})
