import { ClosedError } from '../errors.ts'
import type { EncodedRecord, PageRecords } from '../kinesis/kinesis-api.ts'
import type { RecordFormat } from '../record/record-codec.ts'
import { isOneMap } from '../record/record-shape.ts'
import { TriWriter } from '../record/tri-writer.ts'
import { archiveKey, sideKeyOf } from './archive-key.ts'
import type { ArchiveStore, ObjectUpload } from './archive-store.ts'
import { footerChunks, type ObjectFooter, type ShardSpan } from './object-footer.ts'
import { rawRecord, sideRecord } from './raw-record.ts'

export interface ObjectWriterOptions {
  store: ArchiveStore
  stream: string
  client: string
  format: RecordFormat
  /** Unix seconds of the key. */
  seconds: number
  /** Resolves while the right to write is ours, else rejects. Asked after an upload was opened and before it is completed. */
  confirm: () => Promise<void>
  signal?: AbortSignal
}

/**
 * One object on its way into the store, and its side object, when there are records that are no msgpack map.
 *
 *     open      records are added; what is ready is handed to the upload
 *     sealed    `complete`: side object first, then the footer, then the object itself, which is the commit
 *     over      completed, or given up: nothing stays
 */
export class ObjectWriter {
  readonly key: string
  readonly #options: ObjectWriterOptions
  readonly #main: Part
  #side: Part | undefined
  #firstArrivedMs = Number.POSITIVE_INFINITY
  #lastArrivedMs = 0

  private constructor(options: ObjectWriterOptions, key: string, main: Part) {
    this.#options = options
    this.key = key
    this.#main = main
  }

  static async open(options: ObjectWriterOptions): Promise<ObjectWriter> {
    const { key } = archiveKey(options.stream, options.client, options.seconds)
    return new ObjectWriter(options, key, await openPart(options, key))
  }

  get recordCount(): number {
    return this.#main.writer.recordCount
  }

  get undecodableCount(): number {
    return this.#side?.writer.recordCount ?? 0
  }

  /** Of the file as it will be, the block under way left out. */
  get fileBytes(): number {
    return this.#main.writer.fileBytes
  }

  get plainBytes(): number {
    return this.#main.writer.plainBytes
  }

  /** Resolves when there is room for more. */
  async add(shardId: string, records: PageRecords): Promise<void> {
    const isMsgpack = this.#options.format === 'msgpack'
    const { writer } = this.#main
    for (let i = 0; i < records.length; i++) {
      const { bytes, sequenceNumber, partitionKey, arrivedAtMs } = records.at(i) as EncodedRecord
      if (arrivedAtMs < this.#firstArrivedMs) this.#firstArrivedMs = arrivedAtMs
      if (arrivedAtMs > this.#lastArrivedMs) this.#lastArrivedMs = arrivedAtMs
      const place = { shardId, sequenceNumber, partitionKey, arrivedAtMs }
      if (!isMsgpack) writer.add(rawRecord(bytes), place)
      else if (isOneMap(bytes)) writer.add(bytes, place)
      else {
        this.#side ??= await openPart(this.#options, sideKeyOf(this.key))
        this.#side.writer.add(sideRecord(bytes, writer.recordCount), place)
      }
      // Large records: what is ready must not pile up before the page's end.
      if (writer.waitingBytes >= handOverBytes) await handOver(this.#main)
    }
    if (this.#side !== undefined && this.#side.writer.waitingBytes >= handOverBytes) await handOver(this.#side)
  }

  /** The commit: resolves when the object is there, with all that was added. */
  async complete(shards: ShardSpan[]): Promise<ObjectFooter> {
    const { stream, client, confirm } = this.#options
    const { writer } = this.#main
    const times = { firstArrivedMs: this.#firstArrivedMs, lastArrivedMs: this.#lastArrivedMs }
    if (this.#side !== undefined) {
      const { recordCount, plainBytes } = this.#side.writer
      await this.#seal(this.#side, {
        ...{ stream, client, kind: 'undecodable', recordCount, plainBytes, undecodableCount: recordCount },
        ...times,
        shards: [],
      })
      await confirm()
      await this.#side.upload.complete()
    }
    const { recordCount, plainBytes } = writer
    const footer: ObjectFooter = {
      ...{ stream, client, kind: 'records', recordCount, plainBytes, undecodableCount: this.undecodableCount },
      ...times,
      shards,
    }
    await this.#seal(this.#main, footer)
    await confirm()
    await this.#main.upload.complete()
    return footer
  }

  /** Nothing of it stays, but for a side object that was complete before the object itself could be. */
  async abort(): Promise<void> {
    await Promise.all([this.#main.upload.abort(), this.#side?.upload.abort()])
  }

  async #seal(part: Part, footer: ObjectFooter): Promise<void> {
    part.writer.end((fileBytes) => footerChunks(footer, fileBytes))
    await handOver(part)
    await part.upload.flush()
  }
}

interface Part {
  writer: TriWriter
  upload: ObjectUpload
}

async function openPart({ store, confirm, signal }: ObjectWriterOptions, key: string): Promise<Part> {
  if (signal?.aborted) throw new ClosedError(`the store of ${key} was called off`)
  const upload = await store.begin(key, signal)
  try {
    await confirm()
  } catch (error) {
    await upload.abort()
    throw error
  }
  return { writer: new TriWriter(), upload }
}

async function handOver({ writer, upload }: Part): Promise<void> {
  await upload.write(writer.take())
}

const handOverBytes = 256 * 1024
