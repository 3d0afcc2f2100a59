import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  compareSequenceNumbers,
  endingSeqIx,
  formatSequenceNumber,
  parseSequenceNumber,
  seqIxStep,
  sequenceNumberValue,
} from '../../src/kinesis/sequence-number.ts'

const createTimeSeconds = 1_700_000_000

describe('a sequence number', () => {
  const vectors = [
    [0, 0n, 0, '49646437577108476416916876405825929425585429676275269634'],
    [1, 0n, 0, '49646437577130777162115407028967465143858078037781250066'],
    [0, 1n, 5, '49646437577108476416916876405827138351405044649047359490'],
    [17, 12345n, 86400, '49646437577130777162115407043891654387006612562318983442'],
    [0, endingSeqIx, 3600, '49646437577119626789516141717395488358902386617969803266'],
  ] as const
  for (const [shardIndex, seqIx, laterSeconds, text] of vectors) {
    test(`of shard ${shardIndex}, seqIx ${seqIx}, is ${text}, both ways`, () => {
      const parts = { createTimeSeconds, shardIndex, seqIx, seqTimeSeconds: createTimeSeconds + laterSeconds }
      assert.equal(formatSequenceNumber(parts), text)
      assert.deepEqual(parseSequenceNumber(text), { version: 2, ...parts })
    })
  }

  test('that Kinesis issued in 2019 tells its shard and times', () => {
    assert.deepEqual(parseSequenceNumber('49594189147623985939251953501666965394405037144469929986'), {
      version: 2,
      createTimeSeconds: 1_553_568_712,
      shardIndex: 0,
      seqIx: 195n,
      seqTimeSeconds: 1_553_568_735,
    })
  })

  test('grows by one step per record within a second', () => {
    const parts = { createTimeSeconds, shardIndex: 3, seqIx: 7n, seqTimeSeconds: createTimeSeconds }
    assert.equal(sequenceNumberValue(parts) + seqIxStep, sequenceNumberValue({ ...parts, seqIx: 8n }))
    assert.equal(seqIxStep, 1_208_925_819_614_629_174_706_176n)
  })

  test('of version 0 or 1, from before 2014, is recognised', () => {
    // Small numbers lack the leading digit: 0 is a number of shard 0, created at 0.
    assert.deepEqual(
      [
        parseSequenceNumber('0')?.version,
        parseSequenceNumber('0')?.shardIndex,
        parseSequenceNumber('0')?.createTimeSeconds,
      ],
      [0, 0, 0],
    )
    const version0 = BigInt(`0x1${(1_400_000_000).toString(16).padStart(9, '0')}00${'12345678abcdef00'}0003`)
    assert.deepEqual(parseSequenceNumber(version0.toString()), {
      version: 0,
      createTimeSeconds: 1_400_000_000,
      shardIndex: 3,
      seqIx: 0x12345678abcdef00n,
      seqTimeSeconds: 0,
    })
    assert.equal(parseSequenceNumber(((1n << 129n) - 1n).toString()), undefined, 'its create time is too late')
    const version1 = `0x2${(1_400_000_000).toString(16).padStart(9, '0')}300${(1_400_000_009).toString(16).padStart(9, '0')}00000000000000${'05'}000000031`
    assert.deepEqual(parseSequenceNumber(BigInt(version1).toString()), {
      version: 1,
      createTimeSeconds: 1_400_000_000,
      shardIndex: 3,
      seqIx: 5n,
      seqTimeSeconds: 1_400_000_009,
    })
  })

  test('with a shard index above 31 bits is read with a negative one', () => {
    const parts = { createTimeSeconds, shardIndex: -2_147_483_648, seqIx: 1n, seqTimeSeconds: createTimeSeconds }
    assert.equal(parseSequenceNumber(formatSequenceNumber(parts))?.shardIndex, -2_147_483_648)
  })

  test('that Kinesis could not have issued is no sequence number', () => {
    for (const text of ['', '-1', '01', 'abc', '1e5', `${1n << 185n}`, `${3n << 184n}`, '9'.repeat(129)])
      assert.equal(parseSequenceNumber(text), undefined, text)
    const tooLate = formatSequenceNumber({
      createTimeSeconds: 16_025_175_000,
      shardIndex: 0,
      seqIx: 1n,
      seqTimeSeconds: 0,
    })
    assert.equal(parseSequenceNumber(tooLate), undefined)
  })

  test('is compared as a number, not as text', () => {
    assert.equal(compareSequenceNumbers('9', '10'), -1)
    assert.equal(compareSequenceNumbers('10', '10'), 0)
    assert.equal(compareSequenceNumbers('11', '10'), 1)
  })
})
