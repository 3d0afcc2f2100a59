import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import Database from 'libsql'
import { openCheckpointStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { observe } from '../../src/diagnostics.ts'
import { TritonCheckpointError } from '../../src/errors.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { at, listen, refuses } from '../contracts/checkpoint-store.contract.ts'
import { freshSqliteFile } from './sqlite-file.ts'

test('a save waits for another process that holds the file, and the event loop goes on meanwhile', async () => {
  const file = freshSqliteFile()
  await using store = openCheckpointStore(`sqlite://${file}`)
  await store.init()
  const other = new Database(file)
  other.exec('BEGIN IMMEDIATE')
  let turnCount = 0
  let retryCount = 0
  const stop = observe(() => retryCount++)
  const heard = await listen(async () => {
    const saving = store.save('c', 's', new Map([at(0, 1)]))
    while (retryCount < 6) {
      await new Promise((resolve) => setImmediate(resolve))
      turnCount++
    }
    other.exec('ROLLBACK')
    await saving
  })
  stop()
  other.close()
  // Waiting in place would give the loop a turn or two for each attempt.
  assert.ok(turnCount > 10 * retryCount, `the event loop had ${turnCount} turns in ${retryCount} attempts`)
  assert.deepEqual(
    heard.slice(0, 2).map((news) => ({ ...news, delayMs: 0 })),
    [1, 2].map((attempt) => ({
      type: 'checkpoint-retry',
      client: 'c',
      stream: 's',
      errorCode: 'SQLITE_BUSY',
      attempt,
      delayMs: 0,
    })),
  )
  assert.equal(heard.at(-1)?.type, 'checkpoint-saved')
  assert.deepEqual(await store.load('c', 's'), new Map([at(0, 1)]))
})

test('a file that stays locked is given up after a while, retryably, and the old position stands', async () => {
  const file = freshSqliteFile()
  await using store = openCheckpointStore(`sqlite://${file}`, { retryMs: 50 })
  await store.init()
  await store.save('c', 's', new Map([at(0, 1)]))
  const other = new Database(file)
  other.exec('BEGIN IMMEDIATE')
  await assert.rejects(store.save('c', 's', new Map([at(0, 2)])), (error) => {
    assert.ok(error instanceof TritonCheckpointError)
    assert.match(
      error.message,
      /can't save the checkpoints of client c on stream s: the SQLite file .*: another process/,
    )
    assert.equal(error.retryable, true)
    assert.ok(error.cause instanceof Error)
    return true
  })
  assert.deepEqual(await store.load('c', 's'), new Map([at(0, 1)]), 'reading needs no lock in WAL mode')
  other.exec('ROLLBACK')
  other.close()
  await store.save('c', 's', new Map([at(0, 3)]))
})

test('a missing file is named, and only init creates it', async () => {
  const file = freshSqliteFile()
  await using store = openCheckpointStore(`sqlite://${file}`)
  const missing = new RegExp(`the SQLite file ${file} does not exist: run "triton checkpoint init"`)
  await refuses(store.load('c', 's'), missing)
  await refuses(store.save('c', 's', new Map([at(0, 1)])), missing)
  await store.init()
  assert.deepEqual(await store.load('c', 's'), new Map())
})

test('a path that can never be a database says why', async () => {
  const garbage = freshSqliteFile()
  await writeFile(garbage, 'these are no pages of a database. '.repeat(200))
  const directory = freshSqliteFile()
  await mkdir(directory)
  for (const [file, why] of [
    [garbage, /file is not a database/],
    [directory, /can't create the checkpoint tables: the SQLite file .*: Conn.*unable to open/i],
    [join(freshSqliteFile(), 'x.db'), /its directory does not exist: create it first/],
  ] as const) {
    await using store = openCheckpointStore(`sqlite://${file}`)
    await refuses(store.init(), why)
  }
})

test('a file that is deleted in the middle is missed, not written to in the dark', async () => {
  const file = freshSqliteFile()
  await using store = openCheckpointStore(`sqlite://${file}`)
  await store.init()
  await store.save('c', 's', new Map([at(0, 1)]))
  for (const suffix of ['', '-wal', '-shm']) await rm(file + suffix, { force: true })
  await refuses(store.save('c', 's', new Map([at(0, 2)])), /does not exist/)
  await store.init()
  await store.save('c', 's', new Map([at(0, 3)]))
  await using other = openCheckpointStore(`sqlite://${file}`)
  assert.deepEqual(await other.load('c', 's'), new Map([at(0, 3)]))
})

test('a file that is replaced in the middle, by a backup say, is the one that is used', async () => {
  const [file, backup] = [freshSqliteFile(), freshSqliteFile()]
  for (const [path, step] of [
    [file, 5],
    [backup, 2],
  ] as const) {
    await using store = openCheckpointStore(`sqlite://${path}`)
    await store.init()
    await store.save('c', 's', new Map([at(0, step)]))
  }
  await using store = openCheckpointStore(`sqlite://${file}`)
  assert.deepEqual(await store.load('c', 's'), new Map([at(0, 5)]))
  for (const suffix of ['-wal', '-shm']) await rm(file + suffix, { force: true })
  await rename(backup, file)
  assert.deepEqual(await store.load('c', 's'), new Map([at(0, 2)]))
})

test('processes that start together create one set of tables, and lose nothing of each other', async () => {
  const file = freshSqliteFile()
  const children = [0, 20, 40].map((firstShard) => saveSteps(file, firstShard, 25))
  for (const child of children) child.stdout.resume()
  const exits = await Promise.all(children.map((child) => once(child, 'exit')))
  assert.deepEqual(
    exits.map(([code]) => code),
    [0, 0, 0],
  )
  await using store = openCheckpointStore(`sqlite://${file}`)
  assert.deepEqual(await store.load('c', 's'), new Map(Array.from({ length: 60 }, (_, index) => at(index, 25))))
})

test('a process killed in the middle of saving leaves a whole save behind, the last it told of or the one after', async () => {
  const file = freshSqliteFile()
  const child = saveSteps(file, 0, Number.POSITIVE_INFINITY)
  let toldStep = 0
  for await (const line of createInterface(child.stdout)) {
    toldStep = Number(line)
    if (toldStep === 40) child.kill('SIGKILL')
  }
  await using store = openCheckpointStore(`sqlite://${file}`)
  const loaded = await store.load('c', 's')
  const saved = [toldStep, toldStep + 1].map(
    (step) => new Map(Array.from({ length: 20 }, (_, index) => at(index, step))),
  )
  const found = saved.find((map) => map.get(shardIdOf(0))?.sequenceNumber === loaded.get(shardIdOf(0))?.sequenceNumber)
  assert.deepEqual(loaded, found)
})

test("go-triton's files open and continue", async () => {
  for (const name of ['go-checkpoints', 'triton-s3.db']) {
    const file = freshSqliteFile()
    await copyFile(new URL(`${name}.sqlite`, golden), file)
    const { rows } = JSON.parse(await readFile(new URL(`${name}.expected.json`, golden), 'utf8')) as {
      rows: { client: string; stream: string; shard: string; seq_num: string; updated: number }[]
    }
    await using store = openCheckpointStore(`sqlite://${file}`)
    const heard = await listen(async () => {
      for (const { client, stream, shard, seq_num } of rows) {
        assert.deepEqual((await store.load(client, stream)).get(shard), { sequenceNumber: seq_num, isFinished: false })
      }
    })
    assert.deepEqual(heard, [])
    assert.deepEqual(
      (await store.list()).map((row) => [row.client, row.stream, row.shardId, row.sequenceNumber, row.updatedSeconds]),
      rows.map((row) => [row.client, row.stream, row.shard, row.seq_num, row.updated]),
    )
    const [first] = rows
    assert.ok(first !== undefined)
    await store.save(first.client, first.stream, new Map([at(0, 1)]))
    assert.deepEqual((await store.load(first.client, first.stream)).get(shardIdOf(0)), at(0, 1)[1])
    assert.equal((await store.list()).length, rows.length)
    const mode = new Database(file).prepare('PRAGMA journal_mode').pluck().all()
    assert.deepEqual(mode, ['delete'], 'only init changes the mode of a file')
  }
})

const golden = new URL('../golden/checkpoints/', import.meta.url)

function saveSteps(file: string, firstShard: number, steps: number) {
  const program = fileURLToPath(new URL('save-steps.ts', import.meta.url))
  const flags = ['--import', 'tsx', program, `sqlite://${file}`, String(firstShard), String(steps)]
  return spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] })
}
