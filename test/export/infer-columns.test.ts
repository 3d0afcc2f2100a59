import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../../src/errors.ts'
import { ColumnInference, cellOf } from '../../src/export/infer-columns.ts'
import { MsgpackExt } from '../../src/record/msgpack-ext.ts'
import { MsgpackMap } from '../../src/record/msgpack-map.ts'

function columnsOf(...records: unknown[]): Record<string, string> {
  const inference = new ColumnInference()
  for (const record of records) inference.add(record)
  return Object.fromEntries(inference.columns().map(({ name, type }) => [name, type]))
}

test('a column has the narrowest type that all its values fit', () => {
  assert.deepEqual(columnsOf({ a: 1 }, { a: null }, { b: true }), { a: 'integer', b: 'boolean' })
  assert.deepEqual(columnsOf({ a: 1 }, { a: 1.5 }), { a: 'float' })
  assert.deepEqual(columnsOf({ a: 1 }, { a: 2n ** 62n }), { a: 'integer' })
  assert.deepEqual(columnsOf({ a: 1 }, { a: 2n ** 63n }), { a: 'text' })
  assert.deepEqual(columnsOf({ a: 1 }, { a: 'x' }, { a: true }), { a: 'text' })
  assert.deepEqual(columnsOf({ a: { b: 1 } }, { a: [1] }), { a: 'json' })
  assert.deepEqual(columnsOf({ a: Buffer.of(1) }), { a: 'bytes' })
  assert.deepEqual(columnsOf({ a: null }), { a: 'text' })
  assert.deepEqual(columnsOf('line', 3, new MsgpackMap([[1, 2]])), { value: 'text' })
})

test('a time of go-triton is text, as cat prints it', () => {
  const time = new MsgpackExt(5, Buffer.from('000000006553f10000000000', 'hex'))
  assert.deepEqual(columnsOf({ a: time }, { a: 'x' }), { a: 'text' })
  assert.equal(cellOf(time, 'text'), '2023-11-14T22:13:20Z')
  assert.deepEqual(columnsOf({ a: new MsgpackExt(77, Buffer.of(1)) }), { a: 'json' })
})

test('no digit and no text is lost in a cell', () => {
  assert.equal(cellOf(9_007_199_254_740_993n, 'integer'), 9_007_199_254_740_993n)
  assert.equal(cellOf(2n ** 64n - 1n, 'text'), '18446744073709551615')
  assert.equal(cellOf({ n: 2n ** 63n, b: Buffer.of(255) }, 'json'), '{"n":9223372036854775808,"b":"/w=="}')
  assert.equal(cellOf('text', 'text'), 'text')
  assert.equal(cellOf(true, 'text'), 'true')
  assert.equal(cellOf(undefined, 'integer'), null)
})

test('records with a field for each are no table', () => {
  const inference = new ColumnInference()
  assert.throws(() => {
    for (let n = 0; n < 3_000; n++) inference.add({ [`f${n}`]: n })
  }, ConfigError)
})
