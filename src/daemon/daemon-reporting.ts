import { DaemonMetrics } from './daemon-metrics.ts'
import { MetricsServer } from './metrics-server.ts'
import type { OpenedKeeper } from './open-keeper.ts'
import { type StatsdPlace, StatsdReporter } from './statsd-reporter.ts'
import type { ResolvedTritondOptions } from './tritond-options.ts'

/** What a daemon tells those who run it, beside its log: by Prometheus, by statsd, by both or by neither. */
export class DaemonReporting {
  readonly #metrics: DaemonMetrics | undefined
  readonly #server: MetricsServer | undefined
  readonly #statsd: StatsdReporter | undefined

  private constructor(parts: { metrics?: DaemonMetrics; server?: MetricsServer; statsd?: StatsdReporter }) {
    this.#metrics = parts.metrics
    this.#server = parts.server
    this.#statsd = parts.statsd
  }

  /** Before the configuration is read, so that its news is counted too. */
  static async open(options: ResolvedTritondOptions, { mode, keeper }: OpenedKeeper): Promise<DaemonReporting> {
    const { metrics: place, statsd, host, clock } = options
    const watched = place === undefined ? {} : await openMetrics(place.host ?? host, place.port)
    return new DaemonReporting({ ...watched, ...(statsd !== undefined && (await openStatsd(statsd, mode))) })

    async function openMetrics(metricsHost: string, port: number) {
      const needsConfig = mode !== 'output'
      const metrics = await DaemonMetrics.open({ needsConfig, streams: () => keeper.streams(), clock })
      try {
        return { metrics, server: await MetricsServer.open(metricsHost, port, metrics) }
      } catch (error) {
        metrics[Symbol.dispose]()
        throw error
      }
    }
  }

  get metricsEndpoint(): string | undefined {
    return this.#server?.endpoint
  }

  async close(): Promise<void> {
    await Promise.all([this.#server?.close(), this.#statsd?.close()])
    this.#metrics?.[Symbol.dispose]()
  }
}

/** As the old daemon, nothing is told of records that skip Kinesis. */
async function openStatsd(place: StatsdPlace, mode: OpenedKeeper['mode']): Promise<{ statsd?: StatsdReporter }> {
  return mode === 'output' ? {} : { statsd: await StatsdReporter.open(place) }
}
