import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import type { LocalEngine } from '../../src/local/index.ts'
import { CborPutScan } from '../../src/local/records/cbor-put-scan.ts'
import { JsonPutScan } from '../../src/local/records/json-put-scan.ts'
import { longestShortKeyBytes, shortKeyHashTop } from '../../src/local/records/short-key-hash.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { runs, seed } from '../support/soak.ts'
import { ask, encode, send, signed } from './wire-client.ts'

/** PutRecords and PutRecord have a short cut for plain bodies. It must not be seen: neither in answers nor in what is stored. */
type Format = 'json' | 'cbor'
const streams = [{ name: 's', shardCount: 7 }]

describe('the short cut of puts', () => {
  let quick: LocalEngine
  let ordinary: LocalEngine
  before(async () => {
    const clock = new ManualClock()
    quick = await startTestEngine({ clock, streams })
    // A fault rule, even one that never fits, makes the engine look at each request the ordinary way.
    ordinary = await startTestEngine({ clock, streams, faults: [{ action: 'delay', stream: 'another' }] })
  })
  after(() => Promise.all([quick.close(), ordinary.close()]))

  const put = (engine: LocalEngine, body: Buffer | string, format: Format, operation: string) => {
    const target = {
      'x-amz-target': `Kinesis_20131202.${operation}`,
      'content-type': `application/x-amz-${format}-1.1`,
    }
    return send(engine.endpoint, { headers: { ...signed, ...target }, body })
  }

  async function answersAgree(body: Buffer | string, format: Format, operation = 'PutRecords'): Promise<void> {
    const [left, right] = await Promise.all([quick, ordinary].map((engine) => put(engine, body, format, operation)))
    assert.ok(left && right)
    assert.deepEqual([left.status, left.body], [right.status, right.body])
  }

  const key = fc.oneof(
    fc.string({ minLength: 1, maxLength: 60 }),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
    fc.constantFrom('', 'k'.repeat(55), 'k'.repeat(56), 'k'.repeat(256), 'k'.repeat(257), '"\\', '\u0000', 'é'),
  )
  const data = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.nat(3).map((size) => Buffer.alloc(size, 255)),
  )
  const hashKey = fc.oneof(
    { weight: 9, arbitrary: fc.constant(undefined) },
    fc.constantFrom(null, '0', '12345', (1n << 128n).toString(), 'x'),
  )
  const plainKey = fc
    .string({ minLength: 1, maxLength: 60 })
    .filter((text) => /^[ -~]+$/.test(text) && !/["\\]/.test(text))
  const odd = fc.record({ PartitionKey: key, Data: data, ExplicitHashKey: hashKey })
  const plain = fc.record({ PartitionKey: plainKey, Data: data })
  const records = fc.oneof(
    fc.array(plain, { minLength: 1, maxLength: 40 }),
    fc.array(fc.oneof({ weight: 5, arbitrary: plain }, odd), { maxLength: 40 }),
  )

  test('agrees with the ordinary way on every request', async () => {
    const request = fc.record({
      records,
      isFirst: fc.boolean(),
      space: fc.constantFrom('', ' ', '\n\t'),
      name: fc.constantFrom('s', 's', 's', 's', 'none', ''),
      format: fc.constantFrom<Format>('json', 'cbor'),
    })
    await fc.assert(
      fc.asyncProperty(request, async ({ records, isFirst, space, name, format }) => {
        const input = isFirst ? { StreamName: name, Records: records } : { Records: records, StreamName: name }
        await answersAgree(bodyOf(input, format, space), format)
      }),
      { numRuns: runs(20_000, 200), seed: seed() },
    )
    for (let shard = 0; shard < 7; shard++) assert.deepEqual(await read(quick, shard), await read(ordinary, shard))
  })

  test('agrees with the ordinary way on every PutRecord', async () => {
    const request = fc.record({
      record: fc.oneof({ weight: 3, arbitrary: plain }, odd),
      more: fc.constantFrom<object>({}, {}, {}, { SequenceNumberForOrdering: '1' }, { DryRun: true }, { Other: 1 }),
      order: fc.constantFrom('name first', 'name last', 'turned round'),
      space: fc.constantFrom('', ' ', '\n\t'),
      name: fc.constantFrom('s', 's', 's', 's', 'none', ''),
      format: fc.constantFrom<Format>('json', 'cbor'),
    })
    await fc.assert(
      fc.asyncProperty(request, async ({ record, more, order, space, name, format }) => {
        const members = Object.entries({ ...record, ...more })
        if (order === 'turned round') members.reverse()
        const rest = Object.fromEntries(members)
        const input = order === 'name first' ? { StreamName: name, ...rest } : { ...rest, StreamName: name }
        await answersAgree(bodyOf(input, format, space), format, 'PutRecord')
      }),
      { numRuns: runs(20_000, 300), seed: seed() },
    )
    for (let shard = 0; shard < 7; shard++) assert.deepEqual(await read(quick, shard), await read(ordinary, shard))
  })

  test('agrees with the ordinary way on damaged requests', async () => {
    const input = {
      Records: [
        { Data: Buffer.from('abcd'), PartitionKey: 'key' },
        { PartitionKey: 'k', Data: Buffer.from('x') },
      ],
      StreamName: 's',
    }
    const one = { Data: Buffer.from('abcd'), PartitionKey: 'key', StreamName: 's' }
    const damage = fc.record({
      operation: fc.constantFrom('PutRecords', 'PutRecord'),
      format: fc.constantFrom<Format>('json', 'cbor'),
      at: fc.nat(200),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('"\\{}[],: =-_'))),
      kind: fc.constantFrom('replace', 'insert', 'remove', 'cut'),
    })
    await fc.assert(
      fc.asyncProperty(damage, async ({ operation, format, at, byte, kind }) => {
        const body = bodyOf(operation === 'PutRecord' ? one : input, format, '')
        const place = at % body.length
        const rest = body.subarray(kind === 'insert' ? place : kind === 'cut' ? body.length : place + 1)
        const middle = kind === 'replace' || kind === 'insert' ? Buffer.of(byte) : Buffer.alloc(0)
        await answersAgree(Buffer.concat([body.subarray(0, place), middle, rest]), format, operation)
      }),
      { numRuns: runs(50_000, 500), seed: seed() },
    )
  })

  test('is taken for plain bodies, with definite and indefinite lengths, with and without white space', () => {
    const input = { StreamName: 's', Records: [{ Data: Buffer.from('abcd'), PartitionKey: 'key' }] }
    assert.ok(new CborPutScan().scan(bodyOf(input, 'cbor', ''), 'PutRecords'))
    const record = Buffer.concat([
      Buffer.of(0xbf),
      encode('PartitionKey'),
      encode('k'),
      encode('Data'),
      encode(Buffer.of(1)),
      Buffer.of(0xff),
    ])
    const list = Buffer.concat([Buffer.of(0x9f), record, record, Buffer.of(0xff)])
    const indefinite = Buffer.concat([
      Buffer.of(0xbf),
      encode('Records'),
      list,
      encode('StreamName'),
      encode('s'),
      Buffer.of(0xff),
    ])
    const scan = new CborPutScan()
    assert.ok(scan.scan(indefinite, 'PutRecords'))
    assert.equal(scan.count, 2)
    const one = { StreamName: 's', PartitionKey: 'k', Data: Buffer.from('abcd') }
    for (const space of ['', ' ', '\r\n\t']) {
      assert.ok(new JsonPutScan().scan(bodyOf(input, 'json', space), 'PutRecords'))
      assert.ok(new JsonPutScan().scan(bodyOf(one, 'json', space), 'PutRecord'))
    }
    assert.ok(new CborPutScan().scan(bodyOf(one, 'cbor', ''), 'PutRecord'))
  })

  test('stores large records and full requests alike', async () => {
    const big = {
      StreamName: 's',
      Records: Array(9).fill({ PartitionKey: 'k', Data: Buffer.alloc(1024 * 1024 - 1, 'x') }),
    }
    const many = {
      StreamName: 's',
      Records: Array.from({ length: 500 }, (_, at) => ({ PartitionKey: `k${at}`, Data: Buffer.of(at) })),
    }
    const tooMany = { ...many, Records: [...many.Records, ...many.Records.slice(0, 1)] }
    const tooLarge = { StreamName: 's', Records: [{ PartitionKey: 'kk', Data: Buffer.alloc(1024 * 1024 - 1) }] }
    const tooMuch = { StreamName: 's', Records: Array(11).fill(big.Records[0]) }
    for (const format of ['json', 'cbor'] as const)
      for (const input of [big, many, tooMany, tooLarge, tooMuch]) await answersAgree(bodyOf(input, format, ''), format)
    for (let shard = 0; shard < 7; shard++) assert.deepEqual(await read(quick, shard), await read(ordinary, shard))
  })

  async function read(engine: LocalEngine, shard: number) {
    const start = { StreamName: 's', ShardId: String(shard), ShardIteratorType: 'TRIM_HORIZON' }
    let iterator: string | undefined = (await ask(engine.endpoint, 'GetShardIterator', start)).ShardIterator
    const hash = createHash('sha256')
    let count = 0
    for (let pages = 0; pages < 100; pages++) {
      const page = await ask(engine.endpoint, 'GetRecords', { ShardIterator: iterator })
      hash.update(JSON.stringify(page.Records))
      count += page.Records.length
      iterator = page.NextShardIterator
      if (page.MillisBehindLatest === 0) break
    }
    return { count, hash: hash.digest('hex') }
  }
})

describe('the hash of a short key', () => {
  test('is the top of its MD5', () => {
    for (let length = 0; length <= longestShortKeyBytes; length++)
      for (const fill of ['a', 'key-', '\u007f\u0001']) {
        const bytes = Buffer.alloc(length + 3, fill)
        const digest = createHash('md5')
          .update(bytes.subarray(2, 2 + length))
          .digest('hex')
        assert.equal(shortKeyHashTop(bytes, 2, length).toString(16).padStart(12, '0'), digest.slice(0, 12), `${length}`)
      }
  })
})

function bodyOf(input: object, format: Format, space: string): Buffer {
  if (format === 'cbor') return encode(input)
  const text = JSON.stringify(input, function (this: Record<string, unknown>, name, value) {
    const given = this[name]
    return Buffer.isBuffer(given) ? given.toString('base64') : value
  })
  return Buffer.from(space === '' ? text : spread(text, space))
}

/** Puts white space around every token. */
function spread(text: string, space: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^"{}[\]:,]+/g, (token) => space + token + space)
}
