import { readdirSync } from 'node:fs'
import { mkdir, open, readdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Clock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { StorageError } from '../errors.ts'
import { type DirectoryLock, lockDirectory } from '../journal/directory-lock.ts'
import { storageError } from '../journal/disk.ts'
import { RecentBytes } from '../journal/recent-bytes.ts'
import { makeDirectory } from '../make-directory.ts'
import { RefusedRecords } from './refused-records.ts'
import { directoryNameOf, streamNameOf } from './spool-names.ts'
import { SpoolQueue } from './spool-queue.ts'

export interface SpoolOptions {
  dir: string
  sync: 'interval' | 'always'
  /** What all streams together may take, in bytes; it decides how large segments are. */
  maxBytes: number
  /** How long a record waits for company, in milliseconds. */
  flushMs: number
  clock: Clock
}

/** What waits in a spool for one stream. */
export interface SpoolStream {
  streamName: string
  recordCount: number
  bytes: number
  /** When the oldest of them came, epoch milliseconds; undefined when none waits. */
  oldestAtMs: number | undefined
}

/**
 * The directory of one daemon's records:
 *
 *     lock.db                a lock that ends with the process
 *     streams/<name>/        a journal, and the cursor behind what Kinesis has acknowledged
 *     refused/               records that Kinesis will never take
 *     damaged/               stretches of segments that could not be read
 */
export class Spool {
  readonly refused: RefusedRecords
  readonly #options: SpoolOptions
  readonly #lock: DirectoryLock
  readonly #recent = new RecentBytes(recentBytes)

  private constructor(options: SpoolOptions, lock: DirectoryLock) {
    this.#options = options
    this.#lock = lock
    this.refused = new RefusedRecords(join(options.dir, 'refused'), options.clock)
  }

  /** Rejects with a StorageError when the directory can't be used, or another process has it. */
  static async open(options: SpoolOptions): Promise<Spool> {
    const { dir } = options
    const { default: Sqlite } = await import('libsql')
    try {
      makeDirectory(join(dir, 'streams'), 0o700)
    } catch (cause) {
      throw storageError('make the spool directory', dir, cause)
    }
    try {
      return new Spool(options, lockDirectory(Sqlite, dir))
    } catch (cause) {
      const { message } = cause as Error
      if (!/locked|busy/i.test(message)) throw storageError('lock the spool directory', dir, cause)
      throw new StorageError(
        `another tritond works in the spool directory ${dir}: each needs one of its own, and tells itself what waits there (--metrics)`,
        {
          cause,
        },
      )
    }
  }

  /** Every stream that ever had records here. */
  get streamNames(): string[] {
    return readdirSync(join(this.#options.dir, 'streams')).map(streamNameOf).sort()
  }

  /** `streamCount` streams share the room, so that a segment must be small against one's share. */
  openQueue(streamName: string, streamCount: number, onRoom: () => void): Promise<SpoolQueue> {
    const { dir, sync, maxBytes, flushMs, clock } = this.#options
    const share = maxBytes / 2 / Math.max(1, streamCount)
    return SpoolQueue.open({
      streamName,
      dir: join(dir, 'streams', directoryNameOf(streamName)),
      sync,
      segmentBytes: Math.round(Math.min(largestSegmentBytes, Math.max(smallestSegmentBytes, share / 4))),
      flushMs,
      recent: this.#recent,
      keepDamaged: (path, offset, bytes) => this.#keepDamaged(streamName, path, offset, bytes),
      onRoom,
      clock,
    })
  }

  /** What waits, without sending any of it. */
  async check(): Promise<SpoolStream[]> {
    const found: SpoolStream[] = []
    for (const streamName of this.streamNames) {
      const queue = await this.openQueue(streamName, 1, () => undefined)
      try {
        const { recordCount, bytes } = queue
        found.push({ streamName, recordCount, bytes, oldestAtMs: await queue.oldestAtMs() })
      } finally {
        await queue.release()
      }
    }
    return found
  }

  /** When every queue was released. */
  close(): void {
    this.#lock.release()
  }

  async #keepDamaged(streamName: string, path: string, offset: number, bytes: number): Promise<void> {
    const dir = join(this.#options.dir, 'damaged')
    const file = join(dir, `${directoryNameOf(streamName)}-${basename(path)}-${offset}`)
    await mkdir(dir, { recursive: true, mode: 0o700 })
    const segment = await open(path, 'r')
    try {
      const { buffer, bytesRead } = await segment.read(Buffer.alloc(bytes), 0, bytes, offset)
      await writeFile(file, buffer.subarray(0, bytesRead), { flush: true })
    } finally {
      await segment.close()
    }
    report({ type: 'damage-kept', file, bytes })
  }
}

/** Names of the files in which damaged stretches of a spool were kept. */
export async function damagedFiles(dir: string): Promise<string[]> {
  return readdir(join(dir, 'damaged')).catch(() => [])
}

const smallestSegmentBytes = 1024 * 1024
const largestSegmentBytes = 64 * 1024 * 1024
const recentBytes = 4 * 1024 * 1024
