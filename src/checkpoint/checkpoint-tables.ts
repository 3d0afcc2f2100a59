import { TritonCheckpointError } from '../errors.ts'
import type { Checkpoint } from './checkpoint-store.ts'
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

interface SavedRow extends Checkpoint {
  shardId: string
}

/** Well below the 32,766 values that one SQLite statement takes. */
export const rowsPerStatement = 1_000

/** The column is INTEGER, four bytes in PostgreSQL: the year 2038 may not stop anybody's checkpoints. */
const largestUpdated = 0x7fff_ffff

/** Writes all of them, in the order of their shards: so two processes can't wait for each other. */
export async function saveCheckpoints(
  query: SqlQuery,
  client: string,
  stream: string,
  checkpoints: ReadonlyMap<string, Checkpoint>,
  nowMs: number,
): Promise<void> {
  const updatedSeconds = Math.min(Math.floor(nowMs / 1000), largestUpdated)
  const rows = Array.from(checkpoints, ([shardId, checkpoint]) => ({ shardId, ...checkpoint }))
  rows.sort((left, right) => (left.shardId < right.shardId ? -1 : 1))
  for (let from = 0; from < rows.length; from += rowsPerStatement) {
    await upsert(query, client, stream, rows.slice(from, from + rowsPerStatement), updatedSeconds)
  }
}

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

export async function deleteShards(query: SqlQuery, table: string, client: string, stream: string, shardIds: string[]) {
  const places = shardIds.map((_, index) => `$${index + 3}`).join(', ')
  const { changedCount } = await query(
    `DELETE FROM ${table} WHERE client = $1 AND stream = $2 AND shard IN (${places})`,
    [client, stream, ...shardIds],
  )
  return changedCount
}
