import type { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Clock } from '../clock.ts'
import { type Diagnostic, observe } from '../diagnostics.ts'
import { judgeReadiness, type LastAnswer, type Readiness } from './judge-readiness.ts'
import { skipReasons } from './skip-counter.ts'
import type { StreamFacts } from './stream-facts.ts'

export interface DaemonMetricsOptions {
  needsConfig: boolean
  /** How the streams fare at the moment of the call. */
  streams: () => readonly StreamFacts[]
  clock: Clock
}

/** The daemon's news as numbers: what happened is counted as it is told, what waits is looked at when somebody asks. */
export class DaemonMetrics implements Disposable {
  readonly #options: DaemonMetricsOptions
  readonly #registry: Registry
  readonly #counted: Counted
  readonly #stopObserving: () => void
  readonly #answers = new Map<string, { isGood: boolean; atMs: number }>()
  #isConfigRead = false

  private constructor(options: DaemonMetricsOptions, registry: Registry, counted: Counted) {
    this.#options = options
    this.#registry = registry
    this.#counted = counted
    this.#stopObserving = observe((news) => this.#count(news))
  }

  /** Listens to the news from now on. */
  static async open(options: DaemonMetricsOptions): Promise<DaemonMetrics> {
    const prometheus = await import('prom-client')
    const registry = new prometheus.Registry()
    prometheus.collectDefaultMetrics({ register: registry })
    addStreamGauges(prometheus, registry, options.streams)
    return new DaemonMetrics(options, registry, countersOf(prometheus, registry))
  }

  /** In Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  readiness(): Readiness {
    const { needsConfig, streams, clock } = this.#options
    const nowMs = clock.monotonic()
    const facts = streams()
    const lastAnswers = facts.flatMap(({ streamName, realName }): LastAnswer[] => {
      const answers = [this.#answers.get(`logical ${streamName}`), this.#answers.get(`real ${realName}`)]
      const latest = answers.filter((answer) => answer !== undefined).sort((one, other) => other.atMs - one.atMs)[0]
      return latest === undefined ? [] : [{ streamName, isGood: latest.isGood, ageMs: nowMs - latest.atMs }]
    })
    const blockedStreams = facts.filter(({ isBlocked }) => isBlocked).map(({ streamName }) => streamName)
    return judgeReadiness({ needsConfig, isConfigRead: this.#isConfigRead, blockedStreams, lastAnswers })
  }

  [Symbol.dispose](): void {
    this.#stopObserving()
    this.#registry.clear()
  }

  #count(news: Diagnostic): void {
    const counted = this.#counted
    switch (news.type) {
      case 'records-sent':
        counted.sent.inc({ stream: news.stream }, news.recordCount)
        this.#answered(`logical ${news.stream}`, true)
        break
      case 'records-lost': {
        const { stream, reason, errorCode: code } = news
        counted.lost.inc({ stream, reason, code }, news.recordCount)
        break
      }
      case 'records-refused':
        counted.refused.inc({ stream: news.stream, code: news.errorCode }, news.recordCount)
        break
      case 'spool-damaged':
        counted.damaged.inc({ stream: news.stream }, news.recordCount)
        break
      case 'message-skipped':
        counted.skipped.inc({ reason: news.reason, stream: news.stream ?? '' }, news.recordCount)
        break
      case 'batch-put': {
        const { stream } = news
        counted.batchRecords.observe({ stream }, news.recordCount)
        counted.batchBytes.observe({ stream }, news.batchBytes)
        counted.putSeconds.observe({ stream }, news.durationMs / 1000)
        if (news.failedCount === news.recordCount) this.#answered(`real ${stream}`, false)
        break
      }
      case 'put-retry':
        counted.retries.inc({ stream: news.stream, code: news.errorCode }, news.recordCount)
        break
      case 'record-reordered':
        counted.reordered.inc({ stream: news.stream }, news.recordCount)
        break
      case 'stream-resting':
        counted.rests.inc({ stream: news.stream })
        this.#answered(`logical ${news.stream}`, false)
        break
      case 'intake-paused':
        counted.isPaused.set(1)
        break
      case 'intake-resumed':
        counted.isPaused.set(0)
        counted.pausedSeconds.inc(news.pausedMs / 1000)
        break
      case 'config-read':
        this.#isConfigRead = true
        counted.configReads.inc({ outcome: 'read' })
        break
      case 'config-failed':
        counted.configReads.inc({ outcome: 'failed' })
        break
    }
  }

  #answered(name: string, isGood: boolean): void {
    this.#answers.set(name, { isGood, atMs: this.#options.clock.monotonic() })
  }
}

type Prometheus = typeof import('prom-client')

interface Counted {
  sent: Counter<'stream'>
  lost: Counter<'stream' | 'reason' | 'code'>
  refused: Counter<'stream' | 'code'>
  damaged: Counter<'stream'>
  skipped: Counter<'reason' | 'stream'>
  retries: Counter<'stream' | 'code'>
  reordered: Counter<'stream'>
  rests: Counter<'stream'>
  batchRecords: Histogram<'stream'>
  batchBytes: Histogram<'stream'>
  putSeconds: Histogram<'stream'>
  isPaused: Gauge
  pausedSeconds: Counter
  configReads: Counter<'outcome'>
}

/** `stream` is the logical name, in what tells of requests the one in Kinesis. */
function countersOf({ Counter, Gauge, Histogram }: Prometheus, registry: Registry): Counted {
  const registers = [registry]
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name: `tritond_${name}`, help, labelNames, registers })
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `tritond_${name}`, help, labelNames: ['stream'], buckets, registers })
  const skipped = counter('messages_skipped_total', 'Messages that became no record.', 'reason', 'stream')
  // A rate of what never happened is zero, not missing.
  for (const reason of skipReasons) skipped.inc({ reason, stream: '' }, 0)
  return {
    sent: counter('records_sent_total', 'Records that Kinesis has.', 'stream'),
    lost: counter('records_lost_total', 'Accepted records that will never be written.', 'stream', 'reason', 'code'),
    refused: counter('records_refused_total', 'Records kept aside that Kinesis will never take.', 'stream', 'code'),
    damaged: counter('records_damaged_total', "Records of the spool that can't be read any more.", 'stream'),
    skipped,
    retries: counter('put_retries_total', 'Records that go to Kinesis again.', 'stream', 'code'),
    reordered: counter('records_reordered_total', 'Records that may stand behind later ones of their key.', 'stream'),
    rests: counter('stream_rests_total', 'Times that a stream was left alone because its records came back.', 'stream'),
    batchRecords: histogram(
      'batch_records',
      'Records of a PutRecords request.',
      [1, 5, 10, 50, 100, 200, 300, 400, 500],
    ),
    batchBytes: histogram('batch_bytes', 'Data and keys of a PutRecords request.', [1e3, 1e4, 1e5, 1e6, 5e6, 1e7]),
    putSeconds: histogram(
      'put_seconds',
      'Duration of a PutRecords request.',
      [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    ),
    isPaused: new Gauge({ name: 'tritond_intake_paused', help: '1 while there is no room for records.', registers }),
    pausedSeconds: counter('intake_paused_seconds_total', 'How long no record was received for want of room.'),
    configReads: counter('config_reads_total', 'Times that triton.yaml was read.', 'outcome'),
  }
}

/** Streams that the configuration no longer names have no lines. */
function addStreamGauges(
  { Counter, Gauge }: Prometheus,
  registry: Registry,
  streams: () => readonly StreamFacts[],
): void {
  const kinds = {
    waiting_records: ['Records without an outcome yet.', ({ recordCount }: StreamFacts) => recordCount],
    waiting_bytes: ['What they take of the memory or the spool.', ({ bytes }: StreamFacts) => bytes],
    oldest_record_seconds: ['Age of the oldest of them.', ({ oldestAgeMs }: StreamFacts) => oldestAgeMs / 1000],
    spool_blocked: ['1 while the spool takes none.', ({ isBlocked }: StreamFacts) => Number(isBlocked)],
  } as const
  for (const [name, [help, figureOf]] of Object.entries(kinds)) {
    const gauge = new Gauge({
      name: `tritond_${name}`,
      help,
      labelNames: ['stream'],
      registers: [registry],
      collect() {
        gauge.reset()
        for (const facts of streams()) gauge.set({ stream: facts.streamName }, figureOf(facts))
      },
    })
  }
  const accepted = new Counter({
    name: 'tritond_records_accepted_total',
    help: 'Records taken over from clients.',
    labelNames: ['stream'],
    registers: [registry],
    collect() {
      accepted.reset()
      for (const { streamName, acceptedCount } of streams()) accepted.inc({ stream: streamName }, acceptedCount)
    },
  })
}
