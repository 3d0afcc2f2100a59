import { type Clock, sleep } from '../clock.ts'
import { PageFeed } from '../consumer/page-feed.ts'
import type { ReadSettings } from '../consumer/read-settings.ts'
import type { ShardPage } from '../consumer/shard-reader.ts'

/** A stream's records as they lie in it, page by page: for who keeps them and never looks into them. */
export class PageSource implements AsyncDisposable {
  readonly #feed: PageFeed
  readonly #clock: Clock
  #wake: (() => void) | undefined

  constructor(settings: ReadSettings) {
    this.#clock = settings.clock
    this.#feed = new PageFeed(settings, () => this.#wake?.())
  }

  /** See `PageFeed`. */
  ready(): Promise<void> {
    return this.#feed.ready()
  }

  /**
   * The next page, to be released by who takes it; `late` when none came by `untilMs` (monotonic); `over` when none will.
   * Rejects when reading is refused.
   */
  async next(untilMs: number, signal?: AbortSignal): Promise<ShardPage | 'late' | 'over'> {
    this.#feed.begin()
    for (;;) {
      const page = this.#feed.shift()
      if (page !== undefined) return page
      if (this.#feed.failure !== undefined) throw this.#feed.failure
      if (this.#feed.isOver || signal?.aborted) return 'over'
      const waitMs = untilMs - this.#clock.monotonic()
      if (waitMs <= 0) return 'late'
      await this.#news(waitMs, signal)
    }
  }

  release(page: ShardPage): void {
    this.#feed.release(page)
  }

  close(): Promise<void> {
    return this.#feed.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #news(waitMs: number, signal?: AbortSignal): Promise<void> {
    const waiting = new AbortController()
    this.#wake = () => waiting.abort()
    signal?.addEventListener('abort', this.#wake, { once: true })
    await sleep(this.#clock, waitMs, waiting.signal)
    signal?.removeEventListener('abort', this.#wake)
    this.#wake = undefined
  }
}
