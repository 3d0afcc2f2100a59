import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { Unpackr } from 'msgpackr'
import { decodeMsgpack } from '../../src/record/msgpack-decode.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { MsgpackExt } from '../../src/record/msgpack-ext.ts'
import { MsgpackMap } from '../../src/record/msgpack-map.ts'
import { runs, seed } from '../support/soak.ts'
import { anyRecord, bytesOf, readNaively, valueIn, type Wire } from './wire.ts'

const hex = (value: unknown): string => encodeMsgpack(value, { allowNonFinite: true }).toString('hex')

describe('a value is written in its shortest form:', () => {
  const borders: [unknown, string][] = [
    [null, 'c0'],
    [false, 'c2'],
    [true, 'c3'],
    [0, '00'],
    [127, '7f'],
    [128, 'cc80'],
    [255, 'ccff'],
    [256, 'cd0100'],
    [65_535, 'cdffff'],
    [65_536, 'ce00010000'],
    [2 ** 32 - 1, 'ceffffffff'],
    [2 ** 32, 'cf0000000100000000'],
    [2 ** 53 - 1, 'cf001fffffffffffff'],
    [-1, 'ff'],
    [-32, 'e0'],
    [-33, 'd0df'],
    [-128, 'd080'],
    [-129, 'd1ff7f'],
    [-32_768, 'd18000'],
    [-32_769, 'd2ffff7fff'],
    [-(2 ** 31), 'd280000000'],
    [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
    [-(2 ** 53) + 1, 'd3ffe0000000000001'],
    [5n, '05'],
    [2n ** 53n, 'cf0020000000000000'],
    [2n ** 64n - 1n, 'cfffffffffffffffff'],
    [-(2n ** 63n), 'd38000000000000000'],
    [-0, 'cb8000000000000000'],
    [0.5, 'cb3fe0000000000000'],
    [2 ** 53, 'cb4340000000000000'],
    [Number.NaN, 'cb7ff8000000000000'],
    [Number.NEGATIVE_INFINITY, 'cbfff0000000000000'],
    ['', 'a0'],
    ['é😀', 'a6c3a9f09f9880'],
    [Buffer.alloc(0), 'c400'],
    [Uint8Array.of(1, 2), 'c4020102'],
    [new Date(0), `b8${Buffer.from('1970-01-01T00:00:00.000Z').toString('hex')}`],
    [[], '90'],
    [{}, '80'],
    [{ a: undefined, b: [undefined] }, '81a16291c0'],
    [Object.assign(Object.create(null) as object, { a: 1 }), '81a16101'],
    [new MsgpackExt(5, Buffer.alloc(12)), `c70c05${'00'.repeat(12)}`],
    [new MsgpackExt(-1, Buffer.alloc(4)), 'd6ff00000000'],
    [
      new MsgpackMap([
        [1, 'x'],
        [1, null],
      ]),
      '8201a17801c0',
    ],
  ]
  for (const [value, expected] of borders)
    test(`${typeof value === 'bigint' ? `${value}n` : JSON.stringify(value)} as ${expected}`, () =>
      assert.equal(hex(value), expected))

  test('text, bytes, arrays and maps on both sides of each border of their heads', () => {
    for (const size of [15, 16, 31, 32, 48, 49, 255, 256, 65_535, 65_536, 70_000]) {
      const wires: Wire[] = [
        { kind: 'text', value: 'x'.repeat(size) },
        { kind: 'text', value: `${'x'.repeat(size - 2)}é` },
        { kind: 'text', value: '☃'.repeat(size) },
        { kind: 'bin', value: Buffer.alloc(size, 7) },
        { kind: 'ext', type: 9, data: Buffer.alloc(size, 7) },
        { kind: 'array', items: Array.from({ length: size }, () => ({ kind: 'nil' })) },
        {
          kind: 'map',
          entries: Array.from({ length: size }, (_, i) => [
            { kind: 'text', value: `k${i}` },
            { kind: 'boolean', value: true },
          ]),
        },
      ]
      for (const wire of wires) assert.ok(encodeMsgpack(valueIn(wire)).equals(bytesOf(wire)), `${wire.kind} of ${size}`)
    }
  })
})

test('any value we can hold is written so that others read it, too', () => {
  const msgpackr = new Unpackr({ useRecords: false })
  fc.assert(
    fc.property(anyRecord(), (wire) => {
      const value = valueIn(wire)
      const bytes = encodeMsgpack(value, { allowNonFinite: true })
      assert.deepEqual(readNaively(bytes), value)
      if (isExactInMsgpackr(value)) assert.deepEqual(msgpackr.unpack(bytes), value)
    }),
    { numRuns: runs(20_000), seed: seed() },
  )
})

/** What msgpackr decodes otherwise: extensions, odd maps, `__proto__`, and integers of 64 bits, always as bigint. */
function isExactInMsgpackr(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isSafeInteger(value) || Math.abs(value) < 2 ** 31
  if (value instanceof MsgpackExt || value instanceof MsgpackMap) return false
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return true
  return Object.entries(value).every(([key, each]) => key !== '__proto__' && isExactInMsgpackr(each))
}

test('a member that is undefined is left out also where that makes the head shorter', () => {
  for (const size of [15, 16, 17, 65_536]) {
    const full = Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${i}`, i % 3]))
    const withGaps = Object.fromEntries(
      Object.entries(full).flatMap(([key, value]) => [
        [key, value],
        [`${key}x`, undefined],
      ]),
    )
    assert.ok(encodeMsgpack(withGaps).equals(encodeMsgpack(full)), `${size} members`)
  }
})

test('only own, enumerable, text-keyed members are seen', () => {
  const odd = Object.defineProperty({ a: 1, [Symbol('s')]: 2 }, 'hidden', { value: 3, enumerable: false })
  assert.deepEqual(decodeMsgpack(encodeMsgpack(odd)), { a: 1 })
  const withOwnProto = JSON.parse('{"__proto__":{"x":1}}') as object
  assert.deepEqual(decodeMsgpack(encodeMsgpack(withOwnProto)), withOwnProto)
  assert.deepEqual(decodeMsgpack(encodeMsgpack(runInNewContext('({ a: [1, { b: new Date(0) }] })'))), {
    a: [1, { b: '1970-01-01T00:00:00.000Z' }],
  })
})

test('toJSON is asked once, with the key, and its answer is written', () => {
  class Money {
    readonly cents: number
    constructor(cents: number) {
      this.cents = cents
    }
    toJSON(key: string): unknown {
      return { key, cents: this.cents, at: new Date(0) }
    }
  }
  const written = decodeMsgpack(encodeMsgpack({ price: new Money(5), list: [new Money(6)] }))
  const at = '1970-01-01T00:00:00.000Z'
  assert.deepEqual(written, { price: { key: 'price', cents: 5, at }, list: [{ key: '0', cents: 6, at }] })
  assert.deepEqual(decodeMsgpack(encodeMsgpack({ own: { secret: 1, toJSON: () => 'shown' } })), { own: 'shown' })
})

test('a toJSON or getter that encodes something itself disturbs nothing', () => {
  const inner = { deep: ['x'.repeat(3000), { y: 1 }] }
  const record = {
    before: 1,
    made: { toJSON: () => encodeMsgpack(inner).length },
    get got() {
      assert.throws(() => encodeMsgpack({ a: { b: () => 0 } }), /\$\.a\.b/)
      return encodeMsgpack(inner)
    },
    after: ['z'],
  }
  const size = encodeMsgpack(inner).length
  assert.deepEqual(decodeMsgpack(encodeMsgpack(record)), {
    before: 1,
    made: size,
    got: encodeMsgpack(inner),
    after: ['z'],
  })
  assert.throws(
    () => encodeMsgpack({ a: { toJSON: () => encodeMsgpack(inner).length }, b: { c: Symbol('s') } }),
    /\$\.b\.c:/,
  )
})

test('bytes that were handed out are never written to again', () => {
  const kept = Array.from({ length: 3000 }, (_, i) => ({ i, bytes: encodeMsgpack({ i, text: 'x'.repeat(i % 900) }) }))
  for (const { i, bytes } of kept) assert.deepEqual(decodeMsgpack(bytes), { i, text: 'x'.repeat(i % 900) })
})

describe('what msgpack cannot carry is a TypeError that names the field:', () => {
  class Point {
    x = 1
  }
  const cyclicList: unknown[] = []
  cyclicList.push({ again: cyclicList })
  const deep = (levels: number): unknown => Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 1)
  const cases: [string, unknown, RegExp][] = [
    ['a function', { a: { b: [0, () => 0] } }, /cannot write \$\.a\.b\[1\]: a function has no msgpack form/],
    ['a symbol', { 'odd key': Symbol('s') }, /\$\["odd key"\]: a symbol/],
    ['undefined as the whole value', undefined, /\$: undefined/],
    ['a function as the whole value', () => 0, /\$: a function/],
    ['a class instance without toJSON', { p: new Point() }, /\$\.p: an instance of Point .* toJSON/],
    ['a Map', { m: new Map() }, /\$\.m: an instance of Map/],
    ['another typed array', { f: new Float64Array(1) }, /\$\.f: an instance of Float64Array/],
    ['an invalid date', { when: new Date(Number.NaN) }, /\$\.when: the date is invalid/],
    ['NaN', { a: [{ n: Number.NaN }] }, /\$\.a\[0\]\.n: NaN .*allowNonFinite/],
    ['Infinity', { n: Number.POSITIVE_INFINITY }, /\$\.n: Infinity/],
    ['an integer beyond uint64', { n: 2n ** 64n }, /\$\.n: the integer 18446744073709551616/],
    ['an integer below int64', { n: -(2n ** 63n) - 1n }, /\$\.n: the integer -9223372036854775809/],
    ['half a surrogate pair', { t: 'a\ud800' }, /\$\.t: .*half a surrogate pair/],
    ['half a pair the other way round', { t: '\udc00\ud800' }, /\$\.t: .*surrogate/],
    ['half a pair in long text', { t: `${'é'.repeat(100)}\udfff` }, /\$\.t: .*surrogate/],
    ['half a pair in a key', { '\ud800': 1 }, /surrogate/],
    ['a cyclic object', { list: cyclicList }, /\$\.list\[0\]\.again: it is cyclic/],
    ['a value of 1,025 levels', deep(1025), /nested deeper than 1024 levels/],
    ['a value of 100,000 levels', deep(100_000), /nested deeper than 1024 levels/],
    ['toJSON that answers undefined', { a: { toJSON: () => undefined } }, /\$\.a: its toJSON answered undefined/],
    ['toJSON that answers another such thing', { a: { toJSON: () => new Point() } }, /\$\.a: an instance of Point/],
    ['something inside an odd map', new MsgpackMap([[{ x: () => 0 }, 1]]), /entry 0.*x: a function/],
  ]
  for (const [name, value, message] of cases)
    test(name, () => {
      assert.throws(() => encodeMsgpack(value), { name: 'TypeError', message })
      assert.deepEqual(decodeMsgpack(encodeMsgpack({ next: 'record' })), { next: 'record' })
    })

  test('and 1,024 levels are not too many', () => {
    assert.deepEqual(decodeMsgpack(encodeMsgpack(deep(1024))), deep(1024))
  })
})
