import { type Clock, systemClock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { TritonCheckpointError } from '../errors.ts'
import { byClientStreamShard, checkCheckpoint, checkNames, isPositionOf } from './checkpoint-row.ts'
import type { Checkpoint, CheckpointRow, CheckpointStore } from './checkpoint-store.ts'
import { initAdvice, type SqlDatabase, type SqlQuery, type TransactionWork } from './sql-database.ts'

/**
 * The tables. The first is py-triton's and go-triton's: they insert into it by position, so it never gets a column.
 *
 *     triton_checkpoint         client, stream, shard, seq_num, updated (unix seconds)
 *     triton_checkpoint_detail  client, stream, shard, seq_num, sub_seq_num (or null), finished (0 or 1)
 *     triton_checkpoint_start   client, stream, timestamp_ms: when the client first started at latest
 *
 * A detail counts only while its seq_num is the one in the first table: when an old program moves a shard on, what we
 * knew about the former place is void by itself.
 */
const tables = {
  triton_checkpoint: `CREATE TABLE IF NOT EXISTS triton_checkpoint (
	client VARCHAR(255) NOT NULL,
	stream VARCHAR(255) NOT NULL,
	shard VARCHAR(255) NOT NULL,
	seq_num VARCHAR(255) NOT NULL,
	updated INTEGER NOT NULL,
	PRIMARY KEY (client, stream, shard))`,
  triton_checkpoint_detail: `CREATE TABLE IF NOT EXISTS triton_checkpoint_detail (
	client VARCHAR(255) NOT NULL,
	stream VARCHAR(255) NOT NULL,
	shard VARCHAR(255) NOT NULL,
	seq_num VARCHAR(255) NOT NULL,
	sub_seq_num BIGINT,
	finished INTEGER NOT NULL,
	PRIMARY KEY (client, stream, shard))`,
  triton_checkpoint_start: `CREATE TABLE IF NOT EXISTS triton_checkpoint_start (
	client VARCHAR(255) NOT NULL,
	stream VARCHAR(255) NOT NULL,
	timestamp_ms BIGINT NOT NULL,
	PRIMARY KEY (client, stream))`,
}
const mainTable = 'triton_checkpoint'
const tableNames = Object.keys(tables)

/** Checkpoints in SQLite or PostgreSQL, beside those of the old programs. */
export class SqlCheckpointStore implements CheckpointStore {
  readonly #database: SqlDatabase
  readonly #clock: Clock

  /** The store closes the database. */
  constructor(database: SqlDatabase, options: { clock?: Clock } = {}) {
    this.#database = database
    this.#clock = options.clock ?? systemClock
  }

  async init(): Promise<void> {
    await this.#database.transaction(work('create', 'create the checkpoint tables'), async (query) => {
      await createMissing(query, await this.#database.findTables(query, tableNames))
    })
  }

  async load(client: string, stream: string): Promise<Map<string, Checkpoint>> {
    checkNames(client, stream)
    const checkpoints = new Map<string, Checkpoint>()
    for (const row of await this.#read({ client, stream })) {
      const { shardId, sequenceNumber, subSequenceNumber, isFinished } = row
      if (!isPositionOf(shardId, sequenceNumber)) {
        report({ type: 'checkpoint-invalid', client, stream, shardId, value: sequenceNumber })
      } else {
        const checkpoint = { sequenceNumber, isFinished }
        checkpoints.set(shardId, subSequenceNumber === undefined ? checkpoint : { ...checkpoint, subSequenceNumber })
      }
    }
    return checkpoints
  }

  async save(client: string, stream: string, checkpoints: ReadonlyMap<string, Checkpoint>): Promise<void> {
    checkNames(client, stream)
    for (const [shardId, checkpoint] of checkpoints) checkCheckpoint(shardId, checkpoint)
    if (checkpoints.size === 0) return
    const startMs = this.#clock.monotonic()
    const updatedSeconds = Math.min(Math.floor(this.#clock.now() / 1000), largestUpdated)
    // The caller may go on with its map; and in one order for everybody, two processes can't wait for each other.
    const rows = Array.from(checkpoints, ([shardId, checkpoint]) => ({ shardId, ...checkpoint }))
    rows.sort((left, right) => (left.shardId < right.shardId ? -1 : 1))
    const purpose = `save the checkpoints of client ${client} on stream ${stream}`
    await this.#write(work('write', purpose, client, stream), async (query) => {
      for (let from = 0; from < rows.length; from += rowsPerStatement) {
        await upsert(query, client, stream, rows.slice(from, from + rowsPerStatement), updatedSeconds)
      }
    })
    const durationMs = this.#clock.monotonic() - startMs
    report({ type: 'checkpoint-saved', client, stream, shardCount: rows.length, durationMs })
  }

  async pinStart(client: string, stream: string, timestampMs: number): Promise<number> {
    checkNames(client, stream)
    const purpose = `remember the start of client ${client} on stream ${stream}`
    return this.#write(work('write', purpose, client, stream), async (query) => {
      await query(
        `INSERT INTO triton_checkpoint_start (client, stream, timestamp_ms) VALUES ($1, $2, $3)
         ON CONFLICT (client, stream) DO NOTHING`,
        [client, stream, Math.floor(timestampMs)],
      )
      const { rows } = await query(
        'SELECT timestamp_ms FROM triton_checkpoint_start WHERE client = $1 AND stream = $2',
        [client, stream],
      )
      return Number(rows[0]?.['timestamp_ms'])
    })
  }

  async list(filter: { client?: string; stream?: string } = {}): Promise<CheckpointRow[]> {
    return (await this.#read(filter)).sort(byClientStreamShard)
  }

  async reset(client: string, stream: string, shardIds?: readonly string[]): Promise<number> {
    checkNames(client, stream)
    const purpose = `reset the checkpoints of client ${client} on stream ${stream}`
    return this.#write(work('write', purpose, client, stream), async (query) => {
      if (shardIds === undefined) {
        const those = 'WHERE client = $1 AND stream = $2'
        await query(`DELETE FROM triton_checkpoint_detail ${those}`, [client, stream])
        await query(`DELETE FROM triton_checkpoint_start ${those}`, [client, stream])
        return (await query(`DELETE FROM triton_checkpoint ${those}`, [client, stream])).changedCount
      }
      let resetCount = 0
      for (let from = 0; from < shardIds.length; from += rowsPerStatement) {
        const some = shardIds.slice(from, from + rowsPerStatement)
        await deleteShards(query, 'triton_checkpoint_detail', client, stream, some)
        resetCount += await deleteShards(query, 'triton_checkpoint', client, stream, some)
      }
      return resetCount
    })
  }

  async close(): Promise<void> {
    await this.#database.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #read(filter: { client?: string; stream?: string }): Promise<CheckpointRow[]> {
    const purpose = 'read the checkpoints'
    return this.#database.transaction(work('read', purpose, filter.client, filter.stream), async (query) => {
      const found = await this.#database.findTables(query, tableNames)
      this.#checkMainTable(found)
      const { client, stream } = filter
      const conditions = [
        ...(client === undefined ? [] : [{ column: 'client', value: client }]),
        ...(stream === undefined ? [] : [{ column: 'stream', value: stream }]),
      ]
      const where = conditions.map(({ column }, index) => `c.${column} = $${index + 1}`).join(' AND ')
      const { rows } = await query(
        `${found.has('triton_checkpoint_detail') ? selectWithDetail : selectMainOnly}${where && ` WHERE ${where}`}`,
        conditions.map(({ value }) => value),
      )
      return rows.map(toRow)
    })
  }

  /**
   * A table that an old program made is continued without a word; where there is none at all, somebody must say so.
   * Looked at each time: it costs one small statement, and whatever becomes of the tables, a save knows.
   */
  #write<T>(what: TransactionWork, act: (query: SqlQuery) => Promise<T>): Promise<T> {
    return this.#database.transaction(what, async (query) => {
      const found = await this.#database.findTables(query, tableNames)
      this.#checkMainTable(found)
      await createMissing(query, found)
      return act(query)
    })
  }

  #checkMainTable(found: ReadonlySet<string>): void {
    if (found.has(mainTable)) return
    throw new TritonCheckpointError(`${this.#database.place} has no table ${mainTable}: ${initAdvice}`)
  }
}

/** Not left to IF NOT EXISTS: PostgreSQL refuses that to who may not create tables, even where they are. */
async function createMissing(query: SqlQuery, found: ReadonlySet<string>): Promise<void> {
  for (const [name, statement] of Object.entries(tables)) if (!found.has(name)) await query(statement)
}

interface SavedRow extends Checkpoint {
  shardId: string
}

/** Well below the 32,766 values that one SQLite statement takes. */
const rowsPerStatement = 1_000

/** The column is INTEGER, four bytes in PostgreSQL: the year 2038 may not stop anybody's checkpoints. */
const largestUpdated = 0x7fff_ffff

async function upsert(query: SqlQuery, client: string, stream: string, rows: SavedRow[], updatedSeconds: number) {
  await query(
    `INSERT INTO triton_checkpoint (client, stream, shard, seq_num, updated)
     VALUES ${rows.map((_, index) => `($1, $2, $${2 * index + 4}, $${2 * index + 5}, $3)`).join(', ')}
     ON CONFLICT (client, stream, shard) DO UPDATE SET seq_num = excluded.seq_num, updated = excluded.updated`,
    [client, stream, updatedSeconds, ...rows.flatMap((row) => [row.shardId, row.sequenceNumber])],
  )
  const shardIds = rows.map((row) => row.shardId)
  await deleteShards(query, 'triton_checkpoint_detail', client, stream, shardIds)
  const detailed = rows.filter((row) => row.isFinished || row.subSequenceNumber !== undefined)
  if (detailed.length === 0) return
  const places = (index: number) => [3, 4, 5, 6].map((column) => `$${4 * index + column}`).join(', ')
  await query(
    `INSERT INTO triton_checkpoint_detail (client, stream, shard, seq_num, sub_seq_num, finished)
     VALUES ${detailed.map((_, index) => `($1, $2, ${places(index)})`).join(', ')}`,
    [
      client,
      stream,
      ...detailed.flatMap((row) => [
        row.shardId,
        row.sequenceNumber,
        row.subSequenceNumber ?? null,
        row.isFinished ? 1 : 0,
      ]),
    ],
  )
}

async function deleteShards(query: SqlQuery, table: string, client: string, stream: string, shardIds: string[]) {
  const places = shardIds.map((_, index) => `$${index + 3}`).join(', ')
  const { changedCount } = await query(
    `DELETE FROM ${table} WHERE client = $1 AND stream = $2 AND shard IN (${places})`,
    [client, stream, ...shardIds],
  )
  return changedCount
}

const selectWithDetail = `SELECT c.client, c.stream, c.shard, c.seq_num, c.updated, d.sub_seq_num, d.finished
FROM triton_checkpoint c LEFT JOIN triton_checkpoint_detail d
ON d.client = c.client AND d.stream = c.stream AND d.shard = c.shard AND d.seq_num = c.seq_num`

const selectMainOnly = 'SELECT c.client, c.stream, c.shard, c.seq_num, c.updated FROM triton_checkpoint c'

function toRow(row: Record<string, unknown>): CheckpointRow {
  const subSequenceNumber = row['sub_seq_num'] ?? undefined
  return {
    client: String(row['client']),
    stream: String(row['stream']),
    shardId: String(row['shard']),
    sequenceNumber: String(row['seq_num']),
    ...(subSequenceNumber === undefined ? {} : { subSequenceNumber: Number(subSequenceNumber) }),
    isFinished: Number(row['finished'] ?? 0) === 1,
    updatedSeconds: Number(row['updated']),
  }
}

function work(mode: TransactionWork['mode'], purpose: string, client = '', stream = ''): TransactionWork {
  return {
    mode,
    purpose,
    onRetry: (errorCode, attempt, delayMs) =>
      report({ type: 'checkpoint-retry', client, stream, errorCode, attempt, delayMs }),
  }
}
