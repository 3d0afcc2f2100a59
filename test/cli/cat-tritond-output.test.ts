import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, test } from 'node:test'
import { readOutput } from '../../src/daemon/read-output.ts'
import { FormatError } from '../../src/errors.ts'
import { CliPlace } from '../support/cli.ts'

const golden = resolve(import.meta.dirname, '../golden/tritond')
const file = join(golden, 'py-tritond.output.bin')
const bytes = readFileSync(file)
const layout = readFileSync(join(golden, 'py-tritond.output.expected.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { offset: number; length: number; stream?: unknown; record?: unknown })

describe('what the old daemon wrote out', () => {
  /** The stream of each record, by its place. A name that a client cut inside a character is U+FFFD there. */
  const expected: [stream: string, offset: number, length: number][] = []
  let name = ''
  for (const { offset, length, stream } of layout) {
    if (stream === undefined) expected.push([name, offset, length])
    else name = typeof stream === 'string' ? stream : bytes.subarray(offset + 3, offset + length).toString()
  }

  for (const pieceBytes of [1, 7, 100_000]) {
    test(`is read record by record, in pieces of ${pieceBytes} bytes`, async () => {
      const found: typeof expected = []
      for await (const { stream, body, offset } of readOutput(pieces(bytes, pieceBytes))) {
        assert.deepEqual(body, bytes.subarray(offset, offset + body.length))
        found.push([stream, offset, body.length])
      }
      // The same names, whatever family of msgpack's their length is in.
      assert.deepEqual(
        found.map(([, ...place]) => place),
        expected.map(([, ...place]) => place),
      )
      assert.deepEqual(
        found.map(([stream]) => stream.replace(/\ufffd+/g, '')),
        expected.map(([stream]) => stream.replace(/\ufffd+/g, '')),
      )
    })
  }

  test('that is cut ends with the place, after what stands before', async () => {
    const [, offset, length] = expected.findLast(([, , byteCount]) => byteCount > 1) ?? ['', 0, 0]
    let count = 0
    await assert.rejects(
      async () => {
        for await (const _ of readOutput(pieces(bytes.subarray(0, offset + length - 1), 64))) count++
      },
      (error) => error instanceof FormatError && error.offset === offset,
    )
    assert.equal(count, expected.filter(([, begin]) => begin < offset).length)
  })

  test('is not taken for what it is not', async () => {
    const read = async (some: Buffer) => {
      for await (const _ of readOutput(pieces(some, 64)));
    }
    await assert.rejects(read(Buffer.from([0x81, 0xa1, 0x61, 0x01])), /does not begin with the name of a stream/)
    await assert.rejects(read(Buffer.from([0xa1, 0x61, 0xc1])), /0xc1 .* at byte 2/)
    await read(Buffer.alloc(0))
  })

  test('is printed by triton cat, one JSON object a line', async () => {
    using place = new CliPlace()
    const cut = join(place.directory, 'cut.bin')
    writeFileSync(cut, bytes.subarray(0, 40))
    const [all, one, lossless, short, absent, both] = await place.runMany([
      ['cat', '--tritond-output', file],
      ['cat', '--tritond-output', file, '-s', 'user_activity'],
      ['cat', '--tritond-output', file, '--format', 'lossless'],
      ['cat', '--tritond-output', cut],
      ['cat', '--tritond-output', join(place.directory, 'absent')],
      ['cat', '--tritond-output', file, cut],
    ])
    const lines = (all?.stdout ?? '').trim().split('\n')
    assert.equal(all?.exitCode, 0, all?.stderr)
    assert.equal(lines.length, expected.length)
    assert.equal(lines[0], '{"stream":"flüsse","data":{"id":"k","n":3}}')
    assert.equal(lines[1], '{"stream":"user_activity","data":{"id":"u-1","n":0}}')
    const ofOne = expected.filter(([stream]) => stream === 'user_activity')
    const printed = (one?.stdout ?? '').trim().split('\n')
    assert.equal(printed.length, ofOne.length)
    assert.equal(printed[0], '{"id":"u-1","n":0}')
    assert.equal(lossless?.exitCode, 0)
    assert.deepEqual([short?.exitCode, short?.stdout], [1, '{"stream":"flüsse","data":{"id":"k","n":3}}\n'])
    assert.match(short?.stderr ?? '', /^triton: .*cut\.bin: the file ends inside the value at byte 31\n$/)
    assert.equal(absent?.exitCode, 1)
    assert.match(absent?.stderr ?? '', /^triton: can't read .*absent: ENOENT/)
    assert.equal(both?.exitCode, 2)
  })
})

async function* pieces(whole: Buffer, pieceBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < whole.length; at += pieceBytes) yield whole.subarray(at, at + pieceBytes)
}
