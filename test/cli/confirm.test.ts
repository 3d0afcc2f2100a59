import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { describe, test } from 'node:test'
import { confirm } from '../../src/cli/confirm.ts'
import { FailedError, UsageError } from '../../src/cli/exit-code.ts'

/** Asks, answers when the question is there, and tells what came of it and what stood on the terminal. */
async function ask(answer: (input: PassThrough) => void): Promise<{ isConfirmed: boolean; shown: string }> {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined })
  const output = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
  const asked = once(output, 'data')
  const pieces: string[] = []
  output.on('data', (piece: Buffer) => pieces.push(piece.toString()))
  const confirmed = confirm('Delete it all?', {}, { input, output }).then(
    () => true,
    (error) => {
      assert.ok(error instanceof FailedError, String(error))
      return false
    },
  )
  await asked
  answer(input)
  const isConfirmed = await confirmed
  return { isConfirmed, shown: pieces.join('') }
}

describe('a question', () => {
  test('is answered by yes or y', async () => {
    for (const yes of ['y\r', 'yes\r', 'Y\r']) {
      const { isConfirmed, shown } = await ask((input) => input.write(yes))
      assert.ok(isConfirmed, yes)
      assert.match(shown, /Delete it all\? \[y\/N\] /)
    }
  })

  test('is answered by no, by anything else, by Ctrl-C and Ctrl-D, and by a terminal that goes away', async () => {
    const answers: ((input: PassThrough) => void)[] = ['n\r', '\r', 'yess\r', '\x03', '\x04'].map(
      (text) => (input) => input.write(text),
    )
    for (const answer of [...answers, (input: PassThrough) => input.end()]) {
      const { isConfirmed, shown } = await ask(answer)
      assert.ok(!isConfirmed)
      assert.match(shown, /nothing was changed\n$/)
    }
  })

  test('is not asked where --yes was given, nor where nobody could answer', async () => {
    const input = new PassThrough()
    const output = new PassThrough()
    await confirm('Delete it all?', { yes: true }, { input, output })
    await assert.rejects(confirm('Delete it all?', {}, { input, output }), UsageError)
    assert.equal(output.read(), null)
  })
})
