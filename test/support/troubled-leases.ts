import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'libsql'
import pg from 'pg'
import { openLeaseStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import type { TestPostgres } from './postgres.ts'

/** A real lease database, to which happens what happens to databases. */
export interface TroubledLeases extends AsyncDisposable {
  readonly address: string
  /** The tables are there; nobody can reach them until `comeBack`. */
  goAway(): Promise<void>
  comeBack(): Promise<void>
  /** Somebody else holds it up: no write ends until what is answered is called. */
  hold(): Promise<() => Promise<void>>
  /** It takes no writes any more, or takes them again. */
  setReadOnly(isReadOnly: boolean): Promise<void>
  run(...statements: string[]): Promise<void>
}

/** A database of its own on this server; going away, it takes the server along. */
export async function troubledPostgres(postgres: TestPostgres): Promise<TroubledLeases> {
  const address = await postgres.createDatabase()
  await using store = openLeaseStore(address)
  await store.init()
  const connect = async () => {
    const client = new pg.Client(address)
    await client.connect()
    client.on('error', () => {}) // the server may go away with it
    return client
  }
  const run = async (...statements: string[]) => {
    const client = await connect()
    try {
      for (const sql of statements) await client.query(sql)
    } finally {
      await client.end()
    }
  }
  const name = new URL(address).pathname.slice(1)
  const held = new Set<pg.Client>()
  return {
    address,
    run,
    goAway: () => postgres.stop('immediate'),
    comeBack: () => postgres.start(),
    async hold() {
      const client = await connect()
      held.add(client)
      await client.query('BEGIN')
      await client.query('LOCK TABLE triton_lease IN ACCESS EXCLUSIVE MODE')
      return async () => {
        held.delete(client)
        await client.query('COMMIT').finally(() => client.end())
      }
    },
    setReadOnly: (isReadOnly) =>
      run(
        'SET default_transaction_read_only = off',
        `ALTER DATABASE ${name} SET default_transaction_read_only = ${isReadOnly ? 'on' : 'off'}`,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}' AND pid <> pg_backend_pid()`,
      ),
    async [Symbol.asyncDispose]() {
      for (const client of held) await client.end()
    },
  }
}

/** A file in a directory of its own; going away, the directory is moved, as a disk that is no longer mounted. */
export async function troubledSqlite(): Promise<TroubledLeases> {
  const root = mkdtempSync(join(tmpdir(), 'triton-leases-'))
  const [home, elsewhere] = [join(root, 'mounted'), join(root, 'not-mounted')]
  const file = join(home, 'triton.db')
  const address = `sqlite://${file}`
  mkdirSync(home)
  await using store = openLeaseStore(address)
  await store.init()
  const open = () => new Sqlite(file, { timeout: 60_000 })
  const held = new Set<Sqlite.Database>()
  const hold = async () => {
    const database = open()
    held.add(database)
    database.exec('BEGIN IMMEDIATE')
    return async () => {
      held.delete(database)
      database.exec('ROLLBACK')
      database.close()
    }
  }
  return {
    address,
    hold,
    goAway: async () => renameSync(home, elsewhere),
    comeBack: async () => renameSync(elsewhere, home),
    async setReadOnly(isReadOnly) {
      // Permissions don't bind root. A file whose header says that newer versions write it, SQLite itself only reads.
      const letGo = isReadOnly ? await hold() : undefined
      const copy = `${file}.copy`
      for (const part of ['', '-wal']) if (existsSync(file + part)) copyFileSync(file + part, copy + part)
      const inCopy = (...pragmas: string[]) => {
        const database = new Sqlite(copy)
        for (const pragma of pragmas) database.exec(`PRAGMA ${pragma}`)
        database.close()
      }
      const markWriteVersion = (version: number) => {
        const header = openSync(copy, 'r+')
        writeSync(header, Buffer.from([version]), 0, 1, writeVersionAt)
        closeSync(header)
      }
      if (isReadOnly) inCopy('wal_checkpoint(TRUNCATE)', 'journal_mode = DELETE')
      markWriteVersion(isReadOnly ? 3 : 1)
      if (!isReadOnly) inCopy('journal_mode = WAL')
      for (const part of ['-wal', '-shm']) rmSync(file + part, { force: true })
      renameSync(copy, file)
      await letGo?.()
    },
    async run(...statements) {
      const database = open()
      for (const sql of statements) database.exec(sql)
      database.close()
    },
    async [Symbol.asyncDispose]() {
      for (const database of held) database.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** Where the header of a database file says who may write it (sqlite.org/fileformat2.html, 1.3.3). */
const writeVersionAt = 18
