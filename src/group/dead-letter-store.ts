import type { ArchiveStore } from '../archive/archive-store.ts'
import { bytesOfRawRecord, rawRecord } from '../archive/raw-record.ts'
import { FormatError, NotFoundError } from '../errors.ts'
import { readRecords } from '../record/tri-records.ts'
import { TriWriter } from '../record/tri-writer.ts'
import type { DeadLetter, DeadLetterPlace } from './failure-policy.ts'

/**
 * Dead letters in a directory or in S3. Each is two objects, under a name that is the record's own, so that a letter that
 * comes twice is there once:
 *
 *     dead-letters/<stream>/<client>/<shard>-<sequence number>[-<sub-sequence number>].tri   the record, with its place
 *     ... .json   client, reason, attempts, times, and whether the record is wrapped as {"$raw": ...}
 *
 * The letter is there when the second one is.
 */
export class DeadLetterStore implements DeadLetterPlace {
  readonly description: string
  readonly #store: ArchiveStore
  readonly #isRaw: boolean

  /** `isRaw`: the stream's records are no msgpack maps. Whoever opened the store closes it. */
  constructor(store: ArchiveStore, { isRaw = false }: { isRaw?: boolean } = {}) {
    this.#store = store
    this.#isRaw = isRaw
    this.description = `the dead letters in ${store.address}`
  }

  async send(letter: DeadLetter): Promise<void> {
    const name = nameOf(letter)
    const { shardId, sequenceNumber, subSequenceNumber, partitionKey, bytes } = letter
    const isRaw = this.#isRaw || letter.isUndecodable === true
    const writer = new TriWriter()
    writer.add(isRaw ? rawRecord(bytes) : bytes, {
      ...{ shardId, sequenceNumber, partitionKey, arrivedAtMs: letter.arrivedAt.getTime() },
      ...(subSequenceNumber === undefined ? {} : { subSequenceNumber }),
    })
    writer.end()
    await this.#write(`${name}.tri`, writer.take())
    const { bytes: _, ...about } = letter
    await this.#write(`${name}.json`, [Buffer.from(`${JSON.stringify({ ...about, isRaw })}\n`)])
  }

  /** The letters' names, in order. */
  async list(stream?: string, client?: string): Promise<string[]> {
    const prefix = stream === undefined ? root : `${root}${stream}/${client === undefined ? '' : `${safe(client)}/`}`
    const objects = await this.#store.list(prefix)
    const keys = objects.map(({ key }) => key).filter((key) => key.endsWith('.json'))
    return keys.map((key) => key.slice(root.length, -'.json'.length)).sort()
  }

  /** Rejects with a NotFoundError where there is no such letter. */
  async read(name: string): Promise<DeadLetter> {
    const about = JSON.parse(String(await this.#bytes(`${root}${name}.json`))) as StoredLetter
    const { isRaw, ...letter } = about
    const key = `${root}${name}.tri`
    for await (const part of readRecords(this.#store.read(key), { file: key })) {
      if (part.type !== 'records') continue
      const record = part.bytes.subarray(part.start, part.ends[0])
      const bytes = isRaw ? bytesOfRawRecord(record) : record
      return { ...letter, arrivedAt: new Date(letter.arrivedAt), failedAt: new Date(letter.failedAt), bytes }
    }
    throw new FormatError(`${key} in ${this.#store.address} holds no record`, 0)
  }

  async remove(name: string): Promise<void> {
    // First what makes it a letter.
    await this.#store.remove(`${root}${name}.json`)
    await this.#store.remove(`${root}${name}.tri`)
  }

  async #bytes(key: string): Promise<Buffer> {
    const pieces: Uint8Array[] = []
    try {
      for await (const piece of this.#store.read(key)) pieces.push(piece)
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error
      throw new NotFoundError(`there is no dead letter ${key} in ${this.#store.address}`, { cause: error })
    }
    return Buffer.concat(pieces)
  }

  async #write(key: string, pieces: Uint8Array[]): Promise<void> {
    const upload = await this.#store.begin(key)
    try {
      await upload.write(pieces)
      await upload.complete()
    } finally {
      await upload.abort()
    }
  }
}

interface StoredLetter extends Omit<DeadLetter, 'bytes' | 'arrivedAt' | 'failedAt'> {
  arrivedAt: string
  failedAt: string
  isRaw: boolean
}

const root = 'dead-letters/'

function nameOf({ stream, client, shardId, sequenceNumber, subSequenceNumber }: DeadLetter): string {
  const sub = subSequenceNumber === undefined ? '' : `-${subSequenceNumber}`
  return `${root}${stream}/${safe(client)}/${shardId}-${sequenceNumber}${sub}`
}

/** A client may be called anything; a part of a key may not. */
function safe(client: string): string {
  return encodeURIComponent(client).replaceAll('.', '%2E')
}
