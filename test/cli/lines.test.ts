import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readLines } from '../../src/cli/lines.ts'

async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text)
}

async function linesOf(input: AsyncIterable<Buffer>, maxLineBytes?: number) {
  const groups: [number, string | undefined][][] = []
  for await (const group of readLines(input, maxLineBytes))
    groups.push(group.map(({ number, bytes }) => [number, bytes?.toString()]))
  return groups
}

describe('lines of an input', () => {
  test('come in the groups that arrive together, numbered, each with its newline', async () => {
    assert.deepEqual(await linesOf(pieces('a\nb\nc', 'd\n', '', 'e\n')), [
      [
        [1, 'a\n'],
        [2, 'b\n'],
      ],
      [[3, 'cd\n']],
      [[4, 'e\n']],
    ])
  })

  test('end only at a newline, or with the input', async () => {
    assert.deepEqual(await linesOf(pieces('a\r\u2028b', '\n\nlast')), [
      [
        [1, 'a\r\u2028b\n'],
        [2, '\n'],
      ],
      [[3, 'last']],
    ])
    assert.deepEqual(await linesOf(pieces()), [])
    assert.deepEqual(await linesOf(pieces('\n')), [[[1, '\n']]])
  })

  test('that are cut anywhere are the same lines', async () => {
    const text = 'one\n\nthree \u00fc\nfour'
    const whole = (await linesOf(pieces(text))).flat()
    for (let cut = 1; cut < Buffer.byteLength(text); cut++) {
      const bytes = Buffer.from(text)
      const cutInTwo = async function* () {
        yield bytes.subarray(0, cut)
        yield bytes.subarray(cut)
      }
      assert.deepEqual((await linesOf(cutInTwo())).flat(), whole, `cut at ${cut}`)
    }
  })

  test('that are longer than the limit are passed over without being kept, and counted', async () => {
    const input = pieces('ok\n', 'x'.repeat(50), 'x'.repeat(60), 'x\nnext\n', 'y'.repeat(101))
    assert.deepEqual((await linesOf(input, 100)).flat(), [
      [1, 'ok\n'],
      [2, undefined],
      [3, 'next\n'],
      [4, undefined],
    ])
  })
})
