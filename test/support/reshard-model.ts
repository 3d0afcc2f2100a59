import { hashKeyOf, maxHashKey } from '../../src/kinesis/hash-key.ts'
import {
  type EncodedRecord,
  type KinesisApi,
  noRecords,
  type Page,
  type StreamSummary,
} from '../../src/kinesis/kinesis-api.ts'
import type { Position } from '../../src/kinesis/position.ts'
import { KinesisCallError, type RetryClass } from '../../src/kinesis/retry-class.ts'
import { compareSequenceNumbers, endingSeqIx, formatSequenceNumber } from '../../src/kinesis/sequence-number.ts'
import { type Shard, shardIdOf } from '../../src/kinesis/shard.ts'
import { pageRecordsOf } from './page-records.ts'

/**
 * One stream in memory that answers as Kinesis does, moved by the test alone: no clock, no chance, every reshard at
 * the call. For asking a reader about situations that a real engine meets once a year.
 */
export class ReshardModel implements KinesisApi {
  readonly stream: string
  /** Called before every read; throws what the call shall fail with. May be slow. */
  onCall: (call: ModelCall) => void | Promise<void> = () => {}
  /** Every GetRecords call: which shard, which records it answered. */
  readonly pages: { shardId: string; sequenceNumbers: string[] }[] = []
  nowMs = Date.UTC(2026, 0, 1)
  #shards: ModelShard[] = []
  #seqIx = 1n
  #iterators = 0
  #closedCount = 0

  constructor(shardCount: number, stream = 'model') {
    this.stream = stream
    const width = (maxHashKey + 1n) / BigInt(shardCount)
    for (let index = 0; index < shardCount; index++) {
      const end = index === shardCount - 1 ? maxHashKey : width * BigInt(index + 1) - 1n
      this.#add({ start: width * BigInt(index), end }, [])
    }
  }

  // What the test does to the stream.

  put(partitionKey: string, text: string): { shardId: string; sequenceNumber: string } {
    const place = hashKeyOf(partitionKey)
    const shard = this.#shards.find((one) => one.isOpen && one.range.start <= place && place <= one.range.end)
    if (shard === undefined) throw new Error('no open shard takes this key')
    return this.#append(shard, partitionKey, text)
  }

  putInto(shardIndex: number, text: string, partitionKey = 'key'): { shardId: string; sequenceNumber: string } {
    return this.#append(this.#at(shardIndex), partitionKey, text)
  }

  /** Answers the indexes of the children. */
  split(shardIndex: number): [number, number] {
    const parent = this.#close(shardIndex)
    const middle = (parent.range.start + parent.range.end) / 2n
    const low = this.#add({ start: parent.range.start, end: middle - 1n }, [shardIndex])
    const high = this.#add({ start: middle, end: parent.range.end }, [shardIndex])
    return [low, high]
  }

  merge(lowIndex: number, highIndex: number): number {
    const low = this.#close(lowIndex)
    const high = this.#close(highIndex)
    return this.#add({ start: low.range.start, end: high.range.end }, [lowIndex, highIndex])
  }

  /** Pairs of open shards whose ranges touch. */
  adjacentPairs(): [number, number][] {
    const open = this.openShards()
    return open.flatMap((low) =>
      open
        .filter((high) => this.#at(high).range.start === this.#at(low).range.end + 1n)
        .map((high): [number, number] => [low, high]),
    )
  }

  openShards(): number[] {
    return this.#shards.filter((shard) => shard.isOpen).map((shard) => shard.index)
  }

  /** Retention takes the shard's first records; all of them without a count. */
  trim(shardIndex: number, recordCount = Number.POSITIVE_INFINITY): void {
    this.#at(shardIndex).records.splice(0, recordCount)
  }

  /** Retention takes a closed shard from the listing. */
  expire(shardIndex: number): void {
    this.#at(shardIndex).isExpired = true
    this.trim(shardIndex)
  }

  /** Iterators given out so far are refused from now on. */
  expireIterators(): void {
    this.#closedCount += 1
  }

  // What the reader asks.

  async listShards(stream: string): Promise<Shard[]> {
    await this.onCall({ operation: 'ListShards', stream })
    if (stream !== this.stream) throw failure('not-found', 'ResourceNotFoundException', `Stream ${stream} not found.`)
    return this.#shards.filter((shard) => !shard.isExpired).map((shard) => this.#describe(shard))
  }

  async getShardIterator(stream: string, shardId: string, position: Position): Promise<string> {
    await this.onCall({ operation: 'GetShardIterator', stream, shardId, position })
    const shard = this.#shards.find((one) => one.shardId === shardId && !one.isExpired)
    if (shard === undefined || stream !== this.stream) {
      throw failure('not-found', 'ResourceNotFoundException', `Shard ${shardId} in stream ${stream} does not exist`)
    }
    return this.#iterator(shard, this.#after(shard, position))
  }

  async getRecords(shardIterator: string, limit: number): Promise<Page> {
    const [index, after, generation] = shardIterator.split('/') as [string, string, string]
    const shard = this.#at(Number(index))
    await this.onCall({ operation: 'GetRecords', shardId: shard.shardId })
    if (Number(generation) < this.#closedCount) {
      throw failure('expired-iterator', 'ExpiredIteratorException', 'Iterator expired.')
    }
    const left = shard.records.filter((record) => compareSequenceNumbers(record.sequenceNumber, after) > 0)
    const records = left.slice(0, limit)
    this.pages.push({ shardId: shard.shardId, sequenceNumbers: records.map((record) => record.sequenceNumber) })
    const last = records.at(-1)
    if (last === undefined && !shard.isOpen) {
      const children = this.#shards.filter((one) => one.parents.includes(shard.index) && !one.isExpired)
      const childShards = children.map((one) => ({ shardId: one.shardId, parentShardIds: one.parents.map(shardIdOf) }))
      return { records: noRecords, millisBehindLatest: 0, childShards }
    }
    return {
      records: pageRecordsOf(records),
      nextShardIterator: this.#iterator(shard, last?.sequenceNumber ?? after),
      millisBehindLatest: left.length > records.length ? 1 : 0,
    }
  }

  putRecords = unasked
  describeStreamSummary = unasked as () => Promise<StreamSummary>
  listStreams = unasked
  createStream = unasked
  deleteStream = unasked
  splitShard = unasked
  mergeShards = unasked
  updateShardCount = unasked
  close(): void {}

  #at(index: number): ModelShard {
    const shard = this.#shards[index]
    if (shard === undefined) throw new Error(`no shard ${index}`)
    return shard
  }

  #add(range: ModelShard['range'], parents: number[]): number {
    const index = this.#shards.length
    const createTimeSeconds = Math.floor(this.nowMs / 1000) + parents.length
    const shard = { index, shardId: shardIdOf(index), range, parents, createTimeSeconds }
    this.#shards.push({ ...shard, records: [], isOpen: true, isExpired: false })
    return index
  }

  #close(index: number): ModelShard {
    const shard = this.#at(index)
    if (!shard.isOpen) throw new Error(`shard ${index} is closed`)
    shard.isOpen = false
    return shard
  }

  #append(shard: ModelShard, partitionKey: string, text: string) {
    this.nowMs += 1
    const record = { partitionKey, arrivedAtMs: this.nowMs, bytes: Buffer.from(text) }
    const sequenceNumber = this.#number(shard, this.#seqIx++)
    shard.records.push({ ...record, sequenceNumber })
    return { shardId: shard.shardId, sequenceNumber }
  }

  #number(shard: ModelShard, seqIx: bigint): string {
    const { createTimeSeconds, index } = shard
    return formatSequenceNumber({ createTimeSeconds, shardIndex: index, seqIx, seqTimeSeconds: createTimeSeconds })
  }

  #describe(shard: ModelShard): Shard {
    const [parentShardId, adjacentParentShardId] = shard.parents.map(shardIdOf)
    return {
      shardId: shard.shardId,
      hashKeyRange: shard.range,
      startingSequenceNumber: this.#number(shard, 0n),
      ...(shard.isOpen ? {} : { endingSequenceNumber: this.#number(shard, endingSeqIx) }),
      ...(parentShardId === undefined ? {} : { parentShardId }),
      ...(adjacentParentShardId === undefined ? {} : { adjacentParentShardId }),
    }
  }

  #after(shard: ModelShard, position: Position): string {
    switch (position.type) {
      case 'TRIM_HORIZON':
        return '0'
      case 'LATEST':
        return shard.records.at(-1)?.sequenceNumber ?? '0'
      case 'AT_TIMESTAMP': {
        const before = shard.records.filter((record) => record.arrivedAtMs < position.timestampMs)
        return before.at(-1)?.sequenceNumber ?? '0'
      }
      case 'AT_SEQUENCE_NUMBER':
        return String(BigInt(position.sequenceNumber) - 1n)
      case 'AFTER_SEQUENCE_NUMBER':
        return position.sequenceNumber
    }
  }

  #iterator(shard: ModelShard, after: string): string {
    return `${shard.index}/${after}/${this.#closedCount}/${this.#iterators++}`
  }
}

export interface ModelCall {
  operation: 'ListShards' | 'GetShardIterator' | 'GetRecords'
  stream?: string
  shardId?: string
  position?: Position
}

/** A failed call as the AWS client tells it. */
export function failure(retryClass: RetryClass, errorCode: string, message = errorCode): KinesisCallError {
  return new KinesisCallError(message, { retryClass, errorCode, mayHaveBeenWritten: false })
}

interface ModelShard {
  index: number
  shardId: string
  range: { start: bigint; end: bigint }
  parents: number[]
  createTimeSeconds: number
  records: EncodedRecord[]
  isOpen: boolean
  isExpired: boolean
}

function unasked(): Promise<never> {
  return Promise.reject(new Error('a reader has no business asking this'))
}
