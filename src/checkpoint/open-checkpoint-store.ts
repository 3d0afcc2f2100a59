import { TritonCheckpointError } from '../errors.ts'
import { databaseAddress } from './checkpoint-settings.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import type { LeaseStore } from './lease-store.ts'
import { MemoryCheckpointStore } from './memory-checkpoint-store.ts'
import { MemoryLeaseStore } from './memory-lease-store.ts'
import { addressForms, parsePostgresAddress } from './postgres-address.ts'
import { PostgresDatabase } from './postgres-database.ts'
import { SqlCheckpointStore } from './sql-checkpoint-store.ts'
import type { SqlDatabase, SqlDatabaseOptions } from './sql-database.ts'
import { SqlLeaseStore } from './sql-lease-store.ts'
import { SqliteDatabase } from './sqlite-database.ts'

export interface OpenCheckpointStoreOptions extends SqlDatabaseOptions {
  /** Where libpq's defaults come from (`PGHOST`, `PGPASSWORD` and so on). @default process.env */
  environment?: NodeJS.ProcessEnv
}

/**
 * The checkpoint store at this address: `dbname=... host=...`, `postgresql://...`, `sqlite://triton.db`, `memory:`.
 * Nothing is connected or created until the first call; the driver is loaded then, too.
 */
export function openCheckpointStore(address: string, options: OpenCheckpointStoreOptions = {}): CheckpointStore {
  if (address === 'memory:' || address === 'sqlite://:memory:') return new MemoryCheckpointStore(options)
  return new SqlCheckpointStore(openDatabase(address, options), options)
}

/** The lease store at this address, with its checkpoints, as `openCheckpointStore` takes it. */
export function openLeaseStore(address: string, options: OpenCheckpointStoreOptions = {}): LeaseStore {
  if (address === 'memory:' || address === 'sqlite://:memory:') return new MemoryLeaseStore(options)
  return new SqlLeaseStore(openDatabase(address, options), options)
}

/**
 * Creates the tables of checkpoints and leases where they are missing, in the database named or in `TRITON_DB`'s; safe to repeat, and
 * to run in many processes at once.
 */
export async function initCheckpointTable(address?: string, options: OpenCheckpointStoreOptions = {}): Promise<void> {
  const found = databaseAddress(options.environment ?? process.env, address)
  await using store = openLeaseStore(found, options)
  await store.init()
}

function openDatabase(address: string, options: OpenCheckpointStoreOptions): SqlDatabase {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(address)?.[1]
  if (scheme === 'sqlite') return new SqliteDatabase(sqliteFile(address), options)
  if (scheme === undefined ? /^\s*\w+\s*=/.test(address) : /^postgres(ql)?:\/\//.test(address)) {
    return new PostgresDatabase(parsePostgresAddress(address, options.environment ?? process.env), options)
  }
  const problem = scheme === undefined ? 'is neither a URL nor keyword=value' : `has the unknown form "${scheme}:"`
  throw new TritonCheckpointError(`the checkpoint database's address ${problem}. Right forms are ${addressForms}`)
}

function sqliteFile(address: string): string {
  const file = /^sqlite:\/\/([^?#]+)$/.exec(address)?.[1]
  if (file !== undefined) return file
  throw new TritonCheckpointError(
    `the checkpoint database's address must be sqlite:// and a path without "?" and "#". Right forms are ${addressForms}`,
  )
}
