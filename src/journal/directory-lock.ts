import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import type Database from 'libsql'

/** A data directory that is ours until `release`, or until the process ends, however it ends. */
export interface DirectoryLock {
  release(): void
}

/** How long an open waits for a process that is just ending, in milliseconds. */
const patienceMs = 300

/**
 * Takes the directory by a transaction that stays open in a database of its own. The system gives such a lock back when
 * the process dies, so nothing stale can be left behind, as it can with a file that holds a process id. The state's own
 * database would not do: libsql gives a closed connection's locks back only when its statements are collected.
 */
export function lockDirectory(Sqlite: typeof Database, dataDir: string): DirectoryLock {
  // SQLite would say no more than that it could not open its file.
  accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
  const database = new Sqlite(join(dataDir, 'lock.db'))
  try {
    database.pragma(`busy_timeout = ${patienceMs}`)
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    throw error
  }
  return {
    release() {
      database.exec('ROLLBACK')
      database.close()
    },
  }
}
