import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openJournalStreamLog } from '../../src/local/journal-stream-log.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { readAll } from '../contracts/stream-log.contract.ts'
import { runs, seed } from '../support/soak.ts'

/** Starts a process that appends as fast as it can, kills it when it acknowledged so many, answers the last acknowledged. */
function killedAfter(dir: string, acknowledgedCount: number): Promise<Map<number, number>> {
  const acknowledged = new Map<number, number>()
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'endless-writer.ts'), dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let rest = ''
  let count = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const [shardIndex = Number.NaN, lastSeqIx = Number.NaN] = line.split(' ').map(Number)
      acknowledged.set(shardIndex, Math.max(lastSeqIx, acknowledged.get(shardIndex) ?? 0))
      count += 1
    }
    if (count >= acknowledgedCount) child.kill('SIGKILL')
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (_code, signal) => {
      if (signal === 'SIGKILL') resolve(acknowledged)
      else reject(new Error('the writer ended by itself'))
    })
  })
}

test('after kill -9 everything acknowledged is there, and the log goes on where it was', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'triton-kill-'))
  const random = seededRandom(seed())
  try {
    for (let run = 0; run < runs(100, 3); run++) {
      const acknowledged = await killedAfter(dir, 1 + randomInteger(random, 3_000))
      const log = await openJournalStreamLog({ dir })
      for (const [shardIndex, lastSeqIx] of acknowledged) {
        const found = await readAll(log, { shardIndex })
        assert.deepEqual(
          found.map((record) => record.seqIx),
          found.map((_, each) => each + 1),
          'no record is missing and none is there twice',
        )
        assert.ok(found.length >= lastSeqIx, `${lastSeqIx} were acknowledged, ${found.length} are there`)
        assert.equal(log.tails().get(shardIndex)?.lastSeqIx, found.length)
      }
      await log.close()
    }
    assert.ok(readdirSync(dir).length > 1, 'the kills met several segments')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
