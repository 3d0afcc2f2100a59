import { existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type LibsqlDatabase from 'libsql'
import { ClosedError, TritonCheckpointError, TritonError } from '../errors.ts'
import { retryUntil } from './retry-until.ts'
import {
  foreignTableAdvice,
  initAdvice,
  type SqlDatabase,
  type SqlDatabaseOptions,
  type SqlQuery,
  sqlDatabaseDefaults,
  type TransactionWork,
} from './sql-database.ts'

/**
 * One SQLite file, through libsql, whose calls are synchronous: the event loop stands while one runs. So SQLite itself
 * waits for a lock only `busyTimeoutMs`, and the longer waiting is done by timers.
 *
 * States: closed file (at first, and after the file was replaced) -> open -> closed for good. One transaction at a
 * time; the others wait in a line.
 */
export class SqliteDatabase implements SqlDatabase {
  readonly place: string
  readonly forUpdate = ''
  readonly #file: string
  readonly #options: Required<SqlDatabaseOptions>
  readonly #closing = new AbortController()
  #connection: { database: LibsqlDatabase.Database; identity: string } | undefined
  #lastTurn: Promise<unknown> = Promise.resolve()

  constructor(file: string, options: SqlDatabaseOptions = {}) {
    this.#file = resolve(file)
    this.#options = { ...sqlDatabaseDefaults, ...options }
    this.place = `the SQLite file ${this.#file}`
  }

  async transaction<T>(work: TransactionWork, act: (query: SqlQuery) => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw new ClosedError(`can't ${work.purpose}: the store was closed`)
    const turn = this.#lastTurn.then(() => this.#retry(work, act))
    this.#lastTurn = turn.catch(() => undefined) // whoever asked for it hears of it
    return turn
  }

  elementsOf(place: string): string {
    return `json_each(${place})`
  }

  async findTables(query: SqlQuery, names: readonly string[]): Promise<Set<string>> {
    const { rows } = await query(`SELECT name FROM sqlite_master WHERE type = 'table'`)
    return new Set(rows.map((row) => String(row['name'])).filter((name) => names.includes(name)))
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#lastTurn
    if (this.#connection !== undefined) writeBackLog(this.#connection.database)
    this.#forget()
  }

  async #retry<T>(work: TransactionWork, act: (query: SqlQuery) => Promise<T>): Promise<T> {
    try {
      return await retryUntil(() => this.#attempt(work.mode, act), {
        ...this.#options,
        firstDelayMs: 5,
        longestDelayMs: 100,
        signal: this.#closing.signal,
        isTransient: isLocked,
        onRetry: (error, attempt, delayMs) => work.onRetry(codeOf(error), attempt, delayMs),
      })
    } catch (error) {
      if (error instanceof TritonError) throw error
      throw new TritonCheckpointError(`can't ${work.purpose}: ${this.place}: ${this.#explain(error)}`, {
        cause: error,
        retryable: isLocked(error),
      })
    }
  }

  async #attempt<T>(mode: TransactionWork['mode'], act: (query: SqlQuery) => Promise<T>): Promise<T> {
    const database = await this.#open(mode)
    database.exec(mode === 'read' ? 'BEGIN' : 'BEGIN IMMEDIATE')
    try {
      const result = await act(async (sql, values = []) => run(database, sql, values))
      database.exec('COMMIT')
      return result
    } catch (error) {
      this.#rollBack(database)
      throw error
    }
  }

  #rollBack(database: LibsqlDatabase.Database): void {
    try {
      if (database.inTransaction) database.exec('ROLLBACK')
    } catch {
      this.#forget() // a connection that can't even roll back; closing it does. The first error is the one to tell.
    }
  }

  async #open(mode: TransactionWork['mode']): Promise<LibsqlDatabase.Database> {
    const identity = identityOf(this.#file)
    if (this.#connection?.identity !== identity) this.#forget()
    if (this.#connection === undefined) {
      if (identity === undefined && mode !== 'create') {
        throw new TritonCheckpointError(`${this.place} does not exist: ${initAdvice}, or correct the path`)
      }
      const { default: Database } = await import('libsql')
      const database = new Database(this.#file, { timeout: busyTimeoutMs })
      this.#connection = { database, identity: identityOf(this.#file) ?? '' }
    }
    const { database } = this.#connection
    if (mode === 'create') preferWal(database)
    return database
  }

  #forget(): void {
    this.#connection?.database.close()
    this.#connection = undefined
  }

  #explain(error: unknown): string {
    if (isLocked(error)) return `another process holds its lock (tried for up to ${this.#options.retryMs} ms)`
    if (!existsSync(dirname(this.#file))) return 'its directory does not exist: create it first'
    const text = error instanceof Error ? error.message : String(error)
    if (/^no such column|has no column named/.test(text)) return `${text}; ${foreignTableAdvice}`
    return text.startsWith('no such table') ? `${text}; ${initAdvice}` : text
  }
}

/** Longest time that SQLite may block the event loop waiting for a lock. */
const busyTimeoutMs = 10

/**
 * Readers and the writer don't wait for each other in WAL mode, which every SQLite since 3.7 can open, go-triton's
 * too. It is a property of the file, so it is set only where tables are created, and where it can't be (a network
 * disk, somebody reading right now) the old mode works as well.
 */
function preferWal(database: LibsqlDatabase.Database): void {
  try {
    database.pragma('journal_mode = WAL')
  } catch (error) {
    if (!isLocked(error)) throw error
  }
}

/**
 * libsql closes the file only when the last statement prepared on it is garbage, at some later time. Whoever copies or
 * moves the file after `close` shall find everything in it.
 */
function writeBackLog(database: LibsqlDatabase.Database): void {
  try {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } catch {
    // Others use the file, or it is gone: nothing is lost, the log stays beside it.
  }
}

function run(database: LibsqlDatabase.Database, sql: string, values: readonly (string | number | null)[]) {
  const statement = database.prepare(sql.replaceAll(/\$(\d+)/g, '?$1'))
  if (statement.reader) return { rows: statement.all(...values) as Record<string, unknown>[], changedCount: 0 }
  return { rows: [], changedCount: statement.run(...values).changes }
}

/** A file that was deleted or replaced keeps taking writes that nobody will ever read: another inode means open again. */
function identityOf(file: string): string | undefined {
  const stats = statSync(file, { throwIfNoEntry: false, bigint: true })
  return stats && `${stats.dev}:${stats.ino}`
}

function isLocked(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(codeOf(error))
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
