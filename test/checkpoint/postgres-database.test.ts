import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import pg from 'pg'
import { initCheckpointTable, openCheckpointStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { parsePostgresAddress } from '../../src/checkpoint/postgres-address.ts'
import { PostgresDatabase } from '../../src/checkpoint/postgres-database.ts'
import type { TransactionWork } from '../../src/checkpoint/sql-database.ts'
import { observe } from '../../src/diagnostics.ts'
import { TritonCheckpointError } from '../../src/errors.ts'
import { at, listen, refuses } from '../contracts/checkpoint-store.contract.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'

let postgres: TestPostgres
before(async () => {
  postgres = await startPostgres()
})
after(() => postgres.close())

test('a server that is down at the start is named, without the password, once the time is up', async () => {
  const secret = 'hunter2-%40'
  const address = `postgresql://triton:${secret}@127.0.0.1:1/positions`
  await using store = openCheckpointStore(address, { retryMs: 100 })
  const heard = await listen(() =>
    assert.rejects(store.load('c', 's'), (error) => {
      assert.ok(error instanceof TritonCheckpointError)
      assert.match(
        error.message,
        /can't read the checkpoints: PostgreSQL database "positions" at 127\.0\.0\.1:1 \(user "triton"\): connect ECONNREFUSED/,
      )
      assert.equal(error.retryable, true)
      assert.ok(error.cause instanceof Error)
      assert.ok(!JSON.stringify(error).includes('hunter2') && !String(error.stack).includes('hunter2'))
      return true
    }),
  )
  assert.ok(heard.length > 0)
  for (const news of heard) {
    assert.ok(news.type === 'checkpoint-retry' && news.errorCode === 'ECONNREFUSED' && news.client === 'c')
  }
})

test('a save goes through a restart of the server, in order', async () => {
  const address = await postgres.createDatabase()
  await using store = openCheckpointStore(address)
  await store.init()
  await store.save('c', 's', new Map([at(0, 1)]))
  await postgres.stop('immediate')
  const saving = [2, 3, 4].map((step) => store.save('c', 's', new Map([at(0, step)])))
  await nextRetry()
  await postgres.start()
  await Promise.all(saving)
  assert.deepEqual(await store.load('c', 's'), new Map([at(0, 4)]))
})

test('a server that dies in the middle and stays down fails the save; the position stays where it was', async () => {
  const address = await postgres.createDatabase()
  await using store = openCheckpointStore(address, { retryMs: 50 })
  await store.init()
  await store.save('c', 's', new Map([at(0, 1)]))
  await postgres.stop('immediate')
  await assert.rejects(store.save('c', 's', new Map([at(0, 2)])), { code: 'TRITON_CHECKPOINT', retryable: true })
  await postgres.start()
  assert.deepEqual(await store.load('c', 's'), new Map([at(0, 1)]))
  await store.save('c', 's', new Map([at(0, 3)]))
})

test('a connection that the server ends, idle or at work, is replaced', async () => {
  const address = await postgres.createDatabase()
  await using store = openCheckpointStore(address)
  await store.init()
  await terminateOthers(address)
  await store.save('c', 's', new Map([at(0, 1)]))

  // At work: another session holds the row, so that the save stands in the middle when its connection is ended.
  const holder = await connect(address)
  await holder.query('BEGIN')
  await holder.query(`UPDATE triton_checkpoint SET updated = 1`)
  const saving = store.save('c', 's', new Map([at(0, 2)]))
  await someoneWaits(address)
  const retry = nextRetry()
  await terminateOthers(address, holder)
  assert.equal(await retry, '57P01')
  await holder.query('ROLLBACK')
  await holder.end()
  await saving
  assert.deepEqual(await store.load('c', 's'), new Map([at(0, 2)]))
})

test('a connection that the server ends in the moment in which it is made is replaced', async () => {
  const address = await postgres.createDatabase()
  await initCheckpointTable(address)
  // Both words of the server arrive in one piece: that the session is ready, and that it is over.
  let sessionCount = 0
  const relay = createServer((client) => {
    const server = createConnection(postgres.port, '127.0.0.1')
    const isFirst = sessionCount++ === 0
    const held: Buffer[] = []
    client.on('error', () => undefined).pipe(server.on('error', () => undefined))
    server.on('data', (bytes) => {
      const isReady = isFirst && bytes.includes(readyForQuery)
      if (isReady) void terminateOthers(address)
      if (isReady || held.length > 0) held.push(bytes)
      else client.write(bytes)
    })
    server.on('end', () => client.end(Buffer.concat(held)))
  })
  await once(relay.listen(0, '127.0.0.1'), 'listening')
  try {
    const { port } = relay.address() as AddressInfo
    await using store = openCheckpointStore(`${address.replace(/:\d+\//, `:${port}/`)}?sslmode=disable`)
    const retry = nextRetry()
    await store.save('c', 's', new Map([at(0, 1)]))
    await retry
    assert.equal(sessionCount, 2)
    assert.deepEqual(await store.load('c', 's'), new Map([at(0, 1)]))
  } finally {
    await promisify(relay.close.bind(relay))()
  }
})

test('a server that answers nothing counts as lost', async () => {
  const address = await postgres.createDatabase()
  await using store = openCheckpointStore(address, { retryMs: 100, answerMs: 200 })
  await store.init()
  const client = await connect(address)
  const { rows } = await client.query<{ pid: number }>(
    'SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  await client.end()
  // The server takes no new connections, and those it has say nothing.
  const silent = [postgres.pid, ...rows.map(({ pid }) => pid)]
  assert.equal(silent.length, 2)
  for (const pid of silent) process.kill(pid, 'SIGSTOP')
  try {
    await assert.rejects(store.save('c', 's', new Map([at(0, 1)])), { code: 'TRITON_CHECKPOINT', retryable: true })
  } finally {
    for (const pid of silent) process.kill(pid, 'SIGCONT')
  }
  await store.save('c', 's', new Map([at(0, 2)]))
  assert.deepEqual(await store.load('c', 's'), new Map([at(0, 2)]))
})

test('what the server refuses for good is told at once', async () => {
  const address = await postgres.createDatabase()
  const heard = await listen(async () => {
    for (const [wrong, why] of [
      [address.replace(/:[^:@]*@/, ':not-the-password@'), /password authentication failed.*correct the password/],
      [address.replace(/\/[^/]*$/, '/no_such_database'), /database "no_such_database" does not exist/],
      [`${address}?sslmode=require`, /does not support SSL/],
    ] as const) {
      await using store = openCheckpointStore(wrong)
      await assert.rejects(store.load('c', 's'), (error) => {
        assert.ok(error instanceof TritonCheckpointError)
        assert.match(error.message, why)
        assert.equal(error.retryable, false)
        assert.ok(!error.message.includes('not-the-password'))
        return true
      })
    }
  })
  assert.deepEqual(heard, [])
})

test('both forms of address reach the server, by network and by socket', async () => {
  const address = await postgres.createDatabase()
  await initCheckpointTable(address)
  const dbname = address.replace(/.*\//, '')
  const { port, socketDirectory, user, password } = postgres
  const quoted = `'${password.replaceAll(/['\\]/g, '\\$&')}'`
  const forms = [
    `dbname=${dbname} host=127.0.0.1 port=${port} user=${user} password=${quoted}`,
    `dbname = '${dbname}' hostaddr=127.0.0.1 port=${port} user=${user} password=${quoted} sslmode=disable`,
    `dbname=${dbname} host=${socketDirectory} port=${port} user=${user}`,
    `postgres://${user}@/${dbname}?host=${encodeURIComponent(socketDirectory)}&port=${port}`,
    `postgresql://${user}@${encodeURIComponent(socketDirectory)}:${port}/${dbname}?sslmode=require`,
    `${address}?sslmode=prefer&application_name=x`,
  ]
  for (const [step, form] of forms.entries()) {
    await using store = openCheckpointStore(form)
    await store.save('c', 's', new Map([at(0, step)]))
    assert.deepEqual(await store.load('c', 's'), new Map([at(0, step)]))
  }
  const environment = { PGHOST: socketDirectory, PGPORT: String(port), PGUSER: user, PGDATABASE: dbname }
  await using store = openCheckpointStore('postgresql://', { environment })
  assert.equal((await store.list()).length, 1)
})

test('who may not create tables uses those that are there, and is told what is missing', async () => {
  const address = await postgres.createDatabase()
  await initCheckpointTable(address)
  const admin = await connect(address)
  await admin.query(`CREATE ROLE clerk LOGIN PASSWORD 'pw'`)
  await admin.query('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk')
  await using store = openCheckpointStore(address.replace(/\/\/[^@]*@/, '//clerk:pw@'))
  await store.init()
  await store.save('c', 's', new Map([at(0, 1)]))
  assert.equal(await store.pinStart('c', 's', 5), 5)
  await admin.query('DROP TABLE triton_checkpoint_detail')
  await refuses(store.save('c', 's', new Map([at(0, 2)])), /permission denied.*triton checkpoint init/)
  assert.deepEqual(await store.load('c', 's'), new Map([at(0, 1)]))
  await admin.end()
})

test('a transaction that meets a deadlock or a serialization failure is done again as a whole', async () => {
  const address = await postgres.createDatabase()
  const database = new PostgresDatabase(parsePostgresAddress(address, {}))
  const retries: string[] = []
  const work: TransactionWork = {
    purpose: 'count',
    mode: 'write',
    onRetry: (errorCode) => retries.push(errorCode),
  }
  await database.transaction(work, (query) => query('CREATE TABLE tries (n INTEGER)'))
  let attempt = 0
  const result = await database.transaction(work, async (query) => {
    attempt++
    await query('INSERT INTO tries VALUES ($1)', [attempt])
    if (attempt < 3)
      await query(
        `DO $do$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '${attempt === 1 ? '40001' : '40P01'}'; END $do$`,
      )
    return query('SELECT n FROM tries FOR UPDATE')
  })
  assert.deepEqual(retries, ['40001', '40P01'])
  assert.deepEqual(result.rows, [{ n: 3 }], 'nothing of the failed tries is left')
  await database.close()
})

test('who stands still in the middle of a transaction keeps nobody waiting, and does it again as a whole', async () => {
  const address = await postgres.createDatabase()
  const sleeper = new PostgresDatabase(parsePostgresAddress(address, {}))
  const other = new PostgresDatabase(parsePostgresAddress(address, {}))
  const retries: string[] = []
  const work: TransactionWork = { purpose: 'count', mode: 'write', onRetry: (errorCode) => retries.push(errorCode) }
  await sleeper.transaction(work, async (query) => {
    await query('CREATE TABLE counter (n INTEGER)')
    return query('INSERT INTO counter VALUES (0)')
  })
  let wakeUp = () => {}
  const awake = new Promise<void>((resolve) => {
    wakeUp = resolve
  })
  let tellHeld = () => {}
  const isHeld = new Promise<void>((resolve) => {
    tellHeld = resolve
  })
  let tries = 0
  const sleeping = sleeper.transaction(work, async (query) => {
    await query('UPDATE counter SET n = n + 1')
    tellHeld()
    if (tries++ === 0) await awake
    return query('SELECT n FROM counter')
  })
  await isHeld
  await other.transaction({ ...work, onRetry: () => assert.fail('it got the lock in time') }, (query) =>
    query('UPDATE counter SET n = n + 10'),
  )
  wakeUp()
  assert.deepEqual((await sleeping).rows, [{ n: 11 }])
  assert.equal(tries, 2)
  assert.equal(retries.length, 1)
  await Promise.all([sleeper.close(), other.close()])
})

test('who waits for a lock in vain leaves no session behind that waits on', async () => {
  const address = await postgres.createDatabase()
  await using store = openCheckpointStore(address, { retryMs: 100, answerMs: 300 })
  await store.init()
  await store.save('c', 's', new Map([at(0, 1)]))
  const holder = await connect(address)
  await holder.query('BEGIN')
  await holder.query('UPDATE triton_checkpoint SET updated = 1')
  await assert.rejects(store.save('c', 's', new Map([at(0, 2)])), { code: 'TRITON_CHECKPOINT', retryable: true })
  const watcher = await connect(address)
  const { rows } = await watcher.query("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
  assert.deepEqual(rows, [])
  await Promise.all([holder.end(), watcher.end()])
})

test('an error in what the caller does rolls back, and comes out as it is', async () => {
  const address = await postgres.createDatabase()
  await using store = openCheckpointStore(address)
  await store.init()
  const database = new PostgresDatabase(parsePostgresAddress(address, {}))
  const work: TransactionWork = { purpose: 'fail', mode: 'write', onRetry: () => assert.fail('not tried again') }
  const failing = database.transaction(work, async (query) => {
    await query(`INSERT INTO triton_checkpoint VALUES ('c', 's', 'x', '1', 1)`)
    throw new TritonCheckpointError('changed my mind')
  })
  await assert.rejects(failing, { message: 'changed my mind' })
  assert.deepEqual(await store.list(), [])
  await database.close()
})

/** What a server says last when somebody logs in. */
const readyForQuery = Buffer.from('Z\0\0\0\x05I', 'latin1')

async function connect(address: string): Promise<pg.Client> {
  const client = new pg.Client(address)
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function terminateOthers(address: string, from?: pg.Client): Promise<void> {
  const client = from ?? (await connect(address))
  await client.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  if (from === undefined) await client.end()
}

/** Until a session of this database waits for a lock. (Not asked inside a transaction: there the answer never changes.) */
async function someoneWaits(address: string): Promise<void> {
  const client = await connect(address)
  for (let waiters = 0; waiters === 0; ) {
    const { rowCount } = await client.query(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    waiters = rowCount ?? 0
  }
  await client.end()
}

/** Its error code. */
function nextRetry(): Promise<string> {
  return new Promise((resolve) => {
    const stop = observe((diagnostic) => {
      if (diagnostic.type !== 'checkpoint-retry') return
      stop()
      resolve(diagnostic.errorCode)
    })
  })
}
