import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  openSync,
  read,
  readdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { report } from '../diagnostics.ts'
import { StorageError } from '../errors.ts'
import { makeDirectory } from '../make-directory.ts'

/**
 * The disk as an argument, so that tests can fill it, tear its writes and forget what was not synced.
 *
 * Writes are synchronous, reads and syncs are not: handing a write of the size of a request to a thread costs more than
 * the write itself, which is a copy into the kernel's memory, while a read or a sync may really wait for the device.
 */
export interface Disk {
  /** Creates the directory and its parents; fine when it exists. */
  makeDirectory(path: string): void
  /** The names in a directory, in any order. */
  list(path: string): string[]
  /** `create` fails when the file exists; `write` and `read` fail when it doesn't. */
  open(path: string, mode: 'create' | 'write' | 'read'): DiskFile
  remove(path: string): void
  /** Makes created and removed names durable. */
  syncDirectory(path: string): Promise<void>
}

export interface DiskFile {
  sizeBytes(): number
  /** Answers how many of `length` bytes were taken, which may be fewer. */
  write(bytes: Uint8Array, start: number, length: number, position: number): number
  /** Answers how many bytes were read: fewer than `length` only at the end of the file. */
  read(into: Uint8Array, start: number, length: number, position: number): Promise<number>
  truncate(sizeBytes: number): void
  /** Resolves when the bytes and the size are on the device. */
  sync(): Promise<void>
  /** Not while a read or sync of this file is on its way. */
  close(): void
}

export const systemDisk: Disk = {
  makeDirectory,
  list: (path) => readdirSync(path),
  open: (path, mode) => new SystemFile(openSync(path, openFlags[mode], 0o600)),
  remove: (path) => unlinkSync(path),
  async syncDirectory(path) {
    // Windows can't open a directory; its file systems keep names by their own journal.
    if (process.platform === 'win32') return
    const handle = openSync(path, 'r')
    try {
      await completed((done) => fsync(handle, done))
    } catch (error) {
      // Some network file systems have no such thing as syncing a directory, and say so.
      if (!(error instanceof Error && 'code' in error && error.code === 'EINVAL')) throw error
    } finally {
      closeSync(handle)
    }
  },
}

/** Says what was tried, on which file, what went wrong and what to do about it. */
export function storageError(tried: string, path: string, cause: unknown): StorageError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const reason = cause instanceof Error ? cause.message : String(cause)
  const advice = adviceByCode[code] ?? 'look at the disk and at the permissions of the directory'
  return new StorageError(`cannot ${tried} ${path}: ${reason}; ${advice}`, { cause })
}

export function tellFailedWrite(file: string, error: unknown): void {
  report({ type: 'journal-write-failed', file, reason: error instanceof Error ? error.message : String(error) })
}

/** Fine when the file is gone already. */
export function removeFile(disk: Disk, path: string): void {
  try {
    disk.remove(path)
  } catch (cause) {
    const isGone = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    if (!isGone) throw storageError('delete', path, cause)
  }
}

class SystemFile implements DiskFile {
  readonly #descriptor: number

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  sizeBytes(): number {
    return fstatSync(this.#descriptor).size
  }

  write(bytes: Uint8Array, start: number, length: number, position: number): number {
    return writeSync(this.#descriptor, bytes, start, length, position)
  }

  read(into: Uint8Array, start: number, length: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      let filled = 0
      const more = () =>
        read(this.#descriptor, into, start + filled, length - filled, position + filled, (error, count) => {
          if (error) return reject(error)
          filled += count
          if (count === 0 || filled === length) resolve(filled)
          else more()
        })
      more()
    })
  }

  truncate(sizeBytes: number): void {
    ftruncateSync(this.#descriptor, sizeBytes)
  }

  sync(): Promise<void> {
    return completed((done) => fdatasync(this.#descriptor, done))
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

function completed(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())))
}

const openFlags = {
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  write: constants.O_RDWR,
  read: constants.O_RDONLY,
}

const adviceByCode: Partial<Record<string, string>> = {
  ENOSPC: 'free some space on this disk and try again',
  EDQUOT: 'free some space or raise the quota of this user and try again',
  EFBIG: 'raise the limit on file sizes (ulimit -f) and try again',
  EIO: 'the device failed: look at the kernel log before you trust this disk',
  EROFS: 'the file system is read-only: mount it for writing',
  EACCES: 'give this user the right to write there',
  EPERM: 'give this user the right to write there',
  EMFILE: 'raise the limit on open files (ulimit -n)',
  ENFILE: 'raise the limit on open files of this machine',
}
