import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { FormatError } from '../../src/errors.ts'
import { losslessJsonOf, msgpackOfLosslessJson } from '../../src/record/lossless-json.ts'
import { decodeMsgpack } from '../../src/record/msgpack-decode.ts'
import { runs, seed } from '../support/soak.ts'
import { anyWire, bytesOf, valueIn } from './wire.ts'

const print = (hex: string): string => losslessJsonOf(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const parse = (text: string): string => msgpackOfLosslessJson(text).toString('hex')

test('bytes in the current shortest form come back bit by bit', () => {
  fc.assert(
    fc.property(anyWire(), (wire) => {
      const bytes = bytesOf(wire)
      const text = losslessJsonOf(bytes)
      assert.equal(msgpackOfLosslessJson(text).toString('hex'), bytes.toString('hex'))
      assert.equal(losslessJsonOf(msgpackOfLosslessJson(text)), text)
    }),
    { numRuns: runs(30_000), seed: seed() },
  )
})

test('the text is one line of JSON that any parser takes, also spread out and sorted by one', () => {
  fc.assert(
    fc.property(anyWire({ isOrdinary: true }), (wire) => {
      const text = losslessJsonOf(bytesOf(wire))
      assert.doesNotMatch(text, /[\n\r]/)
      const spread = text.replace(/"(?:[^"\\]|\\.)*"|[[\]{},:]/g, (token) => ` \n${token}\t`)
      assert.deepEqual(decodeMsgpack(msgpackOfLosslessJson(spread)), valueIn(wire))
      assert.doesNotThrow(() => JSON.parse(text))
    }),
    { numRuns: runs(10_000), seed: seed() },
  )
})

describe('each form of lossless JSON is printed and read:', () => {
  const forms: [string, string][] = [
    ['c0', 'null'],
    ['c3', 'true'],
    ['c2', 'false'],
    ['c403000102', '{"$bytes":"AAEC"}'],
    ['c400', '{"$bytes":""}'],
    ['cf0020000000000000', '{"$int":"9007199254740992"}'],
    ['d38000000000000000', '{"$int":"-9223372036854775808"}'],
    ['cf001fffffffffffff', '9007199254740991'],
    ['cb4008000000000000', '3.0'],
    ['cb8000000000000000', '-0.0'],
    ['cb0000000000000000', '0.0'],
    ['cb3fd3333333333334', '0.30000000000000004'],
    ['cb4480f0cf064dd592', '1e+22'],
    ['cb4341c37937e08000', '1e+16'],
    ['cb0000000000000001', '5e-324'],
    ['cb3e7ad7f29abcaf48', '1e-07'],
    ['cb3f1a36e2eb1c432d', '0.0001'],
    ['cb3ee4f8b588e368f1', '1e-05'],
    ['cb7ff8000000000000', '{"$float":"NaN"}'],
    ['cb7ff0000000000000', '{"$float":"Infinity"}'],
    ['cbfff0000000000000', '{"$float":"-Infinity"}'],
    ['d64d00010203', '{"$ext":{"type":77,"data":"AAECAw=="}}'],
    [
      'c70c05fffffff1886e090000000000',
      '{"$ext":{"type":5,"data":"////8YhuCQAAAAAA","seconds":-62135596800,"nanoseconds":0}}',
    ],
    [
      'c70c057fffffffffffffff00000001',
      '{"$ext":{"type":5,"data":"f/////////8AAAAB","seconds":{"$int":"9223372036854775807"},"nanoseconds":1}}',
    ],
    ['8101a161', '{"$map":[[1,"a"]]}'],
    ['82a16101a16102', '{"$map":[["a",1],["a",2]]}'],
    ['81a42462797401', '{"$map":[["$byt",1]]}'],
    ['8181c0c080', '{"$map":[[{"$map":[[null,null]]},{}]]}'],
    ['82a23130a161a131a162', '{"10":"a","1":"b"}'],
    ['81a95f5f70726f746f5f5f01', '{"__proto__":1}'],
    ['aa220a5c2f00c3a9e280a8', '"\\"\\n\\\\/\\u0000é\u2028"'],
  ]
  for (const [hex, text] of forms)
    test(text, () => {
      assert.equal(print(hex), text)
      assert.equal(parse(text), hex)
    })
})

test('what has no current short form of its own is printed alike and written in the current short form', () => {
  assert.equal(print('d9 01 61'), '"a"')
  assert.equal(print('a1 ff'), '{"$bytes":"/w=="}')
  assert.equal(print('81 a1ff 01'), '{"$map":[[{"$bytes":"/w=="},1]]}')
  assert.equal(print('ca 3dcccccd'), '0.10000000149011612')
  assert.equal(print('d3 0000000000000001'), '1')
  assert.equal(print('de 0001 a161 dd 00000000'), '{"a":[]}')
})

test('JSON that others rewrote is read, too', () => {
  assert.equal(parse(' { "a" : [ 1 , 2 ] }\n'), '81a161920102')
  assert.equal(parse('9007199254740993'), 'cf0020000000000001')
  assert.equal(parse('-0'), '00')
  assert.equal(parse('1E2'), 'cb4059000000000000')
  assert.equal(parse('"\\u00e9\\ud83d\\ude00"'), 'a6c3a9f09f9880')
  assert.equal(parse('{"$ext":{"data":"AAECAw==","type":77}}'), 'd64d00010203')
  assert.equal(
    parse('{"$ext":{"nanoseconds":0,"data":"////8YhuCQAAAAAA","seconds":-62135596800,"type":5}}'),
    'c70c05fffffff1886e090000000000',
  )
  assert.equal(parse('{"$map":[]}'), '80')
})

describe('text that is no lossless JSON is a FormatError with its place:', () => {
  const cases: [string, string, RegExp, number][] = [
    ['nothing', '', /the text ends .* a value/, 0],
    ['a word', 'nul', /a value/, 0],
    ['NaN', '[NaN]', /"N" stands at character 1/, 1],
    ['two values', '1 2', /"2" stands at character 2 where the end/, 2],
    ['a number with a leading zero', '01', /character 1/, 1],
    ['a number without digits', '{"a":-}', /character 6/, 6],
    ['a number that ends with its point', '1.', /where a digit/, 2],
    ['an open string', '["abc', /does not end/, 1],
    ['a line break in a string', '"a\nb"', /character 2/, 2],
    ['an unknown escape', '"\\x"', /an escape/, 2],
    ['half an escape', '"\\u12"', /an escape/, 2],
    ['half a surrogate pair', '"\\ud800"', /half a surrogate pair/, 0],
    ['an open array', '[1', /',' or '\]'/, 2],
    ['a comma too many', '[1,]', /a value/, 3],
    ['an open object', '{"a":1', /',' or '\}'/, 6],
    ['an object without colon', '{"a" 1}', /':'/, 5],
    ['a bare key', '{a:1}', /'"'/, 1],
    ['a key that comes twice', '{"a":1,"b":2,"a":3}', /key "a" .* comes twice/, 17],
    ['an unknown $ form', '{"$bits":"AA=="}', /"\$bits" .* is none of \$bytes/, 9],
    ['a $ key behind others', '{"a":1,"$b":2}', /begins with \$/, 12],
    ['a $ form with more in it', '{"$int":"1","a":2}', /'\}'/, 11],
    ['bytes that are not base64', '{"$bytes":"A"}', /not base64/, 10],
    ['bytes with white space', '{"$bytes":"AA ="}', /not base64/, 10],
    ['an $int that is none', '{"$int":"1.5"}', /"1\.5" .* is no integer/, 8],
    ['an $int beyond uint64', '{"$int":"18446744073709551616"}', /fits neither/, 8],
    ['digits beyond uint64', '99999999999999999999', /fits neither/, 0],
    ['a million digits', '9'.repeat(1_000_000), /999\.\.\. fits neither/, 0],
    ['a float too large', '[1e999]', /too large for a float64/, 1],
    ['a $float that is none', '{"$float":"1"}', /none of NaN/, 10],
    ['an $ext without data', '{"$ext":{"type":1}}', /needs a type .* and data/, 8],
    ['an $ext of type 128', '{"$ext":{"type":128,"data":""}}', /needs a type/, 8],
    ['an $ext of type -129', '{"$ext":{"type":-129,"data":""}}', /needs a type/, 8],
    [
      'an $ext whose seconds were changed',
      '{"$ext":{"type":5,"data":"////8YhuCQAAAAAA","seconds":1,"nanoseconds":0}}',
      /seconds .* is not what its data says/,
      8,
    ],
    ['an $ext with something else', '{"$ext":{"type":1,"data":"AA==","x":1}}', /x of the \$ext/, 8],
    ['a $map of something else', '{"$map":[1]}', /'\['/, 9],
    ['a $map entry of three', '{"$map":[[1,2,3]]}', /'\]'/, 13],
  ]
  for (const [name, text, message, offset] of cases)
    test(name, () => {
      assert.throws(
        () => msgpackOfLosslessJson(text),
        (error) => {
          assert.ok(error instanceof FormatError, String(error))
          assert.match(error.message, message)
          assert.equal(error.offset, offset)
          return true
        },
      )
    })

  test('nested deeper than 1,024 levels', () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
    assert.equal(losslessJsonOf(msgpackOfLosslessJson(nested(1024))), nested(1024))
    for (const levels of [1025, 100_000])
      assert.throws(() => msgpackOfLosslessJson(nested(levels)), { name: 'FormatError', message: /deeper than 1024/ })
    assert.throws(() => msgpackOfLosslessJson('{"$map":[['.repeat(100_000)), { name: 'FormatError', message: /deeper/ })
    assert.throws(() => losslessJsonOf(Buffer.alloc(100_000, 0x91)), { name: 'FormatError', message: /deeper/ })
  })
})

test('no text makes the reader throw anything but a FormatError', () => {
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '"$map"',
    '"$int"',
    '"$ext"',
    '"type"',
    '1',
    '-',
    '.5',
    'e9',
    'null',
    'true',
    '\\',
    ' ',
    '\n',
    'é',
    '\ud800',
  ]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 14 }), (parts) => {
      try {
        const bytes = msgpackOfLosslessJson(parts.join(''))
        assert.equal(msgpackOfLosslessJson(losslessJsonOf(bytes)).toString('hex'), bytes.toString('hex'))
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error))
      }
    }),
    { numRuns: runs(200_000), seed: seed() },
  )
})
