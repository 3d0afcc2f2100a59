import { type Clock, systemClock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { checkChanges } from './check-changes.ts'
import { checkNames, maxTextLength } from './checkpoint-row.ts'
import type { Checkpoint, CheckpointStore } from './checkpoint-store.ts'
import {
  checkMainTable,
  checkpointColumns,
  checkpointTables,
  createMissing,
  saveCheckpoints,
} from './checkpoint-tables.ts'
import { type GivenColumn, givenRows } from './given-rows.ts'
import { checkpointOf, isCounter, leaseAfter } from './lease-rules.ts'
import type { Lease, LeaseAnswer, LeaseChange, LeaseState, LeaseStore } from './lease-store.ts'
import { SqlCheckpointStore } from './sql-checkpoint-store.ts'
import type { SqlDatabase, SqlQuery, SqlResult, TransactionWork } from './sql-database.ts'

/**
 * The table of leases, beside those of the checkpoints:
 *
 *     triton_lease  client, stream, name (a shard id, or what else is leased), owner (or ''), counter, wanted_by (or ''),
 *                   parents (shard ids with commas), state (new, begun, finished),
 *                   behind_ms (or -1), bytes_per_second (or -1), trouble (or '')
 *
 * A row that somebody else wrote is read as far as it makes sense: what is no counter counts as -1, which any take
 * replaces.
 */
const tables = {
  ...checkpointTables,
  triton_lease: `CREATE TABLE IF NOT EXISTS triton_lease (
	client VARCHAR(255) NOT NULL,
	stream VARCHAR(255) NOT NULL,
	name VARCHAR(255) NOT NULL,
	owner VARCHAR(255) NOT NULL,
	counter BIGINT NOT NULL,
	wanted_by VARCHAR(255) NOT NULL,
	parents VARCHAR(255) NOT NULL,
	state VARCHAR(255) NOT NULL,
	behind_ms BIGINT NOT NULL,
	bytes_per_second BIGINT NOT NULL,
	trouble VARCHAR(255) NOT NULL,
	PRIMARY KEY (client, stream, name))`,
}
const tableNames = Object.keys(tables)

/** Leases in SQLite or PostgreSQL. A round of 1,000 renewals with their checkpoints is a handful of statements. */
export class SqlLeaseStore implements LeaseStore {
  readonly checkpoints: CheckpointStore
  readonly #database: SqlDatabase
  readonly #clock: Clock

  /** The store closes the database. */
  constructor(database: SqlDatabase, options: { clock?: Clock } = {}) {
    this.#database = database
    this.#clock = options.clock ?? systemClock
    this.checkpoints = new SqlCheckpointStore(database, options)
  }

  async init(): Promise<void> {
    await this.#database.transaction(work('create', 'create the lease tables', '', ''), async (query) => {
      await createMissing(query, tables, await this.#database.findTables(query, tableNames))
      for (const columns of [...checkpointColumns, `${select} WHERE 1 = 0`]) await query(columns)
    })
  }

  async list(client: string, stream: string): Promise<Lease[]> {
    checkNames(client, stream)
    const what = work('read', `read the leases of client ${client} on stream ${stream}`, client, stream)
    return this.#database.transaction(what, async (query) => {
      const found = await this.#database.findTables(query, tableNames)
      checkMainTable(this.#database, found)
      if (!found.has('triton_lease')) return []
      const { rows } = await query(`${select} WHERE client = $1 AND stream = $2`, [client, stream])
      return rows.map(toLease)
    })
  }

  async apply(client: string, stream: string, changes: readonly LeaseChange[]): Promise<LeaseAnswer[]> {
    checkNames(client, stream)
    checkChanges(changes)
    if (changes.length === 0) return []
    const startMs = this.#clock.monotonic()
    const checkpoints = new Map<string, Checkpoint>()
    const purpose = `change the leases of client ${client} on stream ${stream}`
    const answers = await this.#database.transaction(work('write', purpose, client, stream), async (query) => {
      const found = await this.#database.findTables(query, tableNames)
      checkMainTable(this.#database, found)
      await createMissing(query, tables, found)
      checkpoints.clear()
      return change(new LeaseRows(this.#database, query, client, stream), changes, checkpoints, (rows) =>
        saveCheckpoints(this.#database, query, client, stream, rows, this.#clock.now()),
      )
    })
    if (checkpoints.size > 0) {
      const durationMs = this.#clock.monotonic() - startMs
      report({ type: 'checkpoint-saved', client, stream, shardCount: checkpoints.size, durationMs })
    }
    return answers
  }

  async close(): Promise<void> {
    await this.#database.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Rows are made first, then locked, then judged: two who make the same lease at once both find the one row afterwards,
 * one of them as the other left it.
 */
async function change(
  rows: LeaseRows,
  changes: readonly LeaseChange[],
  checkpoints: Map<string, Checkpoint>,
  save: (checkpoints: ReadonlyMap<string, Checkpoint>) => Promise<void>,
): Promise<LeaseAnswer[]> {
  const made = changes.filter(({ type }) => type === 'create').map((create) => leaseAfter(undefined, create).lease)
  await rows.insertMissing(made.filter((lease) => lease !== undefined))
  const leases = await rows.lock([...new Set(changes.map(({ name }) => name))].sort())
  const changed = new Set<string>()
  const answers = changes.map((change) => {
    const answer = leaseAfter(leases.get(change.name), change)
    if (answer.lease !== leases.get(change.name)) changed.add(change.name)
    if (answer.lease === undefined) leases.delete(change.name)
    else leases.set(change.name, answer.lease)
    const checkpoint = checkpointOf(change, answer)
    if (checkpoint !== undefined) checkpoints.set(change.name, checkpoint)
    return answer
  })
  const names = [...changed].sort()
  await rows.update(names.map((name) => leases.get(name)).filter((lease) => lease !== undefined))
  await rows.delete(names.filter((name) => !leases.has(name)))
  await save(checkpoints)
  return answers
}

/** The lease rows of one client on one stream, within one transaction. */
class LeaseRows {
  readonly #database: SqlDatabase
  readonly #query: SqlQuery
  readonly #place: readonly [client: string, stream: string]

  constructor(database: SqlDatabase, query: SqlQuery, client: string, stream: string) {
    this.#database = database
    this.#query = query
    this.#place = [client, stream]
  }

  async insertMissing(leases: readonly Lease[]): Promise<void> {
    await this.#insert(leases, 'ON CONFLICT (client, stream, name) DO NOTHING')
  }

  async update(leases: readonly Lease[]): Promise<void> {
    await this.#insert(leases, overwrite)
  }

  async lock(names: readonly string[]): Promise<Map<string, Lease>> {
    const { rows } = await this.#those(names, (those) => `${select} ${those} ORDER BY name${this.#database.forUpdate}`)
    return new Map(rows.map((row) => [String(row['name']), toLease(row)]))
  }

  async delete(names: readonly string[]): Promise<void> {
    if (names.length > 0) await this.#those(names, (those) => `DELETE FROM triton_lease ${those}`)
  }

  #those(names: readonly string[], statement: (those: string) => string): Promise<SqlResult> {
    const given = givenRows(this.#database, '$3', [{ name: 'name', type: 'text' }])
    return this.#query(statement(`WHERE client = $1 AND stream = $2 AND name IN (SELECT name FROM ${given})`), [
      ...this.#place,
      JSON.stringify(names.map((name) => [name])),
    ])
  }

  /** In the order of their names: so two processes can't wait for each other. */
  async #insert(leases: readonly Lease[], onConflict: string): Promise<void> {
    if (leases.length === 0) return
    await this.#query(
      `INSERT INTO triton_lease (client, stream, ${columnNames})
       SELECT $1, $2, ${columnNames} FROM ${givenRows(this.#database, '$3', columns)} WHERE true ORDER BY name ${onConflict}`,
      [...this.#place, JSON.stringify(leases.map(toValues))],
    )
  }
}

const columns: GivenColumn[] = [
  ...['name', 'owner'].map((name): GivenColumn => ({ name, type: 'text' })),
  { name: 'counter', type: 'number' },
  ...['wanted_by', 'parents', 'state'].map((name): GivenColumn => ({ name, type: 'text' })),
  { name: 'behind_ms', type: 'number' },
  { name: 'bytes_per_second', type: 'number' },
  { name: 'trouble', type: 'text' },
]
const columnNames = columns.map(({ name }) => name).join(', ')

const select = `SELECT ${columnNames} FROM triton_lease`

const overwrite = `ON CONFLICT (client, stream, name) DO UPDATE SET ${columns
  .slice(1)
  .map(({ name }) => `${name} = excluded.${name}`)
  .join(', ')}`

function toValues({ name, owner, counter, wantedBy, parentIds, state, facts }: Lease): (string | number)[] {
  const [behindMs, bytesPerSecond] = [Math.round(facts.behindMs), Math.round(facts.bytesPerSecond)]
  const parents = parentIds.join(',')
  return [name, owner, counter, wantedBy, parents, state, behindMs, bytesPerSecond, storable(facts.trouble)]
}

/** What a handler says when it fails may hold anything; its lease is renewed nevertheless. */
function storable(text: string): string {
  if (text === '') return text
  return [...text.slice(0, 2 * maxTextLength)]
    .slice(0, maxTextLength)
    .join('')
    .replaceAll(/[\0\p{Surrogate}]/gu, '\ufffd')
}

function toLease(row: Record<string, unknown>): Lease {
  const counter = Number(row['counter'])
  const parents = String(row['parents'])
  return {
    name: String(row['name']),
    owner: String(row['owner']),
    counter: isCounter(counter) ? counter : -1,
    wantedBy: String(row['wanted_by']),
    parentIds: parents === '' ? [] : parents.split(','),
    state: toState(row['state']),
    facts: {
      behindMs: toFact(row['behind_ms']),
      bytesPerSecond: toFact(row['bytes_per_second']),
      trouble: String(row['trouble']),
    },
  }
}

function toState(value: unknown): LeaseState {
  return value === 'begun' || value === 'finished' ? value : 'new'
}

function toFact(value: unknown): number {
  const number = Number(value)
  return number >= 0 ? number : -1
}

function work(mode: TransactionWork['mode'], purpose: string, client: string, stream: string): TransactionWork {
  return {
    mode,
    purpose,
    onRetry: (errorCode, attempt, delayMs) =>
      report({ type: 'checkpoint-retry', client, stream, errorCode, attempt, delayMs }),
  }
}
