import type { Counter, Histogram, Registry } from 'prom-client'
import type { EngineCore } from '../engine-core.ts'
import { operations } from '../operations/operations.ts'
import type { TrafficCounts } from '../state/traffic.ts'
import type { ApiAnswer, ApiRequest } from '../wire/answer-request.ts'
import { textAnswer } from './console-answer.ts'

type Prometheus = typeof import('prom-client')

/** Seconds: a request takes some tens of microseconds, or as long as a disk or a fault makes it wait. */
const requestBuckets = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]

/**
 * The engine in Prometheus' text format, of this engine only, however many a process has. Requests are counted as they are
 * answered, all else is looked at when somebody asks; no timer runs.
 */
export class EngineMetrics {
  readonly #registry: Registry
  readonly #requests: Counter<'operation' | 'error'>
  readonly #seconds: Histogram<'operation'>

  private constructor(registry: Registry, prometheus: Prometheus) {
    const registers = [registry]
    this.#registry = registry
    this.#requests = new prometheus.Counter({
      name: 'triton_engine_requests_total',
      help: 'Requests answered, by operation and by the type of the error that they were answered with.',
      labelNames: ['operation', 'error'],
      registers,
    })
    this.#seconds = new prometheus.Histogram({
      name: 'triton_engine_request_seconds',
      help: 'From the end of a request to its answer, or to the first event of a subscription.',
      labelNames: ['operation'],
      buckets: requestBuckets,
      registers,
    })
  }

  static async open(core: EngineCore): Promise<EngineMetrics> {
    const prometheus = await import('prom-client')
    const registry = new prometheus.Registry()
    const metrics = new EngineMetrics(registry, prometheus)
    addTraffic(prometheus, registry, core)
    addGauges(prometheus, registry, core)
    return metrics
  }

  /** Counts what an answerer answers. */
  counting(answer: (request: ApiRequest) => Promise<ApiAnswer>): (request: ApiRequest) => Promise<ApiAnswer> {
    return async (request) => {
      const startedMs = performance.now()
      const answered = await answer(request)
      const operation = operationOf(request)
      this.#requests.inc({ operation, error: errorOf(answered) })
      this.#seconds.observe({ operation }, (performance.now() - startedMs) / 1000)
      return answered
    }
  }

  async page(): Promise<ApiAnswer> {
    return textAnswer(this.#registry.contentType, await this.#registry.metrics())
  }
}

/** Only names that exist: what clients invent must not become labels. */
function operationOf({ headers }: ApiRequest): string {
  const name = String(headers['x-amz-target'] ?? '').split('.')[1] ?? ''
  return operations.has(name) ? name : 'unknown'
}

function errorOf({ status, headers, delivery }: ApiAnswer): string {
  return (
    headers['x-amzn-ErrorType'] ?? (delivery !== undefined ? `fault ${delivery}` : status < 400 ? '' : String(status))
  )
}

function addTraffic(prometheus: Prometheus, registry: Registry, core: EngineCore): void {
  const counts: [name: string, help: string, count: keyof TrafficCounts][] = [
    ['triton_engine_records_put_total', 'Records put.', 'putRecords'],
    ['triton_engine_put_bytes_total', 'Data and keys of records put.', 'putBytes'],
    ['triton_engine_records_got_total', 'Records handed to readers and subscribers, each time.', 'getRecords'],
    ['triton_engine_got_bytes_total', 'Data and keys of records handed out.', 'getBytes'],
  ]
  for (const [name, help, count] of counts)
    new prometheus.Counter({
      name,
      help,
      labelNames: ['stream'],
      registers: [registry],
      // The streams count for themselves; here it is only told.
      collect() {
        this.reset()
        for (const { state, traffic } of core.streams.all()) this.inc({ stream: state.name }, traffic.total[count])
      },
    })
}

function addGauges(prometheus: Prometheus, registry: Registry, core: EngineCore): void {
  const gauges: [name: string, help: string, value: () => number][] = [
    ['triton_engine_streams', 'Streams, in whatever state.', () => [...core.streams.all()].length],
    ['triton_engine_open_shards', 'Open shards of all streams.', () => core.streams.openShardCount],
    [
      'triton_engine_subscriptions',
      'SubscribeToShard calls that are being served.',
      () => core.subscriptions.active().length,
    ],
    ['process_resident_memory_bytes', 'Resident memory of the process.', () => process.memoryUsage.rss()],
  ]
  for (const [name, help, value] of gauges)
    new prometheus.Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value())
      },
    })
}
