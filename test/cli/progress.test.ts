import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Progress } from '../../src/cli/progress.ts'
import { ManualClock } from '../support/manual-clock.ts'

function fakeTerminal(isTTY: boolean) {
  const written: string[] = []
  return { written, terminal: { isTTY, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream }
}

describe('progress', () => {
  test('is shown on a terminal, with its rate, when the work takes longer than a second, and wiped at the end', async () => {
    const clock = new ManualClock()
    const { written, terminal } = fakeTerminal(true)
    const progress = new Progress('put', { clock, terminal })
    progress.add(20_000, 3_900_000)
    await clock.advance(900)
    assert.deepEqual(written, [])
    await clock.advance(100)
    assert.deepEqual(written, ['\r\x1b[2Kput 20,000 records, 3.9 MB, 20,000/s'])
    progress.add(1, 100)
    await clock.advance(1_000)
    assert.equal(written.at(-1), '\r\x1b[2Kput 20,001 records, 3.9 MB, 10,001/s')
    progress.stop()
    progress.stop()
    assert.equal(written.at(-1), '\r\x1b[2K')
    assert.equal(clock.waiting, 0)
  })

  test('is not shown where nobody looks', async () => {
    const clock = new ManualClock()
    const { written, terminal } = fakeTerminal(false)
    const progress = new Progress('put', { clock, terminal })
    await clock.advance(5_000)
    progress.stop()
    assert.deepEqual(written, [])
  })
})
