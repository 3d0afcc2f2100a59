import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { jsonForm } from '../../src/cli/json-form.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import type { RecordFormat } from '../../src/record/record-codec.ts'

describe('records as lines of JSON', () => {
  const cases: [format: RecordFormat, bytes: Uint8Array, plain: string, lossless: string][] = [
    [
      'msgpack',
      encodeMsgpack({ b: Buffer.from('hi'), n: 2n ** 63n, t: 'x' }),
      '{"b":"aGk=","n":9223372036854775808,"t":"x"}',
      '{"b":{"$bytes":"aGk="},"n":{"$int":"9223372036854775808"},"t":"x"}',
    ],
    [
      'json',
      Buffer.from('{ "a" : [1, 2.0],\n "b": "two  spaces \\" " , "n": 123456789012345678901}'),
      '{"a":[1,2.0],"b":"two  spaces \\" ","n":123456789012345678901}',
      '{"a":[1,2.0],"b":"two  spaces \\" ","n":123456789012345678901}',
    ],
    ['text', Buffer.from('line\n"two"'), '"line\\n\\"two\\""', '"line\\n\\"two\\""'],
    ['bytes', Buffer.from([0, 255]), '"AP8="', '{"$bytes":"AP8="}'],
  ]
  for (const [format, bytes, plain, lossless] of cases) {
    test(`of a stream of ${format}`, () => {
      assert.equal(jsonForm(format, false).toLine(bytes).data, plain)
      assert.equal(jsonForm(format, true).toLine(bytes).data, lossless)
      const back = jsonForm(format, true).toBytes(lossless)
      assert.equal(jsonForm(format, true).toLine(back).data, lossless)
      if (format !== 'json') assert.deepEqual(Buffer.from(back), Buffer.from(bytes))
      if (format === 'bytes') assert.deepEqual(Buffer.from(jsonForm(format, false).toBytes(plain)), bytes)
    })
  }

  test('that are none are refused, and bytes that are none are an error', () => {
    const refused: [RecordFormat, boolean, string][] = [
      ['msgpack', false, '[1]'],
      ['msgpack', true, '"text"'],
      ['msgpack', false, '{"a":}'],
      ['msgpack', false, '{"a":1,"a":2}'],
      ['json', false, '{"a":'],
      ['text', false, '{}'],
      ['text', true, '1'],
      ['bytes', false, '"no base64!"'],
      ['bytes', true, '"AP8="'],
    ]
    for (const [format, isLossless, line] of refused)
      assert.throws(() => jsonForm(format, isLossless).toBytes(line), /./, `${format} ${line}`)
    const undecodable: [RecordFormat, Buffer][] = [
      ['msgpack', Buffer.from([0xc1])],
      ['msgpack', Buffer.from([0x81, 0xa1])],
      ['msgpack', Buffer.from([0x80, 0x80])],
      ['msgpack', Buffer.alloc(0)],
      ['json', Buffer.from('nope')],
      ['json', Buffer.from([0x22, 0xff, 0x22])],
      ['text', Buffer.from([0xff])],
    ]
    for (const [format, bytes] of undecodable)
      for (const isLossless of [false, true])
        assert.equal(jsonForm(format, isLossless).toLine(bytes).error?.code, 'TRITON_FORMAT', `${format} ${bytes}`)
  })
})
