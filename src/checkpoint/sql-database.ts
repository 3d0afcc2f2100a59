import { type Clock, systemClock } from '../clock.ts'
import { type Random, systemRandom } from '../random.ts'

/**
 * One database that checkpoints, and later leases, live in: transactions over a connection that is made when it is
 * first needed and made again after it broke. The statements are the same for every database: `$1`, `$2` for values, and nothing
 * that libsql's SQLite and PostgreSQL 9.6 don't both know.
 */
export interface SqlDatabase {
  /** What and where, for messages; never a password. */
  readonly place: string
  /** Ends a SELECT whose rows nobody else may change until the transaction ends. */
  readonly forUpdate: '' | ' FOR UPDATE'
  /**
   * Runs `act` in one transaction. A failure that passes (connection lost, deadlock, locked file) runs the whole of it
   * again, up to `retryMs`: `act` may run several times, and after a lost connection also although it was committed,
   * so its effect must be the same once or twice. It awaits nothing but its own queries, for others wait meanwhile:
   * transactions that write take effect in the order in which they were asked for, so that a retried one never undoes
   * a later one.
   * What the database throws becomes a `TritonCheckpointError`; a `TritonError` that `act` throws comes out as it is.
   */
  transaction<T>(work: TransactionWork, act: (query: SqlQuery) => Promise<T>): Promise<T>
  /** What stands behind FROM for the elements, each called `value`, of the JSON array that is given as `place`. */
  elementsOf(place: string): string
  /** Which of these tables exist. */
  findTables(query: SqlQuery, names: readonly string[]): Promise<Set<string>>
  /** Waits for the transactions that were asked for, each of which is still tried once. May be called twice. */
  close(): Promise<void>
}

export interface TransactionWork {
  /** For messages, after "can't": `save the checkpoints of client c on stream s`. */
  purpose: string
  /** `read` changes nothing; `create` makes the database file where it is missing, others refuse to. */
  mode: 'read' | 'write' | 'create'
  /** A failure that passes was met and the transaction will be tried again. */
  onRetry(errorCode: string, attempt: number, delayMs: number): void
}

export type SqlQuery = (sql: string, values?: readonly (string | number | null)[]) => Promise<SqlResult>

export interface SqlResult {
  rows: Record<string, unknown>[]
  /** Rows that were inserted, updated or deleted. */
  changedCount: number
}

export interface SqlDatabaseOptions {
  /** How long after its first try a transaction may be tried again, in milliseconds. @default 10_000 */
  retryMs?: number
  /** How long a database server may take to accept a connection or to answer a statement, in milliseconds. @default 5_000 */
  answerMs?: number
  /** @default systemClock */
  clock?: Clock
  /** Spreads the retries of many processes. @default systemRandom */
  random?: Random
}

export const sqlDatabaseDefaults = {
  retryMs: 10_000,
  answerMs: 5_000,
  clock: systemClock,
  random: systemRandom,
} satisfies Required<SqlDatabaseOptions>

/** For messages about tables that are not there. */
export const initAdvice = 'run "triton checkpoint init" or call initCheckpointTable()'

/** For messages about tables that have our names and other columns. */
export const foreignTableAdvice =
  'another program made a table of that name (triton_checkpoint..., triton_lease): name another database or schema, or rename the table'
