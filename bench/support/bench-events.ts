import { formatSequenceNumber } from '../../src/kinesis/sequence-number.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import type { RecordPlace } from '../../src/record/tri-positions.ts'
import { TriWriter } from '../../src/record/tri-writer.ts'

const random = seededRandom(1)
const pick = <T>(from: readonly T[]): T => from[randomInteger(random, from.length)] as T
const words = ['lorem', 'ipsum', 'dolor', 'sit', 'amet', 'consectetur', 'adipiscing', 'elit', 'sed', 'eiusmod']

/** Eight fields, about 190 bytes of msgpack. */
export function eventOf(n: number): object {
  return {
    id: `user-${n % 5_000}`,
    origin: pick(['SFO', 'JFK', 'LAX', 'ORD']),
    destination: pick(['SEA', 'BOS', 'ATL', 'DEN']),
    delay: randomInteger(random, 300) - 20,
    distance: randomInteger(random, 4_000),
    ts: 1.7e9 + random.next() * 1e6,
    ok: random.next() < 0.5,
    note: Array.from({ length: 16 }, () => pick(words)).join(' '),
  }
}

/** Four shards in turn, some records of each, as pages come. */
export function placeOf(n: number): RecordPlace {
  const shardIndex = Math.floor(n / 5_000) % 4
  return {
    shardId: `shardId-00000000000${shardIndex}`,
    sequenceNumber: formatSequenceNumber({
      ...{ createTimeSeconds: 1_767_225_600, shardIndex },
      ...{ seqIx: BigInt(n), seqTimeSeconds: 1_767_225_700 + Math.floor(n / 10_000) },
    }),
    partitionKey: `user-${n % 5_000}`,
    arrivedAtMs: 1_767_225_700_000 + Math.floor(n / 10),
  }
}

/** An archive of so many events. */
export function archiveOf(count: number): Buffer {
  const writer = new TriWriter()
  const pieces: Uint8Array[] = []
  for (let n = 0; n < count; n++) {
    writer.add(encodeMsgpack(eventOf(n)), placeOf(n))
    pieces.push(...writer.take())
  }
  writer.end()
  return Buffer.concat([...pieces, ...writer.take()])
}
