import type { Clock, Timer } from '../clock.ts'
import { StorageError } from '../errors.ts'
import { type Disk, storageError } from './disk.ts'
import type { SegmentWriter } from './segment-writer.ts'

/**
 * When an append resolves: `always`: the bytes are on the device (appends that arrive together share one sync);
 * `interval`: the kernel has them, which survives a kill of the process, and a sync follows soon; `never`: as
 * `interval`, without the sync.
 */
export type SyncRule = 'always' | 'interval' | 'never'

export interface GroupSyncOptions {
  dir: string
  rule: SyncRule
  intervalMs: number
  clock: Clock
  disk: Disk
  /** A sync failed; none will be tried again. */
  onFailure: (error: StorageError) => void
}

/** Knows what the device does not have yet, and brings it there: one sync at a time, for all who wait. */
export class GroupSync {
  readonly #options: GroupSyncOptions
  readonly #unsynced = new Set<SegmentWriter>()
  /** Sealed: to be closed when synced. */
  readonly #done = new Set<SegmentWriter>()
  #isDirectoryUnsynced = false
  #running: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #hasFailed = false

  constructor(options: GroupSyncOptions) {
    this.#options = options
  }

  wrote(writer: SegmentWriter): void {
    this.#unsynced.add(writer)
  }

  changedDirectory(): void {
    this.#isDirectoryUnsynced = true
  }

  /** Nothing more will be written to this file: it is closed after its last sync. */
  finished(writer: SegmentWriter): void {
    this.#unsynced.add(writer)
    this.#done.add(writer)
    if (this.#options.rule === 'never') this.#close([writer])
  }

  /** Sees to a sync within the interval, when anything is unsynced. */
  plan(): void {
    const { rule, clock, intervalMs } = this.#options
    if (rule === 'never' || this.#timer !== undefined || !this.#hasWork) return
    this.#timer = clock.setTimer(() => {
      this.#timer = undefined
      void this.now().then(() => this.plan())
    }, intervalMs)
  }

  /** Resolves when all that was written before is on the device, or the sync has failed; never rejects. */
  now(): Promise<void> {
    this.#running = this.#running.then(() => this.#syncAll())
    return this.#running
  }

  /** Syncs for the last time, and closes what is finished. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    await this.now()
    this.#timer?.cancel()
    this.#close([...this.#done])
  }

  get #hasWork(): boolean {
    return !this.#hasFailed && (this.#unsynced.size > 0 || this.#isDirectoryUnsynced)
  }

  async #syncAll(): Promise<void> {
    const { rule, disk, dir, onFailure } = this.#options
    if (rule === 'never' || !this.#hasWork) return
    const writers = [...this.#unsynced]
    const done = writers.filter((writer) => this.#done.has(writer))
    const isDirectoryUnsynced = this.#isDirectoryUnsynced
    this.#unsynced.clear()
    this.#isDirectoryUnsynced = false
    try {
      for (const writer of writers) await writer.sync()
      if (isDirectoryUnsynced) await disk.syncDirectory(dir)
    } catch (error) {
      this.#hasFailed = true
      onFailure(error instanceof StorageError ? error : storageError('sync', dir, error))
      return
    }
    this.#close(done)
  }

  #close(writers: readonly SegmentWriter[]): void {
    for (const writer of writers) {
      this.#done.delete(writer)
      this.#unsynced.delete(writer)
      writer.close()
    }
  }
}
