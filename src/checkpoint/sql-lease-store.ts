import { type Clock, systemClock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { checkChanges } from './check-changes.ts'
import { checkNames, maxTextLength } from './checkpoint-row.ts'
import type { Checkpoint, CheckpointStore } from './checkpoint-store.ts'
import {
  checkMainTable,
  checkpointTables,
  createMissing,
  rowsPerStatement,
  saveCheckpoints,
} from './checkpoint-tables.ts'
import { checkpointOf, isCounter, leaseAfter } from './lease-rules.ts'
import type { Lease, LeaseAnswer, LeaseChange, LeaseState, LeaseStore } from './lease-store.ts'
import { SqlCheckpointStore } from './sql-checkpoint-store.ts'
import type { SqlDatabase, SqlQuery, TransactionWork } from './sql-database.ts'

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
      return change(new LeaseRows(query, client, stream, this.#database.forUpdate), changes, checkpoints, (rows) =>
        saveCheckpoints(query, client, stream, rows, this.#clock.now()),
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
  readonly #query: SqlQuery
  readonly #place: readonly [client: string, stream: string]
  readonly #forUpdate: string

  constructor(query: SqlQuery, client: string, stream: string, forUpdate: string) {
    this.#query = query
    this.#place = [client, stream]
    this.#forUpdate = forUpdate
  }

  async insertMissing(leases: readonly Lease[]): Promise<void> {
    const sorted = [...leases].sort((left, right) => (left.name < right.name ? -1 : 1))
    for (const some of inParts(sorted)) await this.#insert(some, 'ON CONFLICT (client, stream, name) DO NOTHING')
  }

  async update(leases: readonly Lease[]): Promise<void> {
    for (const some of inParts(leases)) await this.#insert(some, overwrite)
  }

  async lock(names: readonly string[]): Promise<Map<string, Lease>> {
    const leases = new Map<string, Lease>()
    for (const some of inParts(names)) {
      const { rows } = await this.#query(`${select} ${this.#those(some)} ORDER BY name${this.#forUpdate}`, [
        ...this.#place,
        ...some,
      ])
      for (const row of rows) leases.set(String(row['name']), toLease(row))
    }
    return leases
  }

  async delete(names: readonly string[]): Promise<void> {
    for (const some of inParts(names)) {
      await this.#query(`DELETE FROM triton_lease ${this.#those(some)}`, [...this.#place, ...some])
    }
  }

  #those(names: readonly string[]): string {
    return `WHERE client = $1 AND stream = $2 AND name IN (${names.map((_, index) => `$${index + 3}`).join(', ')})`
  }

  async #insert(leases: readonly Lease[], onConflict: string): Promise<void> {
    const places = (row: number) => valueColumns.map((_, column) => `$${row * valueColumns.length + column + 3}`)
    await this.#query(
      `INSERT INTO triton_lease (client, stream, ${valueColumns.join(', ')})
       VALUES ${leases.map((_, row) => `($1, $2, ${places(row).join(', ')})`).join(', ')} ${onConflict}`,
      [...this.#place, ...leases.flatMap(toValues)],
    )
  }
}

const valueColumns = [
  ...['name', 'owner', 'counter', 'wanted_by', 'parents', 'state'],
  ...['behind_ms', 'bytes_per_second', 'trouble'],
]

const select = `SELECT ${valueColumns.join(', ')} FROM triton_lease`

const overwrite = `ON CONFLICT (client, stream, name) DO UPDATE SET ${valueColumns
  .slice(1)
  .map((column) => `${column} = excluded.${column}`)
  .join(', ')}`

function toValues(lease: Lease): (string | number)[] {
  const { behindMs, bytesPerSecond, trouble } = lease.facts
  return [
    ...[lease.name, lease.owner, lease.counter, lease.wantedBy, lease.parentIds.join(','), lease.state],
    ...[Math.round(behindMs), Math.round(bytesPerSecond), [...trouble].slice(0, maxTextLength).join('')],
  ]
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

function* inParts<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += rowsPerStatement) yield all.slice(from, from + rowsPerStatement)
}

function work(mode: TransactionWork['mode'], purpose: string, client: string, stream: string): TransactionWork {
  return {
    mode,
    purpose,
    onRetry: (errorCode, attempt, delayMs) =>
      report({ type: 'checkpoint-retry', client, stream, errorCode, attempt, delayMs }),
  }
}
