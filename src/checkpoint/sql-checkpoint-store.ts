import { type Clock, systemClock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { byClientStreamShard, checkCheckpoint, checkNames, isPositionOf } from './checkpoint-row.ts'
import type { Checkpoint, CheckpointRow, CheckpointStore } from './checkpoint-store.ts'
import {
  checkMainTable,
  checkpointColumns,
  checkpointTables,
  createMissing,
  deleteShards,
  saveCheckpoints,
} from './checkpoint-tables.ts'
import type { SqlDatabase, SqlQuery, TransactionWork } from './sql-database.ts'

const tableNames = Object.keys(checkpointTables)

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
      await createMissing(query, checkpointTables, await this.#database.findTables(query, tableNames))
      for (const columns of checkpointColumns) await query(columns)
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
    const copied = new Map(checkpoints) // the caller may go on with its map
    const purpose = `save the checkpoints of client ${client} on stream ${stream}`
    await this.#write(work('write', purpose, client, stream), (query) =>
      saveCheckpoints(this.#database, query, client, stream, copied, this.#clock.now()),
    )
    const durationMs = this.#clock.monotonic() - startMs
    report({ type: 'checkpoint-saved', client, stream, shardCount: copied.size, durationMs })
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
      await deleteShards(this.#database, query, 'triton_checkpoint_detail', client, stream, shardIds)
      return deleteShards(this.#database, query, 'triton_checkpoint', client, stream, shardIds)
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
      checkMainTable(this.#database, found)
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

  #write<T>(what: TransactionWork, act: (query: SqlQuery) => Promise<T>): Promise<T> {
    return this.#database.transaction(what, async (query) => {
      const found = await this.#database.findTables(query, tableNames)
      checkMainTable(this.#database, found)
      await createMissing(query, checkpointTables, found)
      return act(query)
    })
  }
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
