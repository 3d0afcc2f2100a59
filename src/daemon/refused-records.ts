import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { storageError } from '../journal/disk.ts'
import type { PutFailed } from '../producer/producer.ts'
import { triFile } from '../record/tri-chunks.ts'
import { directoryNameOf } from './spool-names.ts'

/**
 * Records that Kinesis will never take, out of the way of the others: `<stream>-<epoch ms>-<n>.tri` holds their bodies
 * back to back, and `index.jsonl` a line for each: file, offset and length in the uncompressed bytes, logical stream,
 * partition key, when it was refused, and why.
 */
export class RefusedRecords {
  readonly #dir: string
  readonly #clock: Clock
  #fileCount = 0

  constructor(dir: string, clock: Clock) {
    this.#dir = dir
    this.#clock = clock
  }

  /** Resolves when they are written; rejects with a StorageError, and then they are to be kept where they were. */
  async keep(streamName: string, failed: readonly PutFailed[]): Promise<void> {
    const refusedAtMs = this.#clock.now()
    const name = `${directoryNameOf(streamName)}-${refusedAtMs}-${++this.#fileCount}.tri`
    const file = join(this.#dir, name)
    let offset = 0
    const lines = failed.map(({ record: { data, partitionKey }, code, error }) => {
      const line = {
        file: name,
        offset,
        length: data.length,
        stream: streamName,
        partitionKey,
        refusedAtMs,
        code,
        reason: error.message,
      }
      offset += data.length
      return `${JSON.stringify(line)}\n`
    })
    try {
      await mkdir(this.#dir, { recursive: true, mode: 0o700 })
      // A record counts as kept when the index names it: the bodies are there before.
      await writeFile(file, triFile(Buffer.concat(failed.map(({ record }) => record.data))), { flush: true })
      await appendFile(join(this.#dir, 'index.jsonl'), lines.join(''), { flush: true })
    } catch (cause) {
      throw storageError('keep refused records in', file, cause)
    }
    const codes = [...new Set(failed.map(({ code }) => code))].join(', ')
    report({ type: 'records-refused', stream: streamName, recordCount: failed.length, errorCode: codes, file })
  }
}
