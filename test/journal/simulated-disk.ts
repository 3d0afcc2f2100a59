import { dirname } from 'node:path'
import type { Disk, DiskFile } from '../../src/journal/disk.ts'
import { type Random, randomInteger, seededRandom } from '../../src/random.ts'

/**
 * A disk in memory that fails when told to: it can be full, take only a part of a write, fail to sync, and lose power,
 * which takes back what was not synced.
 */
export class SimulatedDisk implements Disk {
  readonly #files = new Map<string, FileContent>()
  /** Names as the device knows them: `syncDirectory` brings them up to date. */
  #durableNames = new Map<string, FileContent>()
  readonly #random: Random

  /** All files together can't grow beyond it. */
  capacityBytes = Number.POSITIVE_INFINITY
  /** A write takes at most so many bytes at once. */
  writeBytes = Number.POSITIVE_INFINITY
  failWrite: string | undefined
  failTruncate: string | undefined
  failSync: string | undefined
  /** Held syncs wait until `releaseSyncs`. */
  holdsSyncs = false
  syncCount = 0
  writeCount = 0
  openCount = 0
  readonly syncedDirectories: string[] = []
  #held: (() => void)[] = []

  constructor(random: Random = seededRandom(1)) {
    this.#random = random
  }

  makeDirectory(): void {}

  list(path: string): string[] {
    return [...this.#files.keys()]
      .filter((file) => file.startsWith(`${path}/`))
      .map((file) => file.slice(path.length + 1))
  }

  open(path: string, mode: 'create' | 'write' | 'read'): DiskFile {
    let content = this.#files.get(path)
    if (mode === 'create') {
      if (content !== undefined) throw diskError('EEXIST')
      if (this.failWrite !== undefined) throw diskError(this.failWrite)
      content = { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) }
      this.#files.set(path, content)
    }
    if (content === undefined) throw diskError('ENOENT')
    return this.#fileOf(content)
  }

  remove(path: string): void {
    if (!this.#files.delete(path)) throw diskError('ENOENT')
  }

  async syncDirectory(path: string): Promise<void> {
    this.syncedDirectories.push(path)
    await this.#pass()
    const isElsewhere = ([file]: [string, FileContent]) => dirname(file) !== path
    const isHere = (entry: [string, FileContent]) => !isElsewhere(entry)
    this.#durableNames = new Map([...[...this.#durableNames].filter(isElsewhere), ...[...this.#files].filter(isHere)])
  }

  /** What stands in a file now. */
  bytesOf(path: string): Buffer {
    const content = this.#files.get(path)
    if (content === undefined) throw diskError('ENOENT')
    return content.bytes
  }

  /** Replaces a file's content, or makes one. */
  put(path: string, bytes: Buffer): void {
    const copy = Buffer.from(bytes)
    this.#files.set(path, { bytes: copy, synced: copy })
    this.#durableNames.set(path, { bytes: copy, synced: copy })
  }

  get paths(): string[] {
    return [...this.#files.keys()].sort()
  }

  releaseSyncs(): void {
    const held = this.#held
    this.#held = []
    for (const release of held) release()
  }

  /**
   * The disk as another process finds it when the power goes now: of what was not synced, each file keeps a beginning of
   * any length, sometimes with zeros where the rest was; and unsynced names may be gone.
   */
  afterPowerLoss(): SimulatedDisk {
    const survivor = new SimulatedDisk(this.#random)
    for (const [path, content] of new Map([...this.#durableNames, ...this.#files])) {
      if (!this.#durableNames.has(path) && this.#random.next() < 0.5) continue
      const syncedBytes = content.synced.length
      const unsyncedBytes = Math.max(0, content.bytes.length - syncedBytes)
      const kept = content.bytes.subarray(syncedBytes, syncedBytes + randomInteger(this.#random, unsyncedBytes + 1))
      const zeros = Buffer.alloc(this.#random.next() < 0.3 ? unsyncedBytes - kept.length : 0)
      survivor.put(path, Buffer.concat([content.synced, kept, zeros]))
    }
    return survivor
  }

  /** The disk as another process finds it when this one is killed now: the kernel has all that was written. */
  afterKill(): SimulatedDisk {
    const survivor = new SimulatedDisk(this.#random)
    for (const [path, content] of this.#files) survivor.put(path, content.bytes)
    return survivor
  }

  get usedBytes(): number {
    let used = 0
    for (const content of this.#files.values()) used += content.bytes.length
    return used
  }

  async #pass(): Promise<void> {
    this.syncCount += 1
    if (this.holdsSyncs) await new Promise<void>((resolve) => this.#held.push(resolve))
    if (this.failSync !== undefined) throw diskError(this.failSync)
  }

  #fileOf(content: FileContent): DiskFile {
    this.openCount += 1
    return {
      sizeBytes: () => content.bytes.length,
      write: (bytes, start, length, position) => this.#write(content, bytes, start, length, position),
      read: async (into, start, length, position) => content.bytes.copy(into, start, position, position + length),
      truncate: (sizeBytes) => {
        if (this.failTruncate !== undefined) throw diskError(this.failTruncate)
        content.bytes = Buffer.from(content.bytes.subarray(0, sizeBytes))
      },
      sync: async () => {
        const bytes = content.bytes
        await this.#pass()
        content.synced = bytes
      },
      close: () => {
        this.openCount -= 1
      },
    }
  }

  #write(content: FileContent, bytes: Uint8Array, start: number, length: number, position: number): number {
    this.writeCount += 1
    if (this.failWrite !== undefined) throw diskError(this.failWrite)
    const room = this.capacityBytes - this.usedBytes + (content.bytes.length - position)
    const count = Math.min(length, this.writeBytes, Math.max(0, room))
    if (count === 0) throw diskError('ENOSPC')
    const end = Math.max(content.bytes.length, position + count)
    const grown = Buffer.alloc(end)
    content.bytes.copy(grown)
    grown.set(bytes.subarray(start, start + count), position)
    content.bytes = grown
    return count
  }
}

interface FileContent {
  bytes: Buffer
  /** What the device would give back after a power loss. */
  synced: Buffer
}

function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code })
}
