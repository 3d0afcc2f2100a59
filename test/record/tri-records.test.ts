import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FormatError } from '../../src/errors.ts'
import { losslessJsonOf } from '../../src/record/lossless-json.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { identifierChunk, maskedChecksum, triFile } from '../../src/record/tri-chunks.ts'
import { readRecords, type TriPart } from '../../src/record/tri-records.ts'
import { goldenArchives, piecesOf } from './golden-archives.ts'

/** The records as lines, and the failure that ended it, if one did. */
async function read(
  bytes: Uint8Array,
  { pieceBytes, salvage = false }: { pieceBytes?: number; salvage?: boolean } = {},
): Promise<{ lines: string[]; parts: TriPart[]; failure?: unknown }> {
  const lines: string[] = []
  const parts: TriPart[] = []
  try {
    for await (const part of readRecords(piecesOf(bytes, pieceBytes), { file: 'test.tri', salvage })) {
      parts.push(part)
      if (part.type !== 'records') continue
      let begin = part.start
      for (const end of part.ends) {
        lines.push(losslessJsonOf(part.bytes.subarray(begin, end)))
        begin = end
      }
    }
  } catch (failure) {
    return { lines, parts, failure }
  }
  return { lines, parts }
}

function records(count: number): Buffer[] {
  return Array.from({ length: count }, (_, n) => encodeMsgpack({ n, text: `record ${n} `.repeat(20 + (n % 30)) }))
}

describe('archives of the older programs', () => {
  for (const { name, bytes, expected } of goldenArchives()) {
    test(`${name} reads as it was written, in pieces of any size`, async () => {
      for (const pieceBytes of [1 << 20, 4_099, ...(bytes.length < 10_000 ? [1, 7] : [])]) {
        const { lines, failure } = await read(bytes, { pieceBytes })
        assert.equal(failure, undefined)
        assert.deepEqual(lines, expected)
      }
    })
  }
})

test('padding, skippable chunks and further identifiers are passed over', async () => {
  const chunk = (type: number, length: number) => {
    const bytes = Buffer.alloc(4 + length, 0x5a)
    bytes[0] = type
    bytes.writeUIntLE(length, 1, 3)
    return bytes
  }
  const file = triFile(encodeMsgpack({ n: 1 }))
  const data = file.subarray(identifierChunk.length)
  const odd = [chunk(0xfe, 0), chunk(0xfe, 70_000), chunk(0x80, 3), chunk(0xa0, 200_000), chunk(0xfd, 1)]
  const bytes = Buffer.concat([identifierChunk, ...odd, data, identifierChunk, ...odd, data])
  for (const pieceBytes of [1_000, 1 << 20]) {
    assert.deepEqual(await read(bytes, { pieceBytes }), {
      lines: ['{"n":1}', '{"n":1}'],
      parts: (await read(bytes)).parts,
    })
  }
})

test('each kind of damage is an error with file, offset and record number, behind what came before', async () => {
  const good = Buffer.concat([triFile(encodeMsgpack({ n: 1 })), triFile(encodeMsgpack({ n: 2 }))])
  const second = good.length / 2 + identifierChunk.length
  const flipped = Buffer.from(good)
  flipped[good.length - 1] = (flipped[good.length - 1] as number) ^ 1
  const unknown = Buffer.from(good)
  unknown[second] = 0x02
  const cases: [what: string, bytes: Buffer, pattern: RegExp, lines: number][] = [
    ['a checksum', flipped, /^test\.tri: the checksum .* at byte 32, behind 1 whole records$/, 1],
    ['a type', unknown, /chunk type 0x02 is unknown; at byte 32, behind 1/, 1],
    ['a cut chunk', good.subarray(0, -1), /ends inside a chunk; at byte 32, behind 1/, 1],
    ['a cut head', good.subarray(0, second + 2), /ends inside a chunk; at byte 32, behind 1/, 1],
    ['another file', Buffer.from('{"n":1}'), /does not begin with the stream identifier.* at byte 0, behind 0/, 0],
    ['text of two letters', Buffer.from('hi'), /does not begin with the stream identifier/, 0],
    ['a cut identifier', good.subarray(0, 5), /ends inside a chunk; at byte 0/, 0],
    ['a cut record', triFile(encodeMsgpack({ n: 300 }).subarray(0, -1)), /ends inside a record; at byte 10/, 0],
    ['0xc1', triFile(Buffer.from([0x81, 0xa1, 0x6e, 1, 0xc1])), /0xc1 begins no msgpack value/, 1],
  ]
  for (const [what, bytes, pattern, lineCount] of cases) {
    const { lines, failure } = await read(bytes)
    assert.ok(failure instanceof FormatError, what)
    assert.match(failure.message, pattern, what)
    assert.equal(lines.length, lineCount, what)
  }
})

test('what only claims to be large costs nothing', async () => {
  const chunkOf = (type: number, body: Buffer, plain: Buffer) => {
    const head = Buffer.alloc(8)
    head[0] = type
    head.writeUIntLE(body.length + 4, 1, 3)
    head.writeUInt32LE(maskedChecksum(plain), 4)
    return Buffer.concat([identifierChunk, head, body])
  }
  const claimed = Buffer.alloc(8)
  claimed[0] = 1
  claimed.writeUIntLE(0xff_ffff, 1, 3)
  const cases: [what: string, bytes: Buffer, pattern: RegExp][] = [
    ['a chunk of 16 MiB', Buffer.concat([identifierChunk, claimed]), /ends inside a chunk/],
    ['4 GiB compressed', chunkOf(0, Buffer.from('ffffffff0f00', 'hex'), Buffer.alloc(0)), /claims to hold 4294967295/],
    ['a map of 2^32 entries', triFile(Buffer.from('dfffffffff', 'hex')), /ends inside a record/],
    ['text of 4 GiB', triFile(Buffer.from('dbffffffff00', 'hex')), /ends inside a record/],
  ]
  const before = process.memoryUsage.rss()
  for (const [what, bytes, pattern] of cases) {
    const { failure } = await read(bytes)
    assert.ok(failure instanceof FormatError, what)
    assert.match(failure.message, pattern, what)
  }
  assert.ok(process.memoryUsage.rss() - before < 100 * 1024 * 1024)
})

test('a record nested 100,000 deep is one record, which does not decode', async () => {
  const deep = Buffer.concat([Buffer.alloc(100_000, 0x91), Buffer.of(0xc0)])
  const { failure, parts } = await read(triFile(Buffer.concat([encodeMsgpack({ n: 1 }), deep])))
  assert.match((failure as Error).message, /nested deeper than 1024 levels/)
  assert.equal(parts[0]?.type === 'records' && parts[0].ends.length, 1)
})

test('salvaging, what stands behind damage is read, and what was lost is told', async () => {
  const all = records(2_000)
  const bytes = triFile(Buffer.concat(all))
  const damaged = Buffer.from(bytes)
  damaged.fill(0xee, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 10)
  const { lines, parts, failure } = await read(damaged, { salvage: true })
  assert.equal(failure, undefined)
  const expected = new Set(all.map((record) => losslessJsonOf(record)))
  assert.ok(
    lines.every((line) => expected.has(line)),
    'every line is a record that was written',
  )
  assert.equal(new Set(lines).size, lines.length)
  assert.ok(lines.length > 1_500, `${lines.length} of 2000`)
  assert.equal(lines.at(-1), losslessJsonOf(all.at(-1) as Buffer))
  assert.ok(parts.some((part) => part.type === 'damage'))
})

test('salvaging, a file without anything good ends with what was lost', async () => {
  const { lines, parts, failure } = await read(Buffer.from('no archive at all, but some text'), { salvage: true })
  assert.deepEqual([lines, failure], [[], undefined])
  assert.deepEqual(
    parts.map((part) => part.type === 'damage' && [part.offset, part.until]),
    [[0, 32]],
  )
})
