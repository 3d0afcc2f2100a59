import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import { isOpen, type Shard } from '../../src/kinesis/shard.ts'

/** Numbers each key's records from 0, so that a reader can tell what is missing, repeated or out of order. */
export class NumberedLoad {
  readonly #api: KinesisApi
  readonly #stream: string
  readonly #keys: string[]
  readonly #counts = new Map<string, number>()
  #running: Promise<void> | undefined
  #isStopped = false

  constructor(api: KinesisApi, stream: string, keyCount = 20) {
    this.#api = api
    this.#stream = stream
    this.#keys = Array.from({ length: keyCount }, (_, index) => `key-${index}`)
  }

  get keyCount(): number {
    return this.#keys.length
  }

  get recordCount(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
  }

  /** One record of every key. Waits for the answer, so that a key's records cannot overtake one another. */
  async putRound(data: (key: string, number: number) => string = line): Promise<void> {
    const entries = this.#keys.map((key) => ({
      data: Buffer.from(data(key, this.#counts.get(key) ?? 0)),
      partitionKey: key,
    }))
    const answers = await this.#api.putRecords(this.#stream, entries)
    const failed = answers.find((answer) => answer.errorCode !== undefined)
    if (failed !== undefined) throw new Error(`the load could not be put: ${failed.errorCode}`)
    for (const key of this.#keys) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  async putRounds(count: number): Promise<void> {
    for (let round = 0; round < count; round++) await this.putRound()
  }

  start(): void {
    this.#running = (async () => {
      while (!this.#isStopped) await this.putRound()
    })()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  /** What is wrong with these lines: nothing, when each key's numbers came in order, each once or, allowed, again. */
  faultsIn(lines: readonly string[], mayRepeat = false): string[] {
    const next = new Map<string, number>()
    const faults: string[] = []
    for (const text of lines) {
      const [key, digits] = text.split(' ') as [string, string]
      const number = Number(digits)
      const expected = next.get(key) ?? 0
      if (number === expected) next.set(key, expected + 1)
      else if (number > expected) faults.push(`${key}: ${number} came where ${expected} was due`)
      else if (!mayRepeat) faults.push(`${key}: ${number} came again after ${expected - 1}`)
    }
    for (const [key, count] of this.#counts) {
      if (next.get(key) !== count) faults.push(`${key}: ${next.get(key) ?? 0} of ${count} came`)
    }
    return faults
  }
}

const line = (key: string, number: number) => `${key} ${number}`

/** The open shards from the lowest hash key to the highest. */
export async function openShards(api: KinesisApi, stream: string): Promise<Shard[]> {
  const open = (await api.listShards(stream)).filter(isOpen)
  return open.sort((left, right) => (left.hashKeyRange.start < right.hashKeyRange.start ? -1 : 1))
}

export async function splitShard(api: KinesisApi, stream: string, shard: Shard | undefined): Promise<void> {
  if (shard === undefined) throw new Error('there is no such shard to split')
  const { start, end } = shard.hashKeyRange
  await api.splitShard(stream, shard.shardId, (start + end) / 2n)
  await untilActive(api, stream)
}

export async function mergeShards(api: KinesisApi, stream: string, low?: Shard, high?: Shard): Promise<void> {
  if (low === undefined || high === undefined) throw new Error('there are no such shards to merge')
  await api.mergeShards(stream, low.shardId, high.shardId)
  await untilActive(api, stream)
}

export async function resizeStream(api: KinesisApi, stream: string, shardCount: number): Promise<void> {
  await api.updateShardCount(stream, shardCount)
  await untilActive(api, stream)
}

export async function untilActive(api: KinesisApi, stream: string): Promise<void> {
  while ((await api.describeStreamSummary(stream)).status !== 'ACTIVE') {
    await new Promise((resolve) => setImmediate(resolve))
  }
}
