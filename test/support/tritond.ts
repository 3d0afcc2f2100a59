import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Push } from 'zeromq'
import { type Clock, systemClock, type Timer } from '../../src/clock.ts'
import { startTritond, type Tritond, type TritondOptions } from '../../src/daemon/tritond.ts'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { EncodedRecord, KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine, LocalEngineOptions } from '../../src/local/index.ts'
import { startTestEngine } from './engine.ts'

export const streamName = 'user_activity'
export const realName = 'user_activity_v2'

/** An engine with a stream of one shard, a triton.yaml that names it, and what tells of what happened. */
export class TritondPlace implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'tritond-'))
  readonly config = join(this.directory, 'triton.yaml')
  readonly engine: LocalEngine
  readonly api: KinesisApi
  readonly news: Diagnostic[] = []
  /** Those that still run at the end are killed. */
  readonly children: ChildProcess[] = []
  readonly #stopObserving: () => void
  readonly #pushes: Push[] = []
  readonly #daemons: Tritond[] = []
  #waiting: (() => void)[] = []

  private constructor(engine: LocalEngine) {
    this.engine = engine
    this.api = createAwsKinesisApi({ endpoint: engine.endpoint })
    this.#stopObserving = observe((diagnostic) => {
      this.news.push(diagnostic)
      for (const wake of this.#waiting.splice(0)) wake()
    })
  }

  static async open(options: LocalEngineOptions = {}): Promise<TritondPlace> {
    const place = new TritondPlace(await startTestEngine({ streams: [{ name: realName, shardCount: 1 }], ...options }))
    place.writeConfig()
    return place
  }

  /** Streams in `elsewhere` are sent to an address where nobody listens. */
  writeConfig(streams: Record<string, string> = { [streamName]: realName }, elsewhere: readonly string[] = []): void {
    const lines = Object.entries(streams).map(([logical, real]) => {
      const endpoint = elsewhere.includes(logical) ? 'http://127.0.0.1:9' : this.engine.endpoint
      return `${JSON.stringify(logical)}: { name: ${real}, partition_key: id, endpoint: '${endpoint}' }\n`
    })
    writeFileSync(this.config, lines.join(''))
  }

  /** A daemon in this process, at a free port. */
  async start(options: TritondOptions = {}): Promise<Tritond> {
    const daemon = await startTritond({ port: 0, flushMs: 10, configPollMs: 20, config: this.config, ...options })
    this.#daemons.push(daemon)
    return daemon
  }

  push(endpoint: string): Push {
    const push = new Push({ linger: 1_000 })
    push.connect(endpoint)
    this.#pushes.push(push)
    return push
  }

  /** Resolves when `isEnough` holds; looked at whenever something was told. */
  async until(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) await new Promise<void>((wake) => this.#waiting.push(wake))
  }

  /** Resolves when so many messages were skipped for this reason. */
  skipped(reason: string, count = 1): Promise<void> {
    return this.until(() => this.skippedCount(reason) >= count)
  }

  skippedCount(reason: string): number {
    const counts = this.news.flatMap((news) =>
      news.type === 'message-skipped' && news.reason === reason ? news.recordCount : [],
    )
    return counts.reduce((sum, count) => sum + count, 0)
  }

  /** Waits until Kinesis has taken so many records, then reads the whole stream. */
  async records(count: number, stream = realName, logicalName = streamName): Promise<EncodedRecord[]> {
    await this.until(() => this.sentCount(logicalName) >= count)
    const found: EncodedRecord[] = []
    for (const { shardId } of await this.api.listShards(stream)) {
      const iterator = await this.api.getShardIterator(stream, shardId, { type: 'TRIM_HORIZON' })
      const { records } = await this.api.getRecords(iterator, 10_000)
      found.push(...[...records].map((record) => ({ ...record, bytes: Buffer.from(record.bytes) })))
    }
    return found
  }

  /** All that the stream holds, however much. */
  async allRecords(stream = realName): Promise<EncodedRecord[]> {
    const found: EncodedRecord[] = []
    for (const { shardId } of await this.api.listShards(stream)) {
      let iterator: string | undefined = await this.api.getShardIterator(stream, shardId, { type: 'TRIM_HORIZON' })
      while (iterator !== undefined) {
        const { records, nextShardIterator } = await this.api.getRecords(iterator, 10_000)
        if (records.length === 0) break
        for (const record of records) found.push({ ...record, bytes: Buffer.from(record.bytes) })
        iterator = nextShardIterator
      }
    }
    return found
  }

  sentCount(logicalName = streamName): number {
    const counts = this.news.flatMap((news) =>
      news.type === 'records-sent' && news.stream === logicalName ? news.recordCount : [],
    )
    return counts.reduce((sum, count) => sum + count, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.children) if (child.exitCode === null) child.kill('SIGKILL')
    for (const push of this.#pushes) push.close()
    await Promise.all(this.#daemons.map((daemon) => daemon.stop(0)))
    this.#stopObserving()
    this.api.close()
    await this.engine.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** The system's time, which a test can put forward. */
export class LeapingClock implements Clock {
  #leptMs = 0

  now(): number {
    return systemClock.now() + this.#leptMs
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#leptMs
  }

  setTimer(act: () => void, ms: number): Timer {
    return systemClock.setTimer(act, ms)
  }

  leap(ms: number): void {
    this.#leptMs += ms
  }
}
