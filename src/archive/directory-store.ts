import { createReadStream } from 'node:fs'
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ClosedError, NotFoundError, RefusedError, StorageError } from '../errors.ts'
import { makeDirectory } from '../make-directory.ts'
import { isDay } from './archive-key.ts'
import type { ArchiveStore, ByteRange, ObjectUpload, StoredObject } from './archive-store.ts'

/**
 * Archives in a directory: a key is a path in it. An object is written to `.uploads/`, synced, and renamed: the rename
 * is what makes it visible, and a file that was removed from there can't be renamed any more.
 */
export class DirectoryStore implements ArchiveStore {
  readonly address: string
  readonly #root: string
  #uploadCount = 0

  constructor(directory: string) {
    this.#root = resolve(directory)
    this.address = pathToFileURL(this.#root).href
  }

  async list(prefix: string, signal?: AbortSignal): Promise<StoredObject[]> {
    const slash = prefix.lastIndexOf('/')
    const directory = slash < 0 ? '' : prefix.slice(0, slash)
    const objects: StoredObject[] = []
    const names = await this.#names(directory, true)
    for (const name of names) {
      if (signal?.aborted) throw closed(this.address)
      const key = directory === '' ? name : `${directory}/${name}`
      // Of the root's directories, those that can't hold the prefix are passed over.
      if (!key.startsWith(prefix) || name === uploadsName) continue
      try {
        const stats = await stat(join(this.#root, key))
        if (stats.isFile()) objects.push({ key, bytes: stats.size, modifiedMs: stats.mtimeMs })
        else if (stats.isDirectory()) objects.push(...(await this.list(`${key}/`, signal)))
      } catch (error) {
        // Removed since it was listed.
        if (codeOf(error) !== 'ENOENT') throw this.#failure('look at', key, error)
      }
    }
    return objects.sort((left, right) => Buffer.compare(Buffer.from(left.key), Buffer.from(right.key)))
  }

  async listDays(): Promise<string[]> {
    return (await this.#names('', false)).filter(isDay).sort()
  }

  async *read(key: string, { start = 0, end }: ByteRange = {}, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    if (end !== undefined && end <= start) return
    const stream = createReadStream(join(this.#root, key), {
      start,
      ...(end !== undefined && { end: end - 1 }),
      ...(signal && { signal }),
      highWaterMark: readBytes,
    })
    try {
      for await (const piece of stream) yield piece as Buffer
    } catch (error) {
      if (signal?.aborted) throw closed(this.address)
      throw this.#failure('read', key, error)
    } finally {
      stream.destroy()
    }
  }

  async begin(key: string): Promise<ObjectUpload> {
    const uploads = join(this.#root, uploadsName)
    const file = join(uploads, `${encodeURIComponent(key)}.${process.pid}-${Date.now()}-${++this.#uploadCount}`)
    try {
      makeDirectory(uploads)
      return new FileUpload(this.#root, key, file, await open(file, 'wx'), (error) =>
        this.#failure('write', key, error),
      )
    } catch (error) {
      throw this.#failure('write', key, error)
    }
  }

  async abortUploads(fits: (key: string) => boolean): Promise<number> {
    let count = 0
    for (const name of await this.#names(uploadsName, true)) {
      const key = keyOfUpload(name)
      if (key === undefined || !fits(key)) continue
      await this.remove(`${uploadsName}/${name}`)
      count += 1
    }
    return count
  }

  async remove(key: string): Promise<void> {
    try {
      await rm(join(this.#root, key), { force: true })
    } catch (error) {
      throw this.#failure('remove', key, error)
    }
  }

  async close(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What stands in a directory; one that is not there is empty where the store itself is. */
  async #names(directory: string, isMissingFine: boolean): Promise<string[]> {
    try {
      return await readdir(join(this.#root, directory))
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw this.#failure('list', directory, error)
      if (directory !== '' && isMissingFine) return this.#names('', false).then(() => [])
      throw new NotFoundError(`there is no directory ${this.#root} to keep archives in: create it, or correct the path`)
    }
  }

  #failure(act: string, key: string, cause: unknown): Error {
    const path = join(this.#root, key)
    switch (codeOf(cause)) {
      case 'ENOENT':
        return new NotFoundError(`can't ${act} ${path}: there is no such file`, { cause })
      case 'EACCES':
      case 'EPERM':
        return new RefusedError(`can't ${act} ${path}: permission denied`, codeOf(cause), { cause })
      case 'ABORT_ERR':
        return closed(this.address)
      default:
        return new StorageError(`can't ${act} ${path}: ${(cause as Error).message}`, { cause })
    }
  }
}

class FileUpload implements ObjectUpload {
  readonly key: string
  readonly #root: string
  readonly #file: string
  readonly #failure: (error: unknown) => Error
  #handle: FileHandle | undefined
  #isOver = false

  constructor(root: string, key: string, file: string, handle: FileHandle, failure: (error: unknown) => Error) {
    this.#root = root
    this.key = key
    this.#file = file
    this.#handle = handle
    this.#failure = failure
  }

  async write(pieces: Uint8Array[]): Promise<void> {
    if (pieces.length === 0) return
    const expected = pieces.reduce((sum, piece) => sum + piece.length, 0)
    try {
      const { bytesWritten } = await this.#open().writev(pieces)
      // A file system that is nearly full takes a part.
      if (bytesWritten < expected) await this.#open().writeFile(Buffer.concat(pieces).subarray(bytesWritten))
    } catch (error) {
      throw this.#failure(error)
    }
  }

  async flush(): Promise<void> {
    try {
      await this.#open().sync()
    } catch (error) {
      throw this.#failure(error)
    }
  }

  async complete(): Promise<void> {
    const path = join(this.#root, this.key)
    try {
      await this.flush()
      await this.#handle?.close()
      this.#handle = undefined
      makeDirectory(dirname(path))
      await rename(this.#file, path)
      this.#isOver = true
      await syncDirectory(dirname(path))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') throw new StorageError(`${path} was not completed: its upload was given up`)
      throw error instanceof StorageError ? error : this.#failure(error)
    }
  }

  async abort(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    await this.#handle?.close().catch(() => undefined)
    this.#handle = undefined
    await rm(this.#file, { force: true }).catch(() => undefined)
  }

  #open(): FileHandle {
    if (this.#handle === undefined) throw new ClosedError(`the upload of ${this.key} is over`)
    return this.#handle
  }
}

const uploadsName = '.uploads'
const readBytes = 256 * 1024

function keyOfUpload(name: string): string | undefined {
  const encoded = /^(.+)\.\d+-\d+-\d+$/.exec(name)?.[1]
  return encoded === undefined ? undefined : decodeURIComponent(encoded)
}

async function syncDirectory(path: string): Promise<void> {
  // Windows can't open a directory; its file systems keep names by their own journal.
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function closed(address: string): ClosedError {
  return new ClosedError(`reading of ${address} was called off`)
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? ''
}
