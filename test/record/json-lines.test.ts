import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FormatError } from '../../src/errors.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { JsonLines } from '../../src/record/json-lines.ts'
import { decodeMsgpack, decodeRecords } from '../../src/record/msgpack-decode.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { plainJsonOf } from '../../src/record/plain-json.ts'
import { readRecords } from '../../src/record/tri-records.ts'
import { runs, seed } from '../support/soak.ts'
import { goldenArchives, piecesOf } from './golden-archives.ts'

test('every golden record is printed as by itself, and decoded as by itself', async () => {
  const lines = new JsonLines()
  for (const { name, bytes } of goldenArchives()) {
    for await (const part of readRecords(piecesOf(bytes))) {
      if (part.type !== 'records') continue
      const records = part.ends.map((end, i) => part.bytes.subarray(part.ends[i - 1] ?? part.start, end))
      lines.begin(part.bytes)
      for (const [i, end] of part.ends.entries()) lines.add(part.ends[i - 1] ?? part.start, end)
      assert.equal(lines.take().toString(), records.map((record) => `${plainJsonOf(record)}\n`).join(''), name)
      const { values, error } = decodeRecords(part.bytes, part.start, part.ends)
      assert.equal(error, undefined)
      assert.deepEqual(values, records.map(decodeMsgpack), name)
    }
  }
})

test('random and mutated bytes are printed as by plainJsonOf, or fail as there', async () => {
  const random = seededRandom(seed())
  const lines = new JsonLines()
  const samples: Buffer[] = []
  for (const { bytes } of goldenArchives().filter(({ bytes }) => bytes.length < 5_000))
    for await (const part of readRecords(piecesOf(bytes)))
      if (part.type === 'records')
        for (const [i, end] of part.ends.entries())
          samples.push(Buffer.from(part.bytes.subarray(part.ends[i - 1] ?? part.start, end)))
  for (let run = 0; run < runs(200_000, 4_000); run++) {
    const bytes =
      run % 3 === 0
        ? Buffer.from(Array.from({ length: 1 + randomInteger(random, 24) }, () => randomInteger(random, 256)))
        : Buffer.from(samples[randomInteger(random, samples.length)] as Buffer)
    for (let flips = run % 3; flips > 0; flips--)
      bytes[randomInteger(random, bytes.length)] = randomInteger(random, 256)
    const expected = outcome(() => `${plainJsonOf(bytes)}\n`)
    const found = outcome(() => {
      lines.begin(bytes)
      lines.add(0, bytes.length)
      return lines.take().toString()
    })
    assert.equal(found, expected, bytes.toString('hex'))
    const { values, error } = decodeRecords(bytes, 0, [bytes.length])
    assert.deepEqual(
      error ? error.message : values[0],
      outcome(() => decodeMsgpack(bytes)),
    )
  }
})

test('a float is printed with the digits that JavaScript finds', () => {
  const random = seededRandom(seed())
  const lines = new JsonLines()
  const bytes = Buffer.alloc(9)
  bytes[0] = 0xcb
  const near = new DataView(new ArrayBuffer(8))
  /** The float that is `steps` floats further. */
  const beside = (value: number, steps: number) => {
    near.setFloat64(0, value)
    near.setBigInt64(0, near.getBigInt64(0) + BigInt(steps))
    return near.getFloat64(0)
  }
  const kinds = [
    () => 1.7e9 + random.next() * 1e8,
    () => Math.round((1.7e9 + random.next() * 1e8) * 1e6) / 1e6,
    () => Math.round(random.next() * 1e6) / 100,
    () => Math.round(random.next() * 1e9) / 10 ** randomInteger(random, 10),
    () => 2 ** (random.next() * 34 - 1),
    () => 2 ** randomInteger(random, 33) + randomInteger(random, 3) / 2,
    () => randomInteger(random, 1_000_000),
    () => beside(randomInteger(random, 1 << 30) / 2 ** randomInteger(random, 20), randomInteger(random, 5) - 2),
    () => (random.next() - 0.5) * 10 ** (randomInteger(random, 40) - 20),
  ]
  for (let run = 0; run < runs(5_000_000, 100_000); run++) {
    const kind = kinds[run % kinds.length] as () => number
    bytes.writeDoubleBE(random.next() < 0.1 ? -kind() : kind(), 1)
    lines.begin(bytes)
    lines.add(0, 9)
    const found = lines.take().toString()
    if (found !== `${plainJsonOf(bytes)}\n`) assert.equal(found, `${plainJsonOf(bytes)}\n`, bytes.toString('hex'))
  }
})

test('text is printed as by itself, wherever in it something has to be escaped', () => {
  const lines = new JsonLines()
  for (const odd of ['"', '\\', '\n', '\u001f', '\u007f', 'é', '日', '😀'])
    for (let length = 0; length < 12; length++)
      for (let at = 0; at <= length; at++) {
        const bytes = Buffer.from(encodeMsgpack({ [`${odd}k`]: `${'a'.repeat(at)}${odd}${'~ '.repeat(length - at)}` }))
        lines.begin(bytes)
        lines.add(0, bytes.length)
        assert.equal(lines.take().toString(), `${plainJsonOf(bytes)}\n`)
      }
})

test('records that decode before one that does not are there', () => {
  const bytes = Buffer.from('81a16101 81a1c1 81a16102'.replaceAll(' ', ''), 'hex')
  const { values, error } = decodeRecords(bytes, 0, [4, 7, 11])
  assert.deepEqual(values, [{ a: 1 }])
  assert.ok(error instanceof FormatError)
})

function outcome<T>(act: () => T): T | string {
  try {
    return act()
  } catch (error) {
    assert.ok(error instanceof FormatError)
    return error.message
  }
}
