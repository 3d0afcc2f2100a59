import { type Disk, type DiskFile, systemDisk } from '../../src/journal/disk.ts'

/** The real disk, until a test says that it is full or that syncs take their time. */
export class TroubledDisk implements Disk {
  isFull = false
  holdsSyncs = false
  #held: (() => void)[] = []

  makeDirectory = systemDisk.makeDirectory
  list = systemDisk.list
  remove = systemDisk.remove
  syncDirectory = systemDisk.syncDirectory

  open(path: string, mode: 'create' | 'write' | 'read'): DiskFile {
    const file = systemDisk.open(path, mode)
    return {
      sizeBytes: () => file.sizeBytes(),
      write: (bytes, start, length, position) => {
        if (this.isFull) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
        return file.write(bytes, start, length, position)
      },
      read: (into, start, length, position) => file.read(into, start, length, position),
      truncate: (sizeBytes) => file.truncate(sizeBytes),
      sync: async () => {
        if (this.holdsSyncs) await new Promise<void>((resolve) => this.#held.push(resolve))
        await file.sync()
      },
      close: () => file.close(),
    }
  }

  /** Whether somebody waits for a sync. */
  get isHolding(): boolean {
    return this.#held.length > 0
  }

  releaseSyncs(): void {
    this.holdsSyncs = false
    for (const release of this.#held.splice(0)) release()
  }
}
