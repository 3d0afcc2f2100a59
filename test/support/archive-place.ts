import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ArchivedRecord } from '../../src/archive/archive-iterator.ts'
import { type ArchiveKey, daysBetween, parseArchiveKey } from '../../src/archive/archive-key.ts'
import type { ArchiveStore } from '../../src/archive/archive-store.ts'
import { type ObjectFooter, readFooter } from '../../src/archive/object-footer.ts'
import { openStore } from '../../src/archive/open-store.ts'
import { type StoreOptions, type StoreSummary, storeStream } from '../../src/archive/store-stream.ts'
import { streamFromStore } from '../../src/archive/stream-from-store.ts'
import type { CheckpointStore } from '../../src/checkpoint/checkpoint-store.ts'
import { openCheckpointStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine, LocalEngineOptions } from '../../src/local/index.ts'
import type { RecordFormat } from '../../src/record/record-codec.ts'
import { startTestEngine } from './engine.ts'

/** An engine, a directory of archives and a checkpoint database, for one test. */
export class ArchivePlace implements AsyncDisposable {
  readonly directory: string
  readonly engine: LocalEngine
  readonly api: KinesisApi
  readonly store: ArchiveStore
  readonly checkpoints: CheckpointStore
  /** Of the checkpoint database. */
  readonly db: string

  private constructor(directory: string, engine: LocalEngine) {
    this.directory = directory
    this.engine = engine
    this.api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
    this.store = openStore(this.storeUrl)
    this.db = `sqlite://${join(directory, 'checkpoints.db')}`
    this.checkpoints = openCheckpointStore(this.db)
  }

  static async open(options: LocalEngineOptions = {}): Promise<ArchivePlace> {
    const directory = await mkdtemp(join(tmpdir(), 'triton-archive-'))
    await mkdir(join(directory, 'store'))
    const place = new ArchivePlace(directory, await startTestEngine(options))
    await place.checkpoints.init()
    return place
  }

  get storeUrl(): string {
    return pathToFileURL(join(this.directory, 'store')).href
  }

  /** Stores what the stream has, and ends. */
  storeAll(stream: string, options: StoreOptions & Partial<StoreSettings> = {}): Promise<StoreSummary> {
    const { format = 'msgpack', client = 'store', confirm = async () => undefined, api = this.api, ...rest } = options
    return storeStream(
      { api, stream, format },
      options.store ?? this.store,
      { store: options.checkpoints ?? this.checkpoints, client },
      { confirm },
      { untilCaughtUp: true, idlePollMs: 5, callsPerSecond: 1_000, ...rest },
    )
  }

  /** Everything archived of the stream, whatever the day. */
  async records<T>(name: string, format: RecordFormat = 'msgpack'): Promise<ArchivedRecord<T>[]> {
    const days = await this.store.listDays()
    const records: ArchivedRecord<T>[] = []
    if (days.length === 0) return records
    const found = streamFromStore<T>(this.store, { name, format }, days[0] as string, days.at(-1) as string)
    for await (const batch of found.batches())
      for (const record of batch) records.push({ ...record, bytes: Buffer.from(record.bytes) })
    return records
  }

  async footers(stream: string): Promise<(ObjectFooter & { key: ArchiveKey })[]> {
    const footers: (ObjectFooter & { key: ArchiveKey })[] = []
    const days = await this.store.listDays()
    for (const day of days.length === 0 ? [] : daysBetween(days[0] as string, days.at(-1) as string))
      for (const object of await this.store.list(`${day}/`)) {
        const key = parseArchiveKey(object.key, stream)
        const footer = key && (await readFooter(this.store, object))
        if (key && footer) footers.push({ ...footer, key })
      }
    return footers.sort((left, right) => left.key.seconds - right.key.seconds)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.api.close()
    await this.checkpoints.close()
    await this.store.close()
    await this.engine.close()
    await rm(this.directory, { recursive: true, force: true })
  }
}

interface StoreSettings {
  format: RecordFormat
  client: string
  confirm: () => Promise<void>
  api: KinesisApi
  store: ArchiveStore
  checkpoints: CheckpointStore
}
