import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { test } from 'node:test'
import { checkpointSettings } from '../../src/checkpoint/checkpoint-settings.ts'
import { MemoryCheckpointStore } from '../../src/checkpoint/memory-checkpoint-store.ts'
import { initCheckpointTable, openCheckpointStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { TritonCheckpointError } from '../../src/errors.ts'
import { at, refuses } from '../contracts/checkpoint-store.contract.ts'
import { freshSqliteFile } from './sqlite-file.ts'

test('memory needs no file', () => {
  assert.ok(openCheckpointStore('memory:') instanceof MemoryCheckpointStore)
  assert.ok(openCheckpointStore('sqlite://:memory:') instanceof MemoryCheckpointStore)
})

test('sqlite:// and a path opens that very file, relative to the working directory or absolute', async (context) => {
  const file = freshSqliteFile()
  const before = process.cwd()
  context.after(() => process.chdir(before))
  process.chdir(dirname(file))
  await initCheckpointTable(`sqlite://${basename(file)}`)
  assert.ok(existsSync(file))
  {
    await using store = openCheckpointStore(`sqlite://./${basename(file)}`)
    process.chdir(before)
    await store.save('c', 's', new Map([at(0, 1)]))
  }
  await using store = openCheckpointStore(`sqlite://${file}`)
  assert.deepEqual(await store.load('c', 's'), new Map([at(0, 1)]))
})

test('opening alone connects to nothing and creates nothing', async () => {
  const file = freshSqliteFile()
  await openCheckpointStore(`sqlite://${file}`).close()
  await openCheckpointStore('postgresql://u:p@127.0.0.1:1/d').close()
  assert.ok(!existsSync(file))
})

test('an address of no known form is refused with the forms that are right, and without a password', () => {
  for (const [address, why] of [
    ['', /neither a URL nor keyword=value/],
    ['triton.db', /neither a URL nor keyword=value/],
    ['/var/lib/triton.db', /neither a URL nor keyword=value/],
    ['mysql://u:hunter2@h/d', /unknown form "mysql:"/],
    ['postgres:u:hunter2@h/d', /unknown form "postgres:"/],
    ['sqlite:triton.db', /must be sqlite:\/\/ and a path/],
    ['sqlite://', /must be sqlite:\/\/ and a path/],
    ['sqlite://triton.db?password=hunter2', /without "\?" and "#"/],
    ['u:hunter2@h/d', /unknown form|neither/],
  ] as const) {
    assert.throws(
      () => openCheckpointStore(address),
      (error) => {
        assert.ok(error instanceof TritonCheckpointError, address)
        assert.match(error.message, why)
        assert.match(error.message, /"dbname=triton .*"postgresql:\/\/.*"sqlite:\/\/triton\.db"/)
        assert.ok(!error.message.includes('hunter2'))
        return true
      },
    )
  }
})

test('initCheckpointTable takes the database of TRITON_DB when none is named', async () => {
  const file = freshSqliteFile()
  await initCheckpointTable(undefined, { environment: { TRITON_DB: `sqlite://${file}` } })
  assert.ok(existsSync(file))
  await refuses(initCheckpointTable(undefined, { environment: {} }), /set TRITON_DB/)
})

test('database and client come from the caller, else from the environment of either old program', () => {
  const db = 'sqlite://x.db'
  assert.deepEqual(checkpointSettings({ TRITON_DB: db, TRITON_CLIENT_NAME: 'py' }), { db, client: 'py' })
  assert.deepEqual(checkpointSettings({ TRITON_DB: db, TRITON_CLIENT: 'go' }), { db, client: 'go' })
  assert.deepEqual(checkpointSettings({ TRITON_DB: db, TRITON_CLIENT: 'x', TRITON_CLIENT_NAME: 'x' }), {
    db,
    client: 'x',
  })
  assert.deepEqual(checkpointSettings({ TRITON_DB: db, TRITON_CLIENT: 'x' }, { db: 'memory:', client: 'mine' }), {
    db: 'memory:',
    client: 'mine',
  })
  assert.deepEqual(checkpointSettings({ TRITON_DB: db, TRITON_CLIENT: 'a-b' }).client, 'a-b')
})

test('a missing or doubtful setting is named', () => {
  for (const [environment, why] of [
    [{ TRITON_CLIENT: 'c' }, /set TRITON_DB or give the option "db"/],
    [{ TRITON_DB: '', TRITON_CLIENT: 'c' }, /set TRITON_DB/],
    [{ TRITON_DB: 'memory:' }, /set TRITON_CLIENT_NAME \(or TRITON_CLIENT\), or give the option "client"/],
    [{ TRITON_DB: 'memory:', TRITON_CLIENT: '', TRITON_CLIENT_NAME: '' }, /set TRITON_CLIENT_NAME/],
    [
      { TRITON_DB: 'memory:', TRITON_CLIENT: 'a', TRITON_CLIENT_NAME: 'b' },
      /TRITON_CLIENT_NAME says "b" and TRITON_CLIENT says "a"/,
    ],
    [{ TRITON_DB: 'memory:', TRITON_CLIENT: 'x'.repeat(256) }, /client name has 256 characters/],
  ] as const) {
    assert.throws(
      () => checkpointSettings(environment),
      (error) => error instanceof TritonCheckpointError && why.test(error.message),
    )
  }
})
