import { mkdir, open, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { storageError, systemDisk } from '../journal/disk.ts'
import type { PutFailed } from '../producer/producer.ts'
import { directoryNameOf } from './spool-names.ts'

/**
 * Records that Kinesis will never take, out of the way of the others. Those that came back together stand in two files,
 * which are never changed, so that a daemon and whoever looks after its spool need not know of one another:
 *
 *     <stream>-<epoch ms>-<n>.tri     their bodies, back to back
 *     <stream>-<epoch ms>-<n>.jsonl   the index, a line for each: `RefusedRecord`
 *
 * The index is written last and removed first: a record counts as kept while an index names it.
 */
export interface RefusedRecord {
  /** Logical name. */
  stream: string
  partitionKey: string
  /** Where the body begins in the uncompressed bytes. */
  offset: number
  length: number
  /** Epoch milliseconds. */
  refusedAtMs: number
  /** Kinesis' name for it, or the code of our own error. */
  code: string
  /** For people. */
  reason: string
}

export class RefusedRecords {
  readonly #dir: string
  readonly #clock: Clock
  #fileCount = 0

  constructor(dir: string, clock: Clock) {
    this.#dir = dir
    this.#clock = clock
  }

  /** Resolves when they are on the device; rejects with a StorageError, and then they are to be kept where they were. */
  async keep(streamName: string, failed: readonly PutFailed[]): Promise<void> {
    const refusedAtMs = this.#clock.now()
    const place = join(this.#dir, `${directoryNameOf(streamName)}-${refusedAtMs}-`)
    let offset = 0
    const lines = failed.map(({ record: { data, partitionKey }, code, error }) => {
      const { length } = data
      const line = { stream: streamName, partitionKey, offset, length, refusedAtMs, code, reason: error.message }
      offset += length
      return `${JSON.stringify(line satisfies RefusedRecord)}\n`
    })
    // Its native parts are loaded by those few daemons that need them.
    const { triFile } = await import('../record/tri-chunks.ts')
    try {
      await mkdir(this.#dir, { recursive: true, mode: 0o700 })
      const bodies = await this.#create(place)
      const file = `${bodies.slice(0, -triSuffix.length)}${indexSuffix}`
      await writeFile(bodies, triFile(Buffer.concat(failed.map(({ record }) => record.data))), { flush: true })
      await writeFile(file, lines.join(''), { flush: true, mode: 0o600 })
      await systemDisk.syncDirectory(this.#dir)
      await systemDisk.syncDirectory(dirname(this.#dir))
      const codes = [...new Set(failed.map(({ code }) => code))].join(', ')
      report({
        type: 'records-refused',
        stream: streamName,
        recordCount: failed.length,
        errorCode: codes,
        file: bodies,
      })
    } catch (cause) {
      throw storageError('keep refused records in', place, cause)
    }
  }

  /** A file of a name that is nobody's yet: others, in this process or another, may be at it in the same millisecond. */
  async #create(place: string): Promise<string> {
    for (;;) {
      const path = `${place}${++this.#fileCount}${triSuffix}`
      try {
        const file = await open(path, 'wx', 0o600)
        await file.close()
        return path
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
    }
  }
}

export const triSuffix = '.tri'
export const indexSuffix = '.jsonl'
