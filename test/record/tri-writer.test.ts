import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { Decompressor } from 'snappy'
import { formatSequenceNumber } from '../../src/kinesis/sequence-number.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import type { RecordPlace } from '../../src/record/tri-positions.ts'
import { readRecords } from '../../src/record/tri-records.ts'
import { TriWriter } from '../../src/record/tri-writer.ts'
import { seed } from '../support/soak.ts'
import { piecesOf } from './golden-archives.ts'

interface Written {
  bytes: Buffer
  place: RecordPlace
}

function fileOf(records: readonly Written[]): Buffer {
  const writer = new TriWriter()
  const pieces: Uint8Array[] = []
  for (const { bytes, place } of records) {
    writer.add(bytes, place)
    pieces.push(...writer.take())
  }
  writer.end()
  pieces.push(...writer.take())
  return Buffer.concat(pieces)
}

async function readBack(file: Buffer): Promise<Written[]> {
  const found: Written[] = []
  for await (const part of readRecords(piecesOf(file))) {
    if (part.type !== 'records') continue
    assert.ok(part.positions)
    const places = part.positions.places(part.bytes, part.start)
    let begin = part.start
    for (const [index, end] of part.ends.entries()) {
      found.push({ bytes: Buffer.from(part.bytes.subarray(begin, end)), place: places[index] as RecordPlace })
      begin = end
    }
  }
  return found
}

const number = (shard: number, seqIx: bigint, seconds: number) =>
  formatSequenceNumber({ createTimeSeconds: 1_767_225_600, shardIndex: shard, seqIx, seqTimeSeconds: seconds })

describe('records come back from a file with their places', () => {
  test('of many shards in turn, with keys inside and outside of the records', async () => {
    const random = seededRandom(seed())
    const next = new Map<number, { seqIx: bigint; seconds: number }>()
    const records: Written[] = Array.from({ length: 5_000 }, (_, n) => {
      const shard = randomInteger(random, 5)
      const at = next.get(shard) ?? { seqIx: 1n, seconds: 1_767_225_700 }
      const leap = random.next()
      at.seqIx += leap < 0.5 ? 1n : BigInt(1 + randomInteger(random, leap < 0.9 ? 900 : 2_000_000_000))
      if (random.next() < 0.1) at.seconds += 1 + randomInteger(random, 100)
      next.set(shard, at)
      const partitionKey = ['plain', `key ${n % 50}`, 'schlüssel 東京', `only-here-${n}`][
        randomInteger(random, 4)
      ] as string
      const isInside = random.next() < 0.7
      return {
        bytes: encodeMsgpack({
          n,
          ...(isInside && { key: partitionKey }),
          pad: 'x'.repeat(randomInteger(random, 400)),
        }),
        place: {
          ...{ shardId: shardIdOf(shard), partitionKey, sequenceNumber: number(shard, at.seqIx, at.seconds) },
          arrivedAtMs: 1_767_225_700_000 + n * 3 - randomInteger(random, 1_000),
        },
      }
    })
    assert.deepEqual(await readBack(fileOf(records)), records)
  })

  test('also when a number goes back, or is none that Kinesis issues, or the shard has a name of its own', async () => {
    const places: RecordPlace[] = [
      ['shardId-000000000000', number(0, 500n, 1_767_225_700)],
      ['shardId-000000000000', number(0, 400n, 1_767_225_700)],
      ['shardId-000000000000', number(0, 401n, 1_767_225_600)],
      ['shardId-000000000000', '7'],
      ['shardId-000000000000', '8'],
      ['shardId-000000000000', `1${'0'.repeat(128)}`],
      ['a shard of somebody else', '12'],
      ['a shard of somebody else', '13'],
      ['shardId-000000000000', number(0, 500n, 1_767_225_700)],
    ].map(([shardId = '', sequenceNumber = '']) => ({ shardId, sequenceNumber, partitionKey: 'k', arrivedAtMs: 5 }))
    const records = places.map((place, n) => ({ bytes: encodeMsgpack({ n }), place }))
    assert.deepEqual(await readBack(fileOf(records)), records)
  })

  test('with a sub-sequence number where there is one', async () => {
    const records = [undefined, 0, 7, undefined].map((sub, n) => ({
      bytes: encodeMsgpack({ n }),
      place: {
        ...{ shardId: shardIdOf(0), sequenceNumber: number(0, BigInt(n), 1), partitionKey: `${n}`, arrivedAtMs: 1 },
        ...(sub !== undefined && { subSequenceNumber: sub }),
      },
    }))
    assert.deepEqual(await readBack(fileOf(records)), records)
  })

  test('of any size, from one byte to more than Kinesis takes', async () => {
    const sizes = [0, 65_535, 65_536, 65_537, 70_000, 1_048_576, 11_000_000, 10, 65_500, 65_500]
    const records = sizes.map((size, n) => ({
      bytes: encodeMsgpack({ n, pad: Buffer.alloc(size, n) }),
      place: { shardId: shardIdOf(0), sequenceNumber: number(0, BigInt(n), 1), partitionKey: 'k', arrivedAtMs: n },
    }))
    assert.deepEqual(await readBack(fileOf(records)), records)
  })

  test('so small that their positions, and not their bytes, fill a block', async () => {
    const random = seededRandom(seed())
    let seqIx = 0n
    const records = Array.from({ length: 20_000 }, (_, n) => {
      seqIx += BigInt(1 + randomInteger(random, 900))
      const place = { shardId: shardIdOf(0), sequenceNumber: number(0, seqIx, 1_767_225_700 + n), partitionKey: 'k' }
      return { bytes: encodeMsgpack({}), place: { ...place, arrivedAtMs: n } }
    })
    assert.deepEqual(await readBack(fileOf(records)), records)
  })

  test('with keys so long that positions take more room than records', async () => {
    const records = Array.from({ length: 500 }, (_, n) => ({
      bytes: encodeMsgpack({ n }),
      place: {
        ...{ shardId: shardIdOf(n), sequenceNumber: number(n, 1n, 1), arrivedAtMs: n },
        partitionKey: String.fromCodePoint(0x1f600 + (n % 60)).repeat(255) + String.fromCharCode(33 + (n % 90)),
      },
    }))
    assert.deepEqual(await readBack(fileOf(records)), records)
  })
})

test('what is written is read by another implementation of the framing format, the positions passed over', async () => {
  const records = Array.from({ length: 5_000 }, (_, n) => ({
    bytes: encodeMsgpack({ n, pad: n % 500 === 0 ? randomBytes(100_000) : 'x'.repeat(n % 300) }),
    place: { shardId: shardIdOf(0), sequenceNumber: number(0, BigInt(n), 1), partitionKey: `k${n}`, arrivedAtMs: n },
  }))
  const decompressor = new Decompressor()
  const plain: Buffer[] = []
  for await (const piece of piecesOf(fileOf(records))) plain.push(decompressor.update(piece))
  plain.push(await decompressor.finish())
  assert.ok(Buffer.concat(plain).equals(Buffer.concat(records.map(({ bytes }) => bytes))))
})

test('positions take less than 12 bytes a record', () => {
  const writer = new TriWriter()
  const records = 100_000
  for (let n = 0; n < records; n++)
    writer.add(encodeMsgpack({ id: `device-${n % 5_000}`, n, text: 'x'.repeat(150) }), {
      ...{
        shardId: shardIdOf(Math.floor(n / 1_000) % 4),
        sequenceNumber: number(0, BigInt(n), 1_767_225_700 + Math.floor(n / 9_000)),
      },
      ...{ partitionKey: `device-${n % 5_000}`, arrivedAtMs: 1_767_225_700_000 + n },
    })
  writer.end()
  let bytes = 0
  let isPositions = false
  for (const piece of writer.take()) {
    isPositions = Buffer.from(piece.slice(4, 7)).toString('latin1') === 'TRI'
    if (isPositions) bytes += piece.length
  }
  assert.ok(bytes / records < 12, `${bytes / records} bytes a record`)
})
