import type { Clock } from '../clock.ts'
import { isObserved, report } from '../diagnostics.ts'
import { type AlarmNews, alarmText } from './alarm-text.ts'

/**
 * Tells what somebody has to hear: as news, and while nobody listens to those as warnings of the process, which Node
 * prints on stderr; the same of the same shard once a minute. Otherwise a program whose handler fails at every record, or
 * whose database has no tables, would stand without a word.
 */
export class Alarm {
  readonly #clock: Clock
  readonly #warnedMs = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  report(news: AlarmNews): void {
    report(news)
    if (isObserved()) return
    const about = `${news.type} ${'shardId' in news ? news.shardId : news.what}`
    const nowMs = this.#clock.monotonic()
    if (nowMs - (this.#warnedMs.get(about) ?? Number.NEGATIVE_INFINITY) < quietMs) return
    this.#warnedMs.set(about, nowMs)
    const code = `TRITON_${news.type.toUpperCase().replaceAll('-', '_')}`
    process.emitWarning(alarmText(news), { type: 'TritonWarning', code })
  }
}

const quietMs = 60_000
