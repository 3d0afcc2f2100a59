import type { Counter, Gauge, Registry } from 'prom-client'
import { type Diagnostic, observe } from '../diagnostics.ts'
import { memberLeaseName } from './member-lease.ts'

/** A worker's news as numbers, under the names that operators of KCL look for, in Prometheus' words. */
export class WorkerMetrics implements Disposable {
  readonly #registry: Registry
  readonly #counters: ReturnType<typeof countersOf>
  readonly #stopObserving: () => void
  readonly #held = new Set<string>()
  /** Its name among the group's workers while it is one of them. */
  #member = ''

  private constructor(registry: Registry, counters: ReturnType<typeof countersOf>) {
    this.#registry = registry
    this.#counters = counters
    this.#stopObserving = observe((news) => this.#count(news))
  }

  /** Listens to the news from now on. */
  static async open(): Promise<WorkerMetrics> {
    const prometheus = await import('prom-client')
    const registry = new prometheus.Registry()
    prometheus.collectDefaultMetrics({ register: registry })
    return new WorkerMetrics(registry, countersOf(prometheus, registry))
  }

  /** In Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** Whether it has joined its group. It may hold no shard: there can be more workers than shards. */
  readiness(): { isReady: boolean; lines: string[] } {
    const isReady = this.#member !== ''
    return { isReady, lines: [`group ${isReady ? 'joined' : 'not joined'}`, `leases ${this.#held.size}`] }
  }

  [Symbol.dispose](): void {
    this.#stopObserving()
    this.#registry.clear()
  }

  #count(news: Diagnostic): void {
    const { counters, gauges } = this.#counters
    switch (news.type) {
      case 'worker-joined':
        this.#member = news.owner
        return
      case 'lease-taken':
        this.#held.add(news.name)
        gauges.leases.set({ stream: news.stream }, this.#held.size)
        return
      case 'worker-stopped':
        this.#member = ''
        return
      case 'lease-released':
      case 'lease-lost':
        if (news.name === memberLeaseName(this.#member)) {
          this.#member = ''
          return
        }
        this.#held.delete(news.name)
        gauges.leases.set({ stream: news.stream }, this.#held.size)
        gauges.behind.remove({ stream: news.stream, shard: news.name })
        gauges.age.remove({ stream: news.stream, shard: news.name })
        if (news.type === 'lease-lost') counters.lost.inc({ stream: news.stream })
        return
      case 'batch-handled':
        counters.handled.inc({ stream: news.stream }, news.recordCount)
        counters.seconds.inc({ stream: news.stream }, news.durationMs / 1_000)
        gauges.behind.set({ stream: news.stream, shard: news.shardId }, news.millisBehindLatest)
        gauges.age.set({ stream: news.stream, shard: news.shardId }, news.ageMs)
        return
      case 'page-read':
        if (news.recordCount === 0)
          gauges.behind.set({ stream: news.stream, shard: news.shardId }, news.millisBehindLatest)
        return
      case 'handler-failed':
        counters.failures.inc({ stream: news.stream })
        return
      case 'record-skipped':
        counters.givenUp.inc({ stream: news.stream, policy: 'skip' })
        return
      case 'record-dead-lettered':
        counters.givenUp.inc({ stream: news.stream, policy: 'dead-letter' })
        return
      case 'shard-stopped':
        counters.stops.inc({ stream: news.stream, shard: news.shardId })
        return
      case 'shard-stuck':
        counters.stuck.inc({ stream: news.stream, shard: news.shardId })
        return
      default:
    }
  }
}

function countersOf(prometheus: typeof import('prom-client'), registry: Registry) {
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]): Counter<L> =>
    new prometheus.Counter({ name: `triton_worker_${name}`, help, labelNames, registers: [registry] })
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]): Gauge<L> =>
    new prometheus.Gauge({ name: `triton_worker_${name}`, help, labelNames, registers: [registry] })
  return {
    counters: {
      handled: counter('records_handled_total', 'Records done with (RecordsProcessed).', 'stream'),
      seconds: counter('handling_seconds_total', 'Time that handlers took.', 'stream'),
      failures: counter('handler_failures_total', 'Attempts that failed.', 'stream'),
      givenUp: counter('records_given_up_total', 'Records skipped or put among the dead letters.', 'stream', 'policy'),
      stops: counter(
        'shard_stops_total',
        'Tries of a shard that stands before a record that fails.',
        'stream',
        'shard',
      ),
      stuck: counter('shard_stuck_total', 'Times that a shard was found standing.', 'stream', 'shard'),
      lost: counter('leases_lost_total', 'Leases taken by others or not renewed in time (LostLeases).', 'stream'),
    },
    gauges: {
      leases: gauge('leases', 'Shards that this worker reads (CurrentLeases).', 'stream'),
      age: gauge(
        'record_age_milliseconds',
        'How long the last record handled had been in the stream by then.',
        'stream',
        'shard',
      ),
      behind: gauge(
        'behind_milliseconds',
        'How far behind its tip a shard is (MillisBehindLatest).',
        'stream',
        'shard',
      ),
    },
  }
}
