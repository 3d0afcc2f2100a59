import { createReadStream } from 'node:fs'
import { readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { FormatError, StorageError } from '../errors.ts'
import { storageError, systemDisk } from '../journal/disk.ts'
import { readChunks } from '../record/tri-chunk-reader.ts'
import { indexSuffix, type RefusedRecord, triSuffix } from './refused-records.ts'

/** Records that came back together, as their index tells. */
export interface RefusedFile {
  /** Of the file that holds the bodies. */
  name: string
  records: RefusedRecord[]
}

/** What was refused in the spool at `spoolDir`, the oldest first; only those of `names`, when there are any. */
export async function* refusedFiles(spoolDir: string, names: readonly string[] = []): AsyncGenerator<RefusedFile> {
  await checkSpool(spoolDir)
  const dir = refusedDirOf(spoolDir)
  const found = (await namesIn(dir)).filter((name) => name.endsWith(indexSuffix)).map(bodiesOf)
  for (const name of names) if (!found.includes(name)) throw absent(name, dir)
  const wanted = names.length > 0 ? names : found.sort((one, other) => ageOf(one) - ageOf(other))
  for (const name of wanted) {
    const records = await readIndex(join(dir, indexOf(name)))
    // Another one may have sent them since.
    if (records !== undefined) yield { name, records }
  }
}

/** The body of each record of a file. Throws a FormatError when it is not as it was written. */
export async function readBodies(spoolDir: string, { name, records }: RefusedFile): Promise<Buffer[]> {
  const path = join(refusedDirOf(spoolDir), name)
  const pieces: Buffer[] = []
  try {
    for await (const chunks of readChunks(createReadStream(path), { salvage: false }))
      for (const chunk of chunks) if (chunk.type === 'data') pieces.push(Buffer.from(chunk.plain))
  } catch (cause) {
    if (cause instanceof FormatError) throw new FormatError(`${path}: ${cause.message}`, cause.offset, { cause })
    throw storageError('read', path, cause)
  }
  const bytes = Buffer.concat(pieces)
  return records.map(({ offset, length }) => {
    if (offset + length <= bytes.length) return bytes.subarray(offset, offset + length)
    throw new FormatError(`${path} ends before the record at ${offset} does, of which its index tells`, bytes.length)
  })
}

/** They are elsewhere now. */
export async function removeRefused(spoolDir: string, name: string): Promise<void> {
  const dir = refusedDirOf(spoolDir)
  try {
    await unlink(join(dir, indexOf(name)))
    await unlink(join(dir, name))
    await systemDisk.syncDirectory(dir)
  } catch (cause) {
    throw storageError('remove', join(dir, name), cause)
  }
}

/** Throws a StorageError when there is no spool: a typing error must not look like a spool in which nothing waits. */
export async function checkSpool(spoolDir: string): Promise<void> {
  const streams = await stat(join(spoolDir, 'streams')).catch(() => undefined)
  if (streams?.isDirectory()) return
  throw new StorageError(`${spoolDir} is no spool: there is no directory ${join(spoolDir, 'streams')}`)
}

export function refusedDirOf(spoolDir: string): string {
  return join(spoolDir, 'refused')
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw storageError('list', dir, cause)
  }
}

async function readIndex(path: string): Promise<RefusedRecord[] | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw storageError('read', path, cause)
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, at) => {
      try {
        return JSON.parse(line) as RefusedRecord
      } catch (cause) {
        throw new FormatError(`${path}:${at + 1}: ${(cause as Error).message}`, 0, { cause })
      }
    })
}

function absent(name: string, dir: string): StorageError {
  return new StorageError(`no refused records are kept as ${name} in ${dir}; \`triton spool list\` tells what there is`)
}

function bodiesOf(indexName: string): string {
  return `${indexName.slice(0, -indexSuffix.length)}${triSuffix}`
}

function indexOf(name: string): string {
  return `${name.slice(0, -triSuffix.length)}${indexSuffix}`
}

/** The time in its name, and its number among those of one millisecond. */
function ageOf(name: string): number {
  const [, ms, number] = /-(\d+)-(\d+)\.tri$/.exec(name) ?? []
  return Number(ms) + Number(number) / 1e6
}
