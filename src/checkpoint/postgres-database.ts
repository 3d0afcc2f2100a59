import type { Pool, PoolClient, PoolConfig } from 'pg'
import { assert, ClosedError, TritonCheckpointError, TritonError } from '../errors.ts'
import type { PostgresAddress } from './postgres-address.ts'
import { loginOf, postgresTls } from './postgres-login.ts'
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
 * One PostgreSQL database, through a pool of few connections. A connection on which anything failed is thrown away,
 * and the server rolls back what was open on it.
 *
 * A try whose answer was lost may still be committing on the server while the next one begins. That is in order: each
 * statement is sent after the answer to the one before, so a lost transaction can only commit when it stood at COMMIT,
 * and then it holds the locks of its rows until it has. The next try waits for them and comes last.
 */
export class PostgresDatabase implements SqlDatabase {
  readonly place: string
  readonly forUpdate = ' FOR UPDATE'
  readonly #address: PostgresAddress
  readonly #options: Required<SqlDatabaseOptions>
  readonly #closing = new AbortController()
  readonly #inHand = new Set<Promise<unknown>>()
  #lastWrite: Promise<unknown> = Promise.resolve()
  #pool: Pool | undefined
  /** sslmode=prefer against a server without TLS: what libpq does then, too. */
  #isPlain = false
  #closed: Promise<void> | undefined

  constructor(address: PostgresAddress, options: SqlDatabaseOptions = {}) {
    this.#address = address
    this.#options = { ...sqlDatabaseDefaults, ...options }
    const { host, port, database, user } = loginOf(address)
    const at = host.startsWith('/') ? `${host} (socket, port ${port})` : `${host}:${port}`
    this.place = `PostgreSQL database "${database}" at ${at} (user "${user}")`
  }

  async transaction<T>(work: TransactionWork, act: (query: SqlQuery) => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw new ClosedError(`can't ${work.purpose}: the store was closed`)
    const turn = work.mode === 'read' ? Promise.resolve() : this.#lastWrite
    const done = turn.then(() => this.#retry(work, act))
    const settled: Promise<unknown> = done.catch(() => undefined).finally(() => this.#inHand.delete(settled))
    this.#inHand.add(settled)
    if (work.mode !== 'read') this.#lastWrite = settled
    return done
  }

  elementsOf(place: string): string {
    return `json_array_elements(${place}::json)`
  }

  async findTables(query: SqlQuery, names: readonly string[]): Promise<Set<string>> {
    const columns = names.map((_, index) => `to_regclass($${index + 1}::text) AS table${index}`)
    const [found] = (await query(`SELECT ${columns.join(', ')}`, names)).rows
    return new Set(names.filter((_, index) => found?.[`table${index}`] !== null))
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#closing.abort()
    await Promise.all(this.#inHand)
    await this.#pool?.end()
  }

  async #retry<T>(work: TransactionWork, act: (query: SqlQuery) => Promise<T>): Promise<T> {
    try {
      return await retryUntil(() => this.#attempt(work.mode, act), {
        ...this.#options,
        firstDelayMs: 50,
        longestDelayMs: 1_000,
        signal: this.#closing.signal,
        isTransient,
        onRetry: (error, attempt, delayMs) => work.onRetry(codeOf(error), attempt, delayMs),
      })
    } catch (error) {
      if (error instanceof TritonError) throw error
      throw new TritonCheckpointError(`can't ${work.purpose}: ${this.place}: ${this.#explain(error)}`, {
        cause: error,
        retryable: isTransient(error),
      })
    }
  }

  async #attempt<T>(mode: TransactionWork['mode'], act: (query: SqlQuery) => Promise<T>): Promise<T> {
    const client = await this.#connect()
    let isWhole = false
    try {
      await client.query(this.#begin(mode))
      const result = await act(async (text, values = []) => {
        const { rows, rowCount } = await client.query<Record<string, unknown>>(text, [...values])
        return { rows, changedCount: rowCount ?? 0 }
      })
      const { command } = await client.query('COMMIT')
      assert(command === 'COMMIT', 'a transaction none of whose statements failed is committed, not rolled back')
      isWhole = true
      return result
    } finally {
      client.release(!isWhole)
    }
  }

  /**
   * Begins, in one exchange with the server. A process that is stopped in the middle of a transaction (SIGSTOP, a paused
   * machine, a network that is gone) holds its locks for as long as its session lives, and who wants its leases would
   * wait: the server ends it. Nor does a try that nobody waits for any more stay in line for a lock, or each one leaves a
   * connection behind until the server has none left. Said here instead of at login, where poolers refuse it.
   */
  #begin(mode: TransactionWork['mode']): string {
    const lockMs = Math.max(1, Math.floor(this.#options.answerMs * 0.9))
    const begin = mode === 'read' ? 'BEGIN READ ONLY' : 'BEGIN'
    return `${begin}; SET LOCAL idle_in_transaction_session_timeout = ${standStillMs}; SET LOCAL lock_timeout = ${lockMs}`
  }

  async #connect(): Promise<PoolClient> {
    const driver = await import('pg')
    const pool = this.#pool ?? this.#makePool(driver.Pool)
    this.#pool = pool
    try {
      return await pool.connect()
    } catch (error) {
      if (!this.#isTlsOptional() || !isTlsUnsupported(error)) throw error
      if (this.#pool === pool) {
        this.#isPlain = true
        this.#pool = undefined
        await pool.end()
      }
      return this.#connect()
    }
  }

  #isTlsOptional(): boolean {
    return ['allow', 'prefer'].includes(this.#address.sslmode ?? 'prefer')
  }

  #makePool(NewPool: typeof Pool): Pool {
    const { application_name = 'triton', connect_timeout, options } = this.#address
    const config: PoolConfig = {
      ...loginOf(this.#address),
      ssl: this.#isPlain ? false : postgresTls(this.#address),
      application_name,
      ...(options === undefined ? {} : { options }),
      max: largestPool,
      connectionTimeoutMillis: Number(connect_timeout ?? 0) * 1000 || this.#options.answerMs,
      query_timeout: this.#options.answerMs,
      idleTimeoutMillis: 30_000,
      keepAlive: true,
      allowExitOnIdle: true,
    }
    const pool = new NewPool(config)
    const ignore = () => undefined
    pool.on('error', ignore) // an idle connection broke; the pool has dropped it and will make another
    // In hand, the query that is running fails with the same error, or the next one. From the first moment on: the server
    // may end a session in the same breath in which it is ready, before whoever waits for it can listen.
    pool.on('connect', (client) => client.on('error', ignore))
    return pool
  }

  #explain(error: unknown): string {
    const text = textOf(error)
    if (codeOf(error) === '42P01') return `${text}; ${initAdvice}`
    if (codeOf(error) === '42703') return `${text}; ${foreignTableAdvice}`
    if (codeOf(error) === '28P01') return `${text}; correct the password (in the address, PGPASSWORD or ~/.pgpass)`
    if (codeOf(error) === '42501')
      return `${text}; let "triton checkpoint init" run as a user who may create tables, and grant them`
    if (!isTransient(error)) return text
    const advice = isSqlState(error) ? '' : '; is it running, and reachable from here?'
    return `${text} (tried for up to ${this.#options.retryMs} ms)${advice}`
  }
}

/** A reader and a lease renewal side by side; a fleet of hundreds of processes must fit into one server. */
const largestPool = 2

/** A turn of a busy event loop lies between two statements; a lease is held for longer (`failoverMs`, 5 s by default). */
const standStillMs = 2_000

/** Appendix A of PostgreSQL's manual: what a later try, perhaps on another connection, may not meet again. */
const transientStates = new Set([
  '25P03', // we stood still in the middle of the transaction
  '25006', // read-only transaction: we still talk to the former primary after a failover
  '40001', // serialization failure
  '40P01', // deadlock
  '55P03', // lock not available
  '57014', // query canceled, by the server's own timeout
  '57P01', // the administrator stops the server
  '57P02', // another server process crashed
  '57P03', // the server is starting
  '57P05', // the connection was idle for too long
])

function isTransient(error: unknown): boolean {
  const code = codeOf(error)
  if (isSqlState(error)) {
    return transientStates.has(code) || /^(08|53)/.test(code) || isCreationRace(error)
  }
  return networkCodes.has(code) || lostInPg.test(textOf(error))
}

/** CREATE TABLE IF NOT EXISTS looks first and creates then; two at once meet in the catalogue's unique indexes. */
function isCreationRace(error: unknown): boolean {
  const code = codeOf(error)
  const constraint = error instanceof Error && 'constraint' in error ? String(error.constraint) : ''
  return code === '42P07' || code === '42710' || (code === '23505' && constraint.startsWith('pg_'))
}

const networkCodes = new Set(
  'EAI_AGAIN ECONNABORTED ECONNREFUSED ECONNRESET EHOSTUNREACH ENETDOWN ENETUNREACH ENOENT ENOTFOUND EPIPE ETIMEDOUT'.split(
    ' ',
  ),
)

/** What pg says, without a code, of a connection that broke, was slow to come, or gave no answer in time. */
const lostInPg =
  /connection terminated|connection error|connection timeout|timeout expired|timeout exceeded|read timeout/i

function isSqlState(error: unknown): boolean {
  return error instanceof Error && 'severity' in error && /^[0-9A-Z]{5}$/.test(codeOf(error))
}

function isTlsUnsupported(error: unknown): boolean {
  return textOf(error).includes('does not support SSL')
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return /timeout/i.test(textOf(error)) ? 'ETIMEDOUT' : 'ECONNLOST'
}

/** A name with several addresses fails with one error for each, and no text of its own. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(textOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}
