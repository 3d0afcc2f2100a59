import { TritonCheckpointError } from '../errors.ts'
import type { Checkpoint } from './checkpoint-store.ts'
import { type GivenColumn, givenRows } from './given-rows.ts'
import { initAdvice, type SqlDatabase, type SqlQuery } from './sql-database.ts'

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
export const checkpointTables = {
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

/**
 * A table that an old program made is continued without a word; where there is none at all, somebody must say so.
 * Looked at each time: it costs one small statement, and whatever becomes of the tables, a write knows.
 */
export function checkMainTable(database: SqlDatabase, found: ReadonlySet<string>): void {
  if (found.has(mainTable)) return
  throw new TritonCheckpointError(`${database.place} has no table ${mainTable}: ${initAdvice}`)
}

/** Not left to IF NOT EXISTS: PostgreSQL refuses that to who may not create tables, even where they are. */
export async function createMissing(
  query: SqlQuery,
  tables: Readonly<Record<string, string>>,
  found: ReadonlySet<string>,
): Promise<void> {
  for (const [name, statement] of Object.entries(tables)) if (!found.has(name)) await query(statement)
}

/** Asked where tables are made: one of another program is told there, not by the first who writes. */
export const checkpointColumns = [
  'SELECT client, stream, shard, seq_num, updated FROM triton_checkpoint WHERE 1 = 0',
  'SELECT client, stream, shard, seq_num, sub_seq_num, finished FROM triton_checkpoint_detail WHERE 1 = 0',
  'SELECT client, stream, timestamp_ms FROM triton_checkpoint_start WHERE 1 = 0',
]

interface SavedRow extends Checkpoint {
  shardId: string
}

/** The column is INTEGER, four bytes in PostgreSQL: the year 2038 may not stop anybody's checkpoints. */
const largestUpdated = 0x7fff_ffff

/** Writes all of them, in the order of their shards: so two processes can't wait for each other. */
export async function saveCheckpoints(
  database: SqlDatabase,
  query: SqlQuery,
  client: string,
  stream: string,
  checkpoints: ReadonlyMap<string, Checkpoint>,
  nowMs: number,
): Promise<void> {
  if (checkpoints.size === 0) return
  const updatedSeconds = Math.min(Math.floor(nowMs / 1000), largestUpdated)
  const rows: SavedRow[] = Array.from(checkpoints, ([shardId, checkpoint]) => ({ shardId, ...checkpoint }))
  rows.sort((left, right) => (left.shardId < right.shardId ? -1 : 1))
  const positions = rows.map(({ shardId, sequenceNumber }) => [shardId, sequenceNumber])
  await query(
    `INSERT INTO triton_checkpoint (client, stream, shard, seq_num, updated)
     SELECT $1, $2, shard, seq_num, $3 FROM ${givenRows(database, '$4', positionColumns)} WHERE true ORDER BY shard
     ON CONFLICT (client, stream, shard) DO UPDATE SET seq_num = excluded.seq_num, updated = excluded.updated`,
    [client, stream, updatedSeconds, JSON.stringify(positions)],
  )
  const shardIds = rows.map((row) => row.shardId)
  await deleteShards(database, query, 'triton_checkpoint_detail', client, stream, shardIds)
  const details = rows
    .filter((row) => row.isFinished || row.subSequenceNumber !== undefined)
    .map((row) => [row.shardId, row.sequenceNumber, row.subSequenceNumber ?? null, row.isFinished ? 1 : 0])
  if (details.length === 0) return
  await query(
    `INSERT INTO triton_checkpoint_detail (client, stream, shard, seq_num, sub_seq_num, finished)
     SELECT $1, $2, shard, seq_num, sub_seq_num, finished FROM ${givenRows(database, '$3', detailColumns)}`,
    [client, stream, JSON.stringify(details)],
  )
}

const positionColumns: GivenColumn[] = [
  { name: 'shard', type: 'text' },
  { name: 'seq_num', type: 'text' },
]
const detailColumns: GivenColumn[] = [
  ...positionColumns,
  { name: 'sub_seq_num', type: 'number' },
  { name: 'finished', type: 'number' },
]

export async function deleteShards(
  database: SqlDatabase,
  query: SqlQuery,
  table: string,
  client: string,
  stream: string,
  shardIds: readonly string[],
): Promise<number> {
  const given = givenRows(database, '$3', [{ name: 'shard', type: 'text' }])
  const { changedCount } = await query(
    `DELETE FROM ${table} WHERE client = $1 AND stream = $2 AND shard IN (SELECT shard FROM ${given})`,
    [client, stream, JSON.stringify(shardIds.map((shardId) => [shardId]))],
  )
  return changedCount
}
