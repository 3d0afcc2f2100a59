import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { StorageError } from '../../src/errors.ts'
import { Journal, type JournalOptions } from '../../src/journal/journal.ts'
import { seededRandom } from '../../src/random.ts'
import { ManualClock, settle } from '../support/manual-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'

const none = Buffer.alloc(0)

function openOn(disk: SimulatedDisk, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return Journal.open({ dir: '/journal', disk, clock: new ManualClock(), ...options })
}

async function textsOf(journal: Journal): Promise<string[]> {
  const found: string[] = []
  for await (const frame of journal.read()) found.push(String(frame.parts[0]))
  return found
}

/** Appends until `count` were tried; answers what was acknowledged. */
async function appendSome(journal: Journal, prefix: string, count: number): Promise<string[]> {
  const kept: string[] = []
  for (let each = 0; each < count; each++) {
    const text = `${prefix} ${each}`
    await journal.append(none, [Buffer.from(text)]).then(
      () => kept.push(text),
      (error) => assert.ok(error instanceof StorageError, String(error)),
    )
  }
  return kept
}

for (const sync of ['interval', 'always'] as const) {
  test(`${sync}: a full disk refuses appends, reads go on, and appends work again once there is room`, async () => {
    const disk = new SimulatedDisk()
    const journal = await openOn(disk, { sync, segmentBytes: 700 })
    const kept: string[] = []
    for (let round = 0; round < 40; round++) {
      disk.capacityBytes = 200 + round * 97
      kept.push(...(await appendSome(journal, `round ${round}`, 5)))
      assert.deepEqual(await textsOf(journal), kept)
    }
    assert.ok(kept.length > 20 && kept.length < 200, `${kept.length} of 200 were kept`)
    await journal.close()
    disk.capacityBytes = Number.POSITIVE_INFINITY
    await using again = await openOn(disk)
    assert.deepEqual(await textsOf(again), kept)
  })
}

test('the refusal says what was tried, on which file, what is wrong and what to do', async () => {
  const disk = new SimulatedDisk()
  await using journal = await openOn(disk)
  await appendSome(journal, 'fine', 1)
  disk.capacityBytes = 0
  const told: Diagnostic[] = []
  const stop = observe((diagnostic) => told.push(diagnostic))
  await assert.rejects(journal.append(none, [Buffer.from('too much')]), (error) => {
    assert.ok(error instanceof StorageError)
    assert.match(error.message, /append 48 bytes to .*0000000001\.segment.*ENOSPC.*free some space/s)
    assert.ok(error.cause instanceof Error)
    return true
  })
  stop()
  assert.deepEqual(
    told.map((news) => news.type),
    ['journal-write-failed'],
  )
})

test('when one write of many appends fails, all of them are refused and none is found later', async () => {
  const disk = new SimulatedDisk()
  const journal = await openOn(disk)
  await appendSome(journal, 'fine', 1)
  disk.capacityBytes = disk.bytesOf('/journal/0000000001.segment').length + 100
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, (_, each) => journal.append(none, [Buffer.from(`text ${each}`)])),
  )
  assert.ok(outcomes.every((outcome) => outcome.status === 'rejected'))
  assert.deepEqual(await textsOf(journal), ['fine 0'])
  await journal.close()
  await using again = await openOn(disk)
  assert.deepEqual(await textsOf(again), ['fine 0'])
})

test('a disk that takes a few bytes at a time gets them all in the end', async () => {
  const disk = new SimulatedDisk()
  disk.writeBytes = 7
  const journal = await openOn(disk, { segmentBytes: 500 })
  const kept = await appendSome(journal, 'text', 30)
  assert.equal(kept.length, 30)
  await journal.close()
  await using again = await openOn(disk)
  assert.deepEqual(await textsOf(again), kept)
})

test('a failed write that cannot be undone stops the journal until it is opened again', async () => {
  const disk = new SimulatedDisk()
  const journal = await openOn(disk)
  const kept = await appendSome(journal, 'fine', 3)
  disk.failWrite = 'EIO'
  disk.failTruncate = 'EIO'
  await appendSome(journal, 'refused', 2)
  disk.failWrite = undefined
  disk.failTruncate = undefined
  await assert.rejects(journal.append(none, [none]), /takes no more appends until it is opened again.*EIO/s)
  assert.deepEqual(await textsOf(journal), kept)
  await journal.close()
  const again = await openOn(disk)
  kept.push(...(await appendSome(again, 'afterwards', 1)))
  assert.deepEqual(await textsOf(again), kept)
  await again.close()
})

test('always: after a failed sync nothing is acknowledged, and what was refused is not found later', async () => {
  const disk = new SimulatedDisk()
  const journal = await openOn(disk, { sync: 'always' })
  const kept = await appendSome(journal, 'fine', 3)
  disk.failSync = 'EIO'
  assert.deepEqual(await appendSome(journal, 'refused', 3), [])
  disk.failSync = undefined
  assert.deepEqual(await appendSome(journal, 'refused still', 3), [], 'a later sync that succeeds proves nothing')
  assert.deepEqual(await textsOf(journal), kept)
  await journal.close()
  assert.equal(disk.openCount, 0)
  await using again = await openOn(disk)
  assert.deepEqual(await textsOf(again), kept)
})

test('interval: a failed sync in the background refuses later appends and is told of once', async () => {
  const disk = new SimulatedDisk()
  const clock = new ManualClock()
  const journal = await openOn(disk, { clock })
  const kept = await appendSome(journal, 'fine', 3)
  const told: Diagnostic[] = []
  const stop = observe((diagnostic) => told.push(diagnostic))
  disk.failSync = 'EIO'
  await clock.advance(1000)
  assert.deepEqual(await appendSome(journal, 'refused', 3), [])
  await assert.rejects(journal.sync(), StorageError)
  stop()
  assert.equal(told.filter((news) => news.type === 'journal-write-failed').length, 1)
  assert.deepEqual(await textsOf(journal), kept, 'the kernel still has what was acknowledged')
  await journal.close()
  assert.equal(clock.waiting, 0)
})

test('always: what was acknowledged survives a power loss at any moment', async () => {
  for (let moment = 0; moment < 40; moment++) {
    const disk = new SimulatedDisk(seededRandom(moment))
    const journal = await openOn(disk, { sync: 'always', segmentBytes: 500 })
    const kept: string[] = []
    const clients = Array.from({ length: 4 }, async (_, client) => {
      for (let each = 0; each < 10; each++) {
        await journal.append(none, [Buffer.from(`${client} ${each}`)])
        kept.push(`${client} ${each}`)
      }
    })
    for (let turn = 0; turn < moment; turn++) await new Promise((resolve) => setImmediate(resolve))
    const acknowledged = [...kept]
    const survivor = disk.afterPowerLoss()
    await Promise.all(clients)
    await journal.close()
    await using again = await openOn(survivor)
    const found = await textsOf(again)
    assert.deepEqual(
      acknowledged.filter((text) => !found.includes(text)),
      [],
      `power lost at moment ${moment}`,
    )
  }
})

test('a real limit on file sizes: refused with advice, and nothing acknowledged is lost', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'triton-limit-'))
  try {
    const child = spawn(
      'sh',
      ['-c', `ulimit -f 64 && exec "${process.execPath}" --import tsx "${limitedProgram}" "${dir}"`],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    assert.equal(code, 0, output)
    const [keptCount, message = ''] = output.split('\n')
    assert.match(message, /EFBIG.*ulimit -f/)
    await using journal = await Journal.open({ dir })
    const found = await textsOf(journal)
    assert.ok(found.length > 10)
    assert.equal(found.length, Number(keptCount))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  await settle()
})

const limitedProgram = join(import.meta.dirname, 'limited-writer.ts')
