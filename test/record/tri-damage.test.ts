import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FormatError } from '../../src/errors.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { losslessJsonOf } from '../../src/record/lossless-json.ts'
import { identifierChunk, triFile } from '../../src/record/tri-chunks.ts'
import type { RecordPlace } from '../../src/record/tri-positions.ts'
import { readRecords } from '../../src/record/tri-records.ts'
import { TriWriter } from '../../src/record/tri-writer.ts'
import { runs, seed } from '../support/soak.ts'
import { goldenArchives, piecesOf } from './golden-archives.ts'

const random = seededRandom(seed())

interface Found {
  records: Buffer[]
  /** Of each record; undefined where the archive does not say. */
  places: (RecordPlace | undefined)[]
  failure?: unknown
}

/** The records that came, and how it ended. */
async function read(bytes: Buffer, salvage = false): Promise<Found> {
  // Memory of a native library goes back in a turn of its own: as long as only promises resolve, none does.
  await new Promise(setImmediate)
  const records: Buffer[] = []
  const places: (RecordPlace | undefined)[] = []
  try {
    for await (const part of readRecords(piecesOf(bytes), { salvage })) {
      if (part.type !== 'records') continue
      const known = part.positions?.places(part.bytes, part.start)
      for (const [i, end] of part.ends.entries()) {
        records.push(part.bytes.subarray(part.ends[i - 1] ?? part.start, end))
        places.push(known?.[i])
      }
    }
    return { records, places }
  } catch (failure) {
    return { records, places, failure }
  }
}

/** Right records only, none with the place of another, and `count` of them unless an error says otherwise. */
function judge(found: Found, expected: Found, count: number, what: string): void {
  const { records, places, failure } = found
  if (failure === undefined) assert.equal(records.length, count, `${what}: records are missing without a word`)
  else assert.ok(failure instanceof FormatError, `${what}: ${failure}`)
  for (const [i, record] of records.entries()) {
    assert.ok(record.equals(expected.records[i] ?? Buffer.alloc(0)), `${what}: record ${i} is wrong`)
    if (places[i] !== undefined) assert.deepEqual(places[i], expected.places[i], `${what}: the place of record ${i}`)
  }
}

describe('an archive that was cut or damaged gives an error or the right records', () => {
  const archives = [
    ...goldenArchives().map(({ name, bytes }) => ({ name, bytes })),
    { name: 'ours', bytes: ourArchive() },
  ]
  for (const { name, bytes } of archives.filter(({ bytes }) => bytes.length > 0)) {
    test(name, async () => {
      const expected = await read(bytes)
      assert.equal(expected.failure, undefined)
      const count = expected.records.length
      for (let i = runs(200, 3); i > 0; i--) {
        const end = randomInteger(random, bytes.length)
        const cut = bytes.subarray(0, end)
        const found = await read(cut)
        // A file that ends between two chunks, and two records, is a shorter file.
        judge(found, expected, found.records.length, `${name} cut at ${end}`)
      }
      for (let i = runs(1_000, 10); i > 0; i--) {
        const at = randomInteger(random, bytes.length)
        const bit = randomInteger(random, 8)
        const flipped = Buffer.from(bytes)
        flipped[at] = (flipped[at] as number) ^ (1 << bit)
        judge(await read(flipped), expected, count, `${name}, bit ${bit} of byte ${at}`)
        const { failure: salvaged } = await read(flipped, true)
        assert.equal(salvaged, undefined, `${name} salvaged, bit ${bit} of byte ${at}`)
      }
    })
  }
})

test('random chunks never do more than fail', async () => {
  const types = [0x00, 0x01, 0x80, 0x81, 0xfe, 0xff, 0x02, 0x7f, 0xfd]
  const sample = ourArchive()
  for (let run = runs(1_000_000, 10_000); run > 0; run--) {
    const pieces: Buffer[] = run % 10 === 0 ? [] : [identifierChunk]
    for (let chunk = randomInteger(random, 4); chunk >= 0; chunk--) {
      const body = Buffer.from(Array.from({ length: randomInteger(random, 40) }, () => randomInteger(random, 256)))
      const kind = randomInteger(random, 4)
      if (kind === 0) pieces.push(triFile(body))
      else if (kind === 1) {
        const at = randomInteger(random, sample.length)
        pieces.push(sample.subarray(at, at + randomInteger(random, 200)))
      } else {
        const head = Buffer.of(types[randomInteger(random, types.length)] as number, 0, 0, 0)
        head.writeUIntLE(random.next() < 0.9 ? body.length : randomInteger(random, 0x100_0000), 1, 3)
        pieces.push(head, body)
      }
    }
    const bytes = Buffer.concat(pieces)
    const { failure, records } = await read(bytes)
    assert.ok(failure === undefined || failure instanceof FormatError, `${failure} for ${bytes.toString('hex')}`)
    for (const record of records.slice(0, 3)) {
      try {
        losslessJsonOf(record)
      } catch (error) {
        assert.ok(error instanceof FormatError)
      }
    }
    if (run % 4 === 0) assert.equal((await read(bytes, true)).failure, undefined, bytes.toString('hex'))
  }
})

function ourArchive(): Buffer {
  const writer = new TriWriter()
  for (let n = 0; n < 500; n++) {
    const text = `record ${n}`.repeat(1 + (n % 40))
    const head = Buffer.of(0x81, 0xa1, 0x74, 0xda, text.length >> 8, text.length & 0xff)
    writer.add(Buffer.concat([head, Buffer.from(text)]), {
      ...{ shardId: `shardId-00000000000${n % 3}`, sequenceNumber: String(1_000 + n), partitionKey: `key-${n % 7}` },
      arrivedAtMs: 1_767_225_600_000 + n,
    })
  }
  writer.end()
  return Buffer.concat(writer.take())
}
