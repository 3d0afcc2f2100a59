import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeMsgpack } from '../../src/record/msgpack-decode.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { msgpackOfPlainJson, plainJsonOf } from '../../src/record/plain-json.ts'
import { runs, seed } from '../support/soak.ts'
import { goldenRecords } from './golden-records.ts'

const print = (hex: string): string => plainJsonOf(Buffer.from(hex.replaceAll(' ', ''), 'hex'))

test('what JSON has no word for is printed so that people and jq can read it', () => {
  assert.equal(print('c4 02 fffe'), '"//4="')
  assert.equal(print('a2 fffe'), '"//4="')
  assert.equal(print('cf ffffffffffffffff'), '18446744073709551615')
  assert.equal(print('93 cb7ff8000000000000 cb7ff0000000000000 cbfff0000000000000'), '[null,null,null]')
  assert.equal(print('cb 4008000000000000'), '3.0')
  assert.equal(print('84 01 a161 c0 02 cb4004000000000000 03 91c3 04'), '{"1":"a","null":2,"2.5":3,"[true]":4}')
  assert.equal(print('82 c4026869 01 a163 02'), '{"aGk=":1,"c":2}')
  assert.equal(print('82 a162 01 a161 02'), '{"b":1,"a":2}')
  assert.equal(print('81 a42461 6263 01'), '{"$abc":1}')
  assert.equal(print('d6 4d 00010203'), '{"type":77,"data":"AAECAw=="}')
  assert.equal(print('a6 3c3e26e280a8'), '"<>&\u2028"')
})

test('a go-triton time is printed as RFC 3339, as go-triton does', () => {
  assert.equal(print('c70c05 0000000056d4db7f 075bcd15'), '"2016-02-29T23:59:59.123456789Z"')
  assert.equal(print('c70c05 fffffff1886e0900 00000000'), '"0001-01-01T00:00:00Z"')
  assert.equal(print('c70c05 0000000000000000 000f4240'), '"1970-01-01T00:00:00.001Z"')
  assert.equal(print('c70c05 7fffffffffffffff 00000000'), '{"type":5,"data":"f/////////8AAAAA"}')
})

test('every golden record prints as JSON that says the same, as far as JSON can', () => {
  for (const { name, bytes } of goldenRecords()) {
    const text = plainJsonOf(bytes)
    assert.doesNotMatch(text, /\n/, name)
    assert.doesNotThrow(() => JSON.parse(text), name)
  }
})

test('JSON becomes the record that it describes, with all digits of its integers', () => {
  assert.deepEqual(decodeMsgpack(msgpackOfPlainJson('{"n": 9007199254740993, "f": 3.0, "$x": [null, true]}')), {
    n: 9007199254740993n,
    f: 3,
    $x: [null, true],
  })
  assert.equal(msgpackOfPlainJson('3.0').toString('hex'), 'cb4008000000000000')
  assert.equal(msgpackOfPlainJson('{"$bytes":"AA=="}').toString('hex'), '81a6246279746573a441413d3d')
  assert.throws(() => msgpackOfPlainJson('{"a":1,"a":2}'), /comes twice/)
  assert.throws(() => msgpackOfPlainJson('[18446744073709551616]'), {
    name: 'FormatError',
    message: /fits neither/,
    offset: 1,
  })
})

test('any JSON value comes back from msgpack', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value)
      // Integers outside the safe range are bigints here.
      fc.pre(!/[0-9]{16}/.test(text))
      assert.deepEqual(decodeMsgpack(msgpackOfPlainJson(text)), JSON.parse(text))
      assert.deepEqual(JSON.parse(plainJsonOf(encodeMsgpack(value))), value)
    }),
    { numRuns: runs(20_000), seed: seed() },
  )
})
