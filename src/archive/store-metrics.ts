import type { Counter, Gauge, Registry } from 'prom-client'
import { type Diagnostic, observe } from '../diagnostics.ts'

/** The news of `store` as numbers, in Prometheus' words. */
export class StoreMetrics implements Disposable {
  readonly #registry: Registry
  readonly #counted: ReturnType<typeof countersOf>
  readonly #stopObserving: () => void
  #isReading = false

  private constructor(registry: Registry, counted: ReturnType<typeof countersOf>) {
    this.#registry = registry
    this.#counted = counted
    this.#stopObserving = observe((news) => this.#count(news))
  }

  /** Listens to the news from now on. */
  static async open(): Promise<StoreMetrics> {
    const prometheus = await import('prom-client')
    const registry = new prometheus.Registry()
    prometheus.collectDefaultMetrics({ register: registry })
    return new StoreMetrics(registry, countersOf(prometheus, registry))
  }

  /** In Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** Whether it reads its stream. */
  readiness(): { isReady: boolean; lines: string[] } {
    return { isReady: this.#isReading, lines: [`reading ${this.#isReading ? 'ok' : 'not yet'}`] }
  }

  [Symbol.dispose](): void {
    this.#stopObserving()
    this.#registry.clear()
  }

  #count(news: Diagnostic): void {
    const { read, stored, aside, bytes, objects, retries, behind, lastStored } = this.#counted
    switch (news.type) {
      case 'page-read':
        this.#isReading = true
        read.inc({ stream: news.stream }, news.recordCount)
        behind.set({ stream: news.stream, shard: news.shardId }, news.millisBehindLatest / 1_000)
        return
      case 'shard-finished':
        behind.remove({ stream: news.stream, shard: news.shardId })
        return
      case 'object-stored':
        stored.inc({ stream: news.stream }, news.recordCount)
        aside.inc({ stream: news.stream }, news.undecodableCount)
        bytes.inc({ stream: news.stream }, news.objectBytes)
        objects.inc({ stream: news.stream })
        lastStored.setToCurrentTime({ stream: news.stream })
        return
      case 'store-retry':
        retries.inc({ what: 'store' })
        return
      case 'get-retry':
      case 'list-retry':
        retries.inc({ what: 'kinesis' })
        return
      case 'checkpoint-retry':
        retries.inc({ what: 'checkpoint' })
    }
  }
}

function countersOf(
  { Counter: CounterOf, Gauge: GaugeOf }: typeof import('prom-client'),
  registry: Registry,
): Record<'read' | 'stored' | 'aside' | 'bytes' | 'objects' | 'retries', Counter> &
  Record<'behind' | 'lastStored', Gauge> {
  const counter = (name: string, help: string, labelNames = ['stream']) =>
    new CounterOf({ name: `triton_store_${name}`, help, labelNames, registers: [registry] })
  const gauge = (name: string, help: string, labelNames: string[]) =>
    new GaugeOf({ name: `triton_store_${name}`, help, labelNames, registers: [registry] })
  return {
    read: counter('records_read_total', 'Records that came from Kinesis'),
    stored: counter('records_stored_total', 'Records in completed objects'),
    aside: counter('records_undecodable_total', 'Records that are no msgpack map, in side objects'),
    bytes: counter('object_bytes_total', 'Bytes of completed objects'),
    objects: counter('uploads_total', 'Objects completed'),
    retries: counter(
      'retries_total',
      'Requests that were tried again: to the store, to Kinesis, to the checkpoint database',
      ['what'],
    ),
    behind: gauge('seconds_behind_latest', 'How far behind the tip of its shard reading is', ['stream', 'shard']),
    lastStored: gauge('last_object_timestamp_seconds', 'When the last object was completed', ['stream']),
  }
}
