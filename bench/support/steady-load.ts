import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'

/** A few records a second into every shard. */
export class SteadyLoad implements AsyncDisposable {
  #isOver = false
  readonly #running: Promise<void>

  constructor(api: KinesisApi, stream: string) {
    this.#running = this.#run(api, stream)
  }

  async #run(api: KinesisApi, stream: string): Promise<void> {
    for (let count = 0; !this.#isOver; count++) {
      const entries = Array.from({ length: 16 }, (_, key) => ({
        data: Buffer.from(`${count}`),
        partitionKey: `${key}`,
      }))
      await api.putRecords(stream, entries)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.#running
  }
}
