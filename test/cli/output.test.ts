import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { describe, test } from 'node:test'
import { OutputClosedError } from '../../src/cli/exit-code.ts'
import { Output } from '../../src/cli/output.ts'

/** A reader that takes a piece when it is told to. */
function slowReader() {
  const taken: string[] = []
  const take: (() => void)[] = []
  const stream = new Writable({
    decodeStrings: false,
    write(piece: string, _encoding, done) {
      take.push(() => {
        taken.push(piece)
        done()
      })
    },
  })
  return { stream, taken, take }
}

describe('the output', () => {
  test('leaves in one piece what was written in one turn', async () => {
    const { stream, taken, take } = slowReader()
    const output = new Output(stream)
    assert.equal(output.write('a\n'), undefined)
    assert.equal(output.write('b\n'), undefined)
    assert.equal(output.isSettled, false)
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    assert.equal(take.length, 1)
    assert.equal(output.isSettled, false)
    take[0]?.()
    await output.settle()
    assert.equal(output.isSettled, true)
    assert.deepEqual(taken, ['a\nb\n'])
  })

  test('makes who writes wait when a whole piece is there, until it was taken', async () => {
    const { stream, take } = slowReader()
    const output = new Output(stream, 4)
    let hasSettled = false
    const settling = output.write('12345')?.then(() => {
      hasSettled = true
    })
    assert.ok(settling)
    await new Promise(setImmediate)
    assert.equal(hasSettled, false)
    take[0]?.()
    await settling
    assert.equal(output.isSettled, true)
  })

  test('says that there is no room for more', async () => {
    const full = new Writable({
      write: (_piece, _encoding, done) => done(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })),
    })
    const output = new Output(full)
    output.write('a')
    await assert.rejects(output.settle(), {
      code: 'TRITON_STORAGE',
      message: "can't write to stdout: ENOSPC: no space left",
    })
  })

  test('says that its reader has gone', async () => {
    const gone = new Writable({
      write: (_piece, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    })
    const output = new Output(gone)
    output.write('a')
    await assert.rejects(output.settle(), OutputClosedError)
    assert.throws(() => output.write('b'), OutputClosedError)
    assert.equal(output.isSettled, false)
  })

  test('tells any other failure as it is', async () => {
    const full = new Writable({ write: (_piece, _encoding, done) => done(new Error('ENOSPC')) })
    const output = new Output(full)
    output.write('a')
    await assert.rejects(output.settle(), /ENOSPC/)
  })
})
