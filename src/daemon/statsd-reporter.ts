import type { StatsD } from 'hot-shots'
import { type Diagnostic, observe } from '../diagnostics.ts'

export interface StatsdPlace {
  host: string
  port: number
  /** Stands before every name, with a dot behind it. @default none */
  prefix?: string
}

/**
 * Tells statsd, by UDP, what the old daemon told it, under the old names:
 *
 *     tritond.eventcount.<logical stream>     counter: records that came to their end, well or badly
 *     tritond.skipcount.<logical stream>      counter: messages that were skipped; `unknown` where the name is not ours
 *     triton.stream.put_attempt.<real stream> counter: records of requests, those that go again included
 *     tritond.write_loop.timing               timer: milliseconds that a chunk of records took to be written
 *
 * A statsd that is not there costs nothing and stops nothing.
 */
export class StatsdReporter {
  readonly #client: StatsD
  readonly #stopObserving: () => void

  private constructor(client: StatsD) {
    this.#client = client
    this.#stopObserving = observe((news) => this.#tell(news))
  }

  static async open({ host, port, prefix }: StatsdPlace): Promise<StatsdReporter> {
    const { StatsD } = await import('hot-shots')
    const client = new StatsD({
      host,
      port,
      ...(prefix && { prefix: `${prefix.replace(/\.$/, '')}.` }),
      includeDataDogTags: false,
      cacheDns: true,
      maxBufferSize: datagramBytes,
      bufferFlushInterval: flushMs,
      // UDP has no answer; what can't be sent is nobody's loss.
      errorHandler: () => undefined,
    })
    return new StatsdReporter(client)
  }

  /** Sends what it holds. */
  async close(): Promise<void> {
    this.#stopObserving()
    await new Promise<void>((resolve) => this.#client.close(() => resolve()))
  }

  #tell(news: Diagnostic): void {
    const client = this.#client
    switch (news.type) {
      case 'records-sent':
        client.increment(`tritond.eventcount.${nameOf(news.stream)}`, news.recordCount)
        client.timing('tritond.write_loop.timing', news.durationMs)
        break
      case 'records-lost':
      case 'records-refused':
        client.increment(`tritond.eventcount.${nameOf(news.stream)}`, news.recordCount)
        break
      case 'message-skipped':
        client.increment(`tritond.skipcount.${nameOf(news.stream ?? 'unknown')}`, news.recordCount)
        break
      case 'batch-put':
        client.increment(`triton.stream.put_attempt.${nameOf(news.stream)}`, news.recordCount)
        break
    }
  }
}

/** A stream name may hold what separates the parts of a line. */
function nameOf(stream: string): string {
  return stream.replace(/[:|@#\s]/g, '_')
}

/** What an Ethernet frame has room for. */
const datagramBytes = 1_400
const flushMs = 1_000
