import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { FormatError } from '../../src/errors.ts'
import { MsgpackMap } from '../../src/record/msgpack-map.ts'
import { type RecordCodec, recordCodec } from '../../src/record/record-codec.ts'
import { runs, seed } from '../support/soak.ts'
import { goldenRecords } from './golden-records.ts'
import { anyRecord, valueIn } from './wire.ts'

const msgpack = recordCodec('msgpack')
const json = recordCodec('json')
const text = recordCodec('text')
const bytes = recordCodec('bytes')

describe('a stream of msgpack maps', () => {
  test('gives back what was put', () => {
    fc.assert(
      fc.property(anyRecord({ isOrdinary: true }), (wire) => {
        const data = valueIn(wire)
        assert.deepEqual(msgpack.decode(msgpack.encode(data)), { data })
      }),
      { numRuns: runs(10_000), seed: seed() },
    )
  })

  test('goes through lossless JSON unharmed, record by record', () => {
    for (const { name, bytes: record } of goldenRecords()) {
      const line = msgpack.toLosslessJson(record)
      assert.equal(msgpack.toLosslessJson(msgpack.fromLosslessJson(line)), line, name)
    }
  })

  test('takes nothing but objects', () => {
    for (const data of [null, 'text', 1, [], Buffer.alloc(1), new Date(0)])
      assert.throws(() => msgpack.encode(data), { name: 'TypeError', message: /a record is an object, not/ })
    assert.doesNotThrow(() => msgpack.encode(new MsgpackMap([[1, 2]])))
    assert.throws(() => msgpack.encode({ n: Number.NaN }), /\$\.n: NaN/)
    assert.deepEqual(
      recordCodec('msgpack', { allowNonFinite: true }).decode(Buffer.from('81a16ecb7ff8000000000000', 'hex')),
      {
        data: { n: Number.NaN },
      },
    )
    assert.doesNotThrow(() => recordCodec('msgpack', { allowNonFinite: true }).encode({ n: Number.NaN }))
    for (const line of ['[]', '"x"', '1', '{"$bytes":""}'])
      assert.throws(() => msgpack.fromLosslessJson(line), { name: 'FormatError', message: /no map/ })
    assert.throws(() => msgpack.fromPlainJson('[1]'), { name: 'FormatError', message: /no map/ })
  })

  test('gives an error instead of a value for bytes that are no record, and never throws', () => {
    for (const hex of ['', '01', '90', 'a161', '8101', '8080', 'c1', 'ff'.repeat(50), '91'.repeat(100_000)]) {
      const record = Buffer.from(hex, 'hex')
      const { error } = msgpack.decode(record)
      assert.ok(error instanceof FormatError, hex)
      assert.throws(() => msgpack.toLosslessJson(record), FormatError)
      assert.throws(() => msgpack.toPlainJson(record), FormatError)
    }
  })
})

describe('a stream of JSON', () => {
  test('gives back any JSON value, with all digits of its integers', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => assert.deepEqual(json.decode(json.encode(data)), { data })),
      { numRuns: runs(10_000), seed: seed() },
    )
    const big = {
      n: 9007199254740993n,
      list: [-(2n ** 63n), 0.30000000000000004, 1],
      t: '1234567890123456',
      '12345678901234567890': null,
    }
    assert.deepEqual(json.decode(json.encode(big)), { data: big })
    assert.deepEqual(json.decode(Buffer.from('[123456789012345678901234567890, {"__proto__": true}, "\\n", false]')), {
      data: [123456789012345678901234567890n, JSON.parse('{"__proto__":true}'), '\n', false],
    })
  })

  test('writes what JSON cannot say in its plain form, or refuses it by name', () => {
    const written = json.encode({ a: Buffer.of(0xff), d: new Date(0), u: undefined })
    assert.equal(Buffer.from(written).toString(), '{"a":"/w==","d":"1970-01-01T00:00:00.000Z"}')
    assert.throws(() => json.encode({ a: [() => 0] }), { name: 'TypeError', message: /\$\.a\[0\]/ })
    assert.throws(() => json.encode({ a: Number.NaN }), { name: 'TypeError', message: /\$\.a/ })
    assert.throws(() => json.encode(undefined), TypeError)
  })

  test('prints a record as it stands, on one line, and takes it back so', () => {
    const record = Buffer.from('{ "a b" : [ 1.50 , 12345678901234567890 ] ,\r\n\t"c\\" {" : "\\\\" , "a b":1e3}\n')
    const line = '{"a b":[1.50,12345678901234567890],"c\\" {":"\\\\","a b":1e3}'
    for (const print of [json.toLosslessJson, json.toPlainJson]) assert.equal(print(record), line)
    for (const read of [json.fromLosslessJson, json.fromPlainJson])
      assert.equal(Buffer.from(read(line)).toString(), line)
  })

  test('gives an error for what is not JSON or not UTF-8', () => {
    for (const bad of [
      Buffer.of(),
      Buffer.from('{"a":}'),
      Buffer.of(0x22, 0xff, 0x22),
      Buffer.from('\ufeff1'),
      Buffer.from(`[1234567890123456,${'['.repeat(5000)}${']'.repeat(5000)}]`),
    ])
      assert.ok(json.decode(bad).error instanceof FormatError)
    assert.throws(() => json.fromLosslessJson('{'), FormatError)
    assert.throws(() => json.toLosslessJson(Buffer.from('{')), FormatError)
  })
})

describe('a stream of text', () => {
  test('takes and gives strings, and JSON strings in print', () => {
    for (const data of ['', 'hi mom\n', 'é☃😀', '\ufeff', '"\\\u0000']) {
      assert.deepEqual(text.decode(text.encode(data)), { data })
      const record = text.encode(data)
      assert.deepEqual(Buffer.from(text.fromLosslessJson(text.toLosslessJson(record))), Buffer.from(record))
      assert.deepEqual(Buffer.from(text.fromPlainJson(text.toPlainJson(record))), Buffer.from(record))
      assert.equal(text.toPlainJson(record), JSON.stringify(data))
    }
  })

  test('refuses everything else', () => {
    assert.throws(() => text.encode(1), /records are text, not a number/)
    assert.throws(() => text.encode('\ud800'), /half a surrogate pair/)
    assert.ok(text.decode(Buffer.of(0xff)).error instanceof FormatError)
    assert.throws(() => text.toLosslessJson(Buffer.of(0xff)), FormatError)
    for (const read of [text.fromLosslessJson, text.fromPlainJson])
      assert.throws(() => read('{"a":1}'), { name: 'FormatError', message: /a JSON string is expected, not an object/ })
  })
})

describe('a stream of bytes', () => {
  test('takes and gives bytes, and their base64 in print', () => {
    const data = Buffer.of(0, 0xff, 0x80)
    assert.deepEqual(bytes.decode(bytes.encode(data)), { data })
    assert.equal(bytes.toLosslessJson(data), '{"$bytes":"AP+A"}')
    assert.equal(bytes.toPlainJson(data), '"AP+A"')
    assert.deepEqual(Buffer.from(bytes.fromLosslessJson('{"$bytes":"AP+A"}')), data)
    assert.deepEqual(Buffer.from(bytes.fromPlainJson('"AP+A"')), data)
  })

  test('refuses everything else', () => {
    assert.throws(() => bytes.encode('text'), /records are bytes \(Uint8Array\), not text/)
    assert.throws(() => bytes.fromLosslessJson('"AP+A"'), /is expected, not text/)
    assert.throws(() => bytes.fromPlainJson('"?"'), /not base64/)
  })
})

test('no codec throws in decode, whatever the bytes', () => {
  const codecs: RecordCodec[] = [msgpack, json, text, bytes]
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (record) => {
      for (const codec of codecs)
        assert.ok('data' in codec.decode(record) || codec.decode(record).error instanceof FormatError)
    }),
    { numRuns: runs(20_000), seed: seed() },
  )
})
