/**
 * Runs a generator ahead of who reads it, until what it gave and nobody took weighs as much as the limit. Ends with the
 * generator, or with its failure, after all that came before.
 */
export class ReadAhead<T> {
  readonly #source: AsyncGenerator<T>
  readonly #weigh: (item: T) => number
  readonly #limit: number
  #items: T[] = []
  #weight = 0
  #isEnded = false
  #isClosed = false
  #failure: unknown
  #wakeReader: (() => void) | undefined
  #wakeSource: (() => void) | undefined
  readonly #running: Promise<void>

  constructor(source: AsyncGenerator<T>, weigh: (item: T) => number, limit: number) {
    this.#source = source
    this.#weigh = weigh
    this.#limit = limit
    this.#running = this.#run()
  }

  /** All that is there, at once; undefined at the end. Rejects with the generator's failure, once what came before was taken. */
  async take(): Promise<T[] | undefined> {
    while (this.#items.length === 0) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#isEnded) return undefined
      await new Promise<void>((resolve) => (this.#wakeReader = resolve))
    }
    const items = this.#items
    this.#items = []
    this.#weight = 0
    this.#wakeSource?.()
    return items
  }

  /** Resolves when the generator runs no more. May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#wakeSource?.()
    await this.#running
    this.#items = []
  }

  async #run(): Promise<void> {
    try {
      for await (const item of this.#source) {
        this.#items.push(item)
        this.#weight += this.#weigh(item)
        this.#wakeReader?.()
        while (this.#weight >= this.#limit && !this.#isClosed)
          await new Promise<void>((resolve) => (this.#wakeSource = resolve))
        if (this.#isClosed) break
      }
    } catch (error) {
      this.#failure = error
    } finally {
      this.#isEnded = true
      this.#wakeReader?.()
    }
  }
}
