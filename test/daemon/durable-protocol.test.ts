import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type DurableAnswer,
  decodeDurableAnswers,
  decodeDurablePut,
  durableRefusalReasons,
  encodeDurableAnswers,
  encodeDurablePut,
  mostDurableBatchRecords,
} from '../../src/daemon/durable-protocol.ts'
import { FormatError } from '../../src/errors.ts'
import { runs, seed } from '../support/soak.ts'

const text = fc.string({ unit: 'binary', maxLength: 300 })
const body = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
const records = fc.array(fc.record({ streamName: text, partitionKey: text, body }, { noNullPrototype: true }), {
  maxLength: 20,
})
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const refusal = fc.record(
  {
    index: fc.oneof(fc.integer({ min: 0, max: 0xffff_fffe }), fc.constant('all' as const)),
    reason: fc.constantFrom(...durableRefusalReasons),
    text: fc.string({ unit: 'binary', maxLength: 200 }),
  },
  { noNullPrototype: true },
)
const answers: fc.Arbitrary<DurableAnswer[]> = fc.array(
  fc.record({ batchNumber: u32, refusals: fc.array(refusal, { maxLength: 5 }) }, { noNullPrototype: true }),
  { maxLength: 10 },
)

const onePut = encodeDurablePut(7, [
  { streamName: 'orders', partitionKey: 'clé', body: Buffer.from([1, 2]) },
  { streamName: 'orders', partitionKey: '', body: Buffer.alloc(0) },
])

describe('a batch of the durable port', () => {
  test('holds so many records and no more, however small they are', () => {
    const empty = { streamName: '', partitionKey: '', body: Buffer.alloc(0) }
    const most = encodeDurablePut(7, Array(mostDurableBatchRecords).fill(empty))
    assert.equal(decodeDurablePut(most).problem, undefined)
    const tooMany = encodeDurablePut(7, Array(mostDurableBatchRecords + 1).fill(empty))
    const { problem, ...rest } = decodeDurablePut(tooMany)
    assert.deepEqual(rest, { reason: 'malformed', batchNumber: 7 })
    assert.match(problem ?? '', /65537 records, where 65536 are the most/)
  })

  test('has the bytes that the page states', () => {
    assert.equal(
      onePut.toString('latin1'),
      'TD\x01\x01\0\0\0\x07\0\0\0\x02' + '\0\x06\0\x04\0\0\0\x02orderscl\xc3\xa9\x01\x02' + '\0\x06\0\0\0\0\0\0orders',
    )
    assert.equal(
      encodeDurableAnswers([
        { batchNumber: 7, refusals: [] },
        { batchNumber: 8, refusals: [{ index: 'all', reason: 'no-spool', text: 'é' }] },
      ]).toString('latin1'),
      'TD\x01\x02\0\0\0\x02' + '\0\0\0\x07\0\0\0\0' + '\0\0\0\x08\0\0\0\x01\xff\xff\xff\xff\x01\0\x02\xc3\xa9',
    )
  })

  test('is read as it was written', () => {
    fc.assert(
      fc.property(u32, records, (batchNumber, records) => {
        assert.deepEqual(decodeDurablePut(encodeDurablePut(batchNumber, records)), { batchNumber, records })
      }),
      { numRuns: runs(20_000), seed: seed() },
    )
  })

  test('is refused by its number wherever it is cut, and when bytes follow it', () => {
    for (let length = 0; length < onePut.length; length++) {
      const cut = decodeDurablePut(onePut.subarray(0, length))
      assert.ok(cut.problem !== undefined, `${length} bytes`)
      assert.deepEqual([cut.reason, cut.batchNumber], ['malformed', length < 8 ? undefined : 7])
    }
    const longer = decodeDurablePut(Buffer.concat([onePut, Buffer.of(0)]))
    assert.match(longer.problem ?? '', /1 bytes follow/)
  })

  test('of another version is refused by its number', () => {
    const next = Buffer.from(onePut)
    next[2] = 2
    const put = decodeDurablePut(next)
    assert.ok(put.problem !== undefined)
    assert.deepEqual([put.reason, put.batchNumber], ['unknown-version', 7])
    assert.match(put.problem, /version 2 .* version 1/)
  })

  test('of random and mutated bytes is read or refused, and nothing throws', () => {
    const changes = fc.array(fc.tuple(fc.nat(onePut.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 3 })
    fc.assert(
      fc.property(changes, fc.uint8Array({ maxLength: 60 }), (changes, random) => {
        const mutated = Buffer.from(onePut)
        for (const [at, byte] of changes) mutated[at] = byte
        for (const frame of [mutated, Buffer.from(random), Buffer.concat([onePut.subarray(0, 8), random])]) {
          const put = decodeDurablePut(frame)
          if (put.problem === undefined)
            assert.equal(encodeDurablePut(put.batchNumber, put.records).length >= frame.length, true)
        }
      }),
      { numRuns: runs(300_000), seed: seed() },
    )
  })
})

describe('answers of the durable port', () => {
  test('are read as they were written', () => {
    fc.assert(
      fc.property(answers, (answers) => {
        assert.deepEqual(decodeDurableAnswers(encodeDurableAnswers(answers)), answers)
      }),
      { numRuns: runs(20_000), seed: seed() },
    )
  })

  test('hold no more than 1,000 bytes of a text', () => {
    const long = encodeDurableAnswers([
      { batchNumber: 1, refusals: [{ index: 0, reason: 'other', text: 'é'.repeat(999) }] },
    ])
    assert.equal(decodeDurableAnswers(long)[0]?.refusals[0]?.text, 'é'.repeat(500))
  })

  test('with a reason of the future are read as another reason', () => {
    const frame = encodeDurableAnswers([{ batchNumber: 1, refusals: [{ index: 0, reason: 'no-spool', text: '' }] }])
    frame[frame.length - 3] = 200
    assert.equal(decodeDurableAnswers(frame)[0]?.refusals[0]?.reason, 'other')
  })

  test('that are cut, of another version, or none at all are a FormatError', () => {
    const frame = encodeDurableAnswers([{ batchNumber: 1, refusals: [{ index: 0, reason: 'other', text: 'why' }] }])
    for (let length = 0; length < frame.length; length++)
      assert.throws(() => decodeDurableAnswers(frame.subarray(0, length)), FormatError)
    assert.throws(() => decodeDurableAnswers(Buffer.concat([frame, Buffer.of(1)])), /bytes follow/)
    const next = Buffer.from(frame)
    next[2] = 9
    assert.throws(() => decodeDurableAnswers(next), /version 9/)
    assert.throws(() => decodeDurableAnswers(Buffer.from('HTTP/1.1 400 Bad Request')), /is it tritond/)
  })
})
