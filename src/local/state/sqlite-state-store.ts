import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type Database from 'libsql'
import { StorageError } from '../../errors.ts'
import { type DirectoryLock, lockDirectory } from '../../journal/directory-lock.ts'
import { makeDirectory } from '../../make-directory.ts'
import type { KeptStream, StateStore } from './state-store.ts'
import type { ShardState, StreamState } from './stream-state.ts'

/**
 * The state in one SQLite database, `state.db` in the data directory, which belongs to one process at a time.
 */
export async function openSqliteStateStore(
  dataDir: string,
  sync: 'always' | 'interval' | 'never',
): Promise<StateStore> {
  const { default: Sqlite } = await import('libsql')
  const attempt = <T>(what: string, act: () => T): T => {
    try {
      return act()
    } catch (error) {
      throw storageError(`cannot ${what}`, dataDir, error)
    }
  }
  return attempt('open the data directory', () => {
    makeDirectory(dataDir)
    const lock = lockDirectory(Sqlite, dataDir)
    try {
      const database = new Sqlite(join(dataDir, 'state.db'))
      prepareDatabase(database, dataDir, sync)
      return new SqliteStateStore(database, lock, attempt)
    } catch (error) {
      lock.release()
      throw error
    }
  })
}

const formatVersion = 1

type Attempt = <T>(what: string, act: () => T) => T

class SqliteStateStore implements StateStore {
  readonly secret: Buffer
  readonly #database: Database.Database
  readonly #lock: DirectoryLock
  readonly #attempt: Attempt
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: Database.Database, lock: DirectoryLock, attempt: Attempt) {
    this.#database = database
    this.#lock = lock
    this.#attempt = attempt
    this.#statements = prepareStatements(database)
    this.secret = this.#readSecret()
  }

  load(): KeptStream[] {
    return this.#attempt('read the state', () => {
      const shards = new Map<number, ShardState[]>()
      for (const row of this.#statements.allShards.all() as ShardRow[]) {
        const list = shards.get(row.stream)
        if (list) list.push(shardOf(row))
        else shards.set(row.stream, [shardOf(row)])
      }
      return (this.#statements.allStreams.all() as StreamRow[]).map((row) => ({
        stream: streamOf(row, shards.get(row.serial) ?? []),
        seqIxMark: row.seq_ix_mark,
        ...(row.counters !== null && { counters: JSON.parse(row.counters) as number[] }),
      }))
    })
  }

  nextSerial(): number {
    return this.#attempt('keep the state', () => {
      const { value } = this.#statements.nextSerial.get() as { value: number }
      return value
    })
  }

  lastCreatedSeconds(name: string): number | undefined {
    const row = this.#attempt('read the state', () => this.#statements.pastName.get(name))
    return (row as { created_seconds: number } | undefined)?.created_seconds
  }

  save(stream: StreamState, previous: StreamState | undefined): void {
    const { shards, ...rest } = stream
    const known = new Map(previous?.shards.map((shard) => [shard.index, shard]))
    this.#transaction(() => {
      this.#statements.saveStream.run(stream.serial, stream.name, toJson(rest))
      for (const shard of shards) {
        if (known.get(shard.index) !== shard) this.#statements.saveShard.run(stream.serial, shard.index, toJson(shard))
        known.delete(shard.index)
      }
      for (const index of known.keys()) this.#statements.removeShard.run(stream.serial, index)
    })
  }

  remove(stream: StreamState): void {
    this.#transaction(() => {
      this.#statements.savePastName.run(stream.name, stream.createdSeconds)
      this.#statements.removeShards.run(stream.serial)
      this.#statements.removeStream.run(stream.serial)
    })
  }

  saveSeqIxMark(serial: number, mark: number): void {
    this.#attempt('keep the state', () => this.#statements.saveMark.run(mark, serial))
  }

  saveCounters(serial: number, counters: readonly number[]): void {
    this.#attempt('keep the state', () => this.#statements.saveCounters.run(JSON.stringify(counters), serial))
  }

  setting(name: string): string | undefined {
    const row = this.#attempt('read the state', () => this.#statements.setting.get(`setting ${name}`))
    return (row as { value: string } | undefined)?.value
  }

  saveSetting(name: string, value: string): void {
    this.#attempt('keep the state', () => this.#statements.saveSetting.run(`setting ${name}`, value))
  }

  close(): void {
    this.#database.close()
    this.#lock.release()
  }

  #transaction(act: () => void): void {
    this.#attempt('keep the state', () => {
      this.#database.exec('BEGIN IMMEDIATE')
      try {
        act()
        this.#database.exec('COMMIT')
      } catch (error) {
        if (this.#database.inTransaction) this.#database.exec('ROLLBACK')
        throw error
      }
    })
  }

  #readSecret(): Buffer {
    const fresh = randomBytes(32).toString('hex')
    this.#database.prepare(`INSERT OR IGNORE INTO engine(name, value) VALUES ('secret', ?)`).run(fresh)
    const row = this.#database.prepare(`SELECT value FROM engine WHERE name = 'secret'`).get() as { value: string }
    return Buffer.from(row.value, 'hex')
  }
}

function prepareDatabase(database: Database.Database, dataDir: string, sync: 'always' | 'interval' | 'never'): void {
  database.pragma('journal_mode = WAL')
  database.pragma(`synchronous = ${{ always: 'FULL', interval: 'NORMAL', never: 'OFF' }[sync]}`)
  const [{ user_version: version }] = database.pragma('user_version') as [{ user_version: number }]
  if (version > formatVersion)
    throw new StorageError(
      `cannot open the data directory ${dataDir}: it was written by a newer Triton (format ${version}; this one knows ${formatVersion}). Use that version, or another directory.`,
    )
  if (version === 0)
    database.exec(`
      BEGIN;
      CREATE TABLE engine (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
      CREATE TABLE streams (
        serial INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
        seq_ix_mark INTEGER NOT NULL, counters TEXT
      );
      CREATE TABLE shards (
        stream INTEGER NOT NULL, shard_index INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (stream, shard_index)
      ) WITHOUT ROWID;
      CREATE TABLE past_names (name TEXT PRIMARY KEY, created_seconds INTEGER NOT NULL) WITHOUT ROWID;
      INSERT INTO engine(name, value) VALUES ('serial', 0);
      PRAGMA user_version = ${formatVersion};
      COMMIT;
    `)
}

function prepareStatements(database: Database.Database) {
  return {
    allStreams: database.prepare('SELECT * FROM streams ORDER BY serial'),
    allShards: database.prepare('SELECT * FROM shards ORDER BY stream, shard_index'),
    nextSerial: database.prepare(`UPDATE engine SET value = value + 1 WHERE name = 'serial' RETURNING value`),
    setting: database.prepare('SELECT value FROM engine WHERE name = ?'),
    saveSetting: database.prepare('INSERT OR REPLACE INTO engine VALUES (?, ?)'),
    pastName: database.prepare('SELECT created_seconds FROM past_names WHERE name = ?'),
    savePastName: database.prepare('INSERT OR REPLACE INTO past_names VALUES (?, ?)'),
    saveStream: database.prepare(
      `INSERT INTO streams(serial, name, state, seq_ix_mark) VALUES (?, ?, ?, 0)
       ON CONFLICT(serial) DO UPDATE SET state = excluded.state`,
    ),
    saveShard: database.prepare('INSERT OR REPLACE INTO shards VALUES (?, ?, ?)'),
    removeShard: database.prepare('DELETE FROM shards WHERE stream = ? AND shard_index = ?'),
    removeShards: database.prepare('DELETE FROM shards WHERE stream = ?'),
    removeStream: database.prepare('DELETE FROM streams WHERE serial = ?'),
    saveMark: database.prepare('UPDATE streams SET seq_ix_mark = ?, counters = NULL WHERE serial = ?'),
    saveCounters: database.prepare('UPDATE streams SET counters = ? WHERE serial = ?'),
  }
}

interface StreamRow {
  serial: number
  state: string
  seq_ix_mark: number
  counters: string | null
}

interface ShardRow {
  stream: number
  state: string
}

/** Hash keys don't fit a JSON number: each is kept as `{"$hashKey":"<hex digits>"}`. */
function toJson(value: object): string {
  return JSON.stringify(value, (_, member) => (typeof member === 'bigint' ? { $hashKey: member.toString(16) } : member))
}

function fromJson(text: string): unknown {
  return JSON.parse(text, (_, member) =>
    typeof member === 'object' && member !== null && typeof member.$hashKey === 'string'
      ? BigInt(`0x${member.$hashKey}`)
      : member,
  )
}

function streamOf(row: StreamRow, shards: readonly ShardState[]): StreamState {
  return { ...(fromJson(row.state) as Omit<StreamState, 'shards'>), shards }
}

function shardOf(row: ShardRow): ShardState {
  return fromJson(row.state) as ShardState
}

function storageError(what: string, dataDir: string, error: unknown): StorageError {
  if (error instanceof StorageError) return error
  const { code, message } = error as { code?: string; message: string }
  if (code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED')
    return new StorageError(
      `${what} ${dataDir}: another engine is using it. Stop that engine, or give this one a directory of its own.`,
      { cause: error },
    )
  if (code === 'SQLITE_NOTADB' || code === 'SQLITE_CORRUPT')
    return new StorageError(
      `${what} ${dataDir}: state.db is damaged (${message}). Restore it from a copy, or start with an empty directory.`,
      { cause: error },
    )
  return new StorageError(`${what} ${dataDir}: ${message}. See that the directory can be written to and has room.`, {
    cause: error,
  })
}
