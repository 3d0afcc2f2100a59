import type { KinesisApi, Page } from '../../src/kinesis/kinesis-api.ts'
import type { Position } from '../../src/kinesis/position.ts'
import type { Shard } from '../../src/kinesis/shard.ts'
import type { Random } from '../../src/random.ts'
import { failure, type ReshardModel } from '../support/reshard-model.ts'
import type { MachineClock } from './simulated-time.ts'

/** Chances from 0 to 1 that a call fails so. */
export interface KinesisFaults {
  throttled: number
  failed: number
  expired: number
  slow: number
}

export const noKinesisFaults: KinesisFaults = { throttled: 0, failed: 0, expired: 0, slow: 0 }

/** One machine's connection to the stream that all read. */
export class SimulatedKinesis implements KinesisApi {
  readonly #model: ReshardModel
  readonly #clock: MachineClock
  readonly #random: Random
  readonly #faults: () => KinesisFaults

  constructor(model: ReshardModel, clock: MachineClock, random: Random, faults: () => KinesisFaults) {
    this.#model = model
    this.#clock = clock
    this.#random = random
    this.#faults = faults
    const { putRecords, describeStreamSummary, listStreams, createStream, deleteStream } = model
    Object.assign(this, { putRecords, describeStreamSummary, listStreams, createStream, deleteStream })
  }

  declare putRecords: KinesisApi['putRecords']
  declare describeStreamSummary: KinesisApi['describeStreamSummary']
  declare listStreams: KinesisApi['listStreams']
  declare createStream: KinesisApi['createStream']
  declare deleteStream: KinesisApi['deleteStream']
  splitShard: KinesisApi['splitShard'] = unasked
  mergeShards: KinesisApi['mergeShards'] = unasked
  updateShardCount: KinesisApi['updateShardCount'] = unasked
  close(): void {}

  listShards(stream: string): Promise<Shard[]> {
    return this.#call(() => this.#model.listShards(stream))
  }

  getShardIterator(stream: string, shardId: string, position: Position): Promise<string> {
    return this.#call(() => this.#model.getShardIterator(stream, shardId, position))
  }

  getRecords(shardIterator: string, limit: number): Promise<Page> {
    if (this.#random.next() < this.#faults().expired) {
      return this.#call(() => Promise.reject(failure('expired-iterator', 'ExpiredIteratorException')))
    }
    return this.#call(() => this.#model.getRecords(shardIterator, limit))
  }

  async #call<T>(act: () => Promise<T>): Promise<T> {
    const faults = this.#faults()
    const dice = this.#random.next()
    await this.#wait(this.#random.next() < faults.slow ? this.#random.next() * 6_000 : this.#random.next() * 15)
    if (dice < faults.throttled) throw failure('throttled', 'ProvisionedThroughputExceededException')
    if (dice < faults.throttled + faults.failed) throw failure('transient', 'InternalFailure')
    const answer = await act()
    await this.#wait(this.#random.next() * 15)
    return answer
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.setTimer(resolve, ms))
  }
}

function unasked(): Promise<never> {
  return Promise.reject(new Error('a worker has no business asking this'))
}
