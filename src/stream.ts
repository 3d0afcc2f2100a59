import type { ArchiveStore } from './archive/archive-store.ts'
import { checkpointSettings } from './checkpoint/checkpoint-settings.ts'
import type { CheckpointStore } from './checkpoint/checkpoint-store.ts'
import type { LeaseStore } from './checkpoint/lease-store.ts'
import { openCheckpointStore } from './checkpoint/open-checkpoint-store.ts'
import { type Clock, systemClock } from './clock.ts'
import { type Config, definitionOf, type StreamDefinition } from './config.ts'
import { afterSequenceNumber, iterate } from './consumer/iterate.ts'
import type { CheckpointTarget, IterateOptions, StartPosition } from './consumer/read-settings.ts'
import type { StreamIterator } from './consumer/stream-iterator.ts'
import type { Decode } from './consumer/stream-record.ts'
import { ClosedError, RecordError } from './errors.ts'
import { given } from './given.ts'
import { Worker } from './group/worker.ts'
import type { WorkerOptions } from './group/worker-options.ts'
import { createAwsKinesisApi } from './kinesis/aws-kinesis-api.ts'
import type { KinesisApi, PutEntry } from './kinesis/kinesis-api.ts'
import { type Shard, shardIdOf } from './kinesis/shard.ts'
import { Producer } from './producer/producer.ts'
import type { ProducerOptions } from './producer/producer-options.ts'
import type { PutAccepted, PutFailed, PutResult } from './producer/put-outcome.ts'
import { type Random, systemRandom } from './random.ts'
import { checkPartitionKey, partitionKeyOf } from './record/partition-key.ts'
import { type RecordCodec, type RecordCodecOptions, recordCodec } from './record/record-codec.ts'
import { Replay, type ReplayOptions } from './replay/replay.ts'
import { patientCall } from './stream/patient-call.ts'

export interface StreamOptions {
  /** Under which name iterators keep their checkpoints. @default TRITON_CLIENT_NAME, else TRITON_CLIENT, when needed */
  client?: string
  /** Where: a store, which its maker closes, or an address such as `sqlite://triton.db`. @default TRITON_DB, when needed */
  checkpointStore?: CheckpointStore | string
  producer?: Omit<ProducerOptions, 'clock' | 'random'>
  consumer?: Omit<IterateOptions, 'checkpoint' | 'shardNumbers' | 'clock' | 'random'>
  record?: RecordCodecOptions
  /** Kinesis, which its maker closes. @default the AWS SDK's, at the definition's region and endpoint */
  api?: KinesisApi
  /** Closes the stream, its iterators included. */
  signal?: AbortSignal
  /** @default systemClock */
  clock?: Clock
  /** @default systemRandom */
  random?: Random
}

export type StreamReplayOptions = Omit<ReplayOptions, 'clock'>

export interface PutKeys {
  /** Instead of the text of the definition's field; 1 to 256 characters. */
  partitionKey?: string
  /** Decides the shard instead of the partition key: a decimal number, 0 to 2^128 - 1. */
  explicitHashKey?: string
}

export interface PutOptions extends PutKeys {
  /** Calls off what was not sent yet and any further attempt; what is under way is waited for. */
  signal?: AbortSignal
}

export interface PutManyOptions<T> extends PutOptions {
  /** Keys of single records; what it leaves out is as for all. */
  keysOf?: (record: T, index: number) => PutKeys
}

/** What became of one record of `putMany`. */
export type PutOutcome<T> = PutAccepted | RecordFailed<T>

export interface RecordFailed<T> extends Omit<PutFailed, 'record'> {
  /** The record as it was given: put it again, or keep it elsewhere. */
  record: T
}

/** A stream of triton.yaml, to put into and to read from. Nothing is connected before the first use. */
export function getStream<T = unknown>(streamName: string, config: Config, options: StreamOptions = {}): Stream<T> {
  return new Stream(definitionOf(streamName, config), options)
}

/** Owns the connection, the producer and the checkpoint store that it made; `close` gives them back. */
export class Stream<T = unknown> implements AsyncDisposable {
  readonly definition: StreamDefinition
  readonly #options: StreamOptions
  readonly #api: KinesisApi
  readonly #codec: RecordCodec
  readonly #closing = new AbortController()
  #producer: Producer | undefined
  #ownStore: CheckpointStore | undefined
  #closed: Promise<void> | undefined

  constructor(definition: StreamDefinition, options: StreamOptions = {}) {
    const { region, endpoint, format } = definition
    this.definition = definition
    this.#options = options
    this.#codec = recordCodec(format, options.record)
    this.#api =
      options.api ??
      createAwsKinesisApi({ ...(region !== undefined && { region }), ...(endpoint !== undefined && { endpoint }) })
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (options.signal?.aborted) this.#onAbort()
  }

  /**
   * Resolves when Kinesis has the record. Calls of one turn of the event loop travel together. Rejects with a `TypeError`
   * that names the field, or a `RecordError`, before anything is sent; with a `PutError` when it could not be written.
   */
  put(data: T, options: PutOptions = {}): Promise<PutResult> {
    try {
      return this.#openProducer().put(this.#encode(data, options), signalOf(options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Resolves with one outcome per record, in the records' order; a failed one is handed back, not thrown. Rejects before
   * any of them is sent when one cannot be encoded.
   */
  async putMany(records: readonly T[], options: PutManyOptions<T> = {}): Promise<PutOutcome<T>[]> {
    const producer = this.#openProducer()
    const entries = records.map((data, index) => {
      try {
        return this.#encode(data, options.keysOf ? { ...options, ...options.keysOf(data, index) } : options)
      } catch (error) {
        throw at(index, error)
      }
    })
    const outcomes = await producer.putMany(entries, signalOf(options))
    return outcomes.map((outcome) => (outcome.ok ? outcome : { ...outcome, record: records[outcome.index] as T }))
  }

  /** What is put from now on, in the shards that are open now and those that come of them. */
  buildIteratorFromLatest(shards?: readonly number[]): StreamIterator<T> {
    return this.iterate({ from: 'latest' }, chosen(shards))
  }

  /** Everything that the stream still has. */
  buildIteratorForAll(shards?: readonly number[]): StreamIterator<T> {
    return this.iterate({ from: 'oldest' }, chosen(shards))
  }

  /** What follows this record of this shard, the record itself left out. */
  buildIteratorFromSeqnum(shard: number, sequenceNumber: string): StreamIterator<T> {
    return this.iterate(afterSequenceNumber(shardIdOf(shard), sequenceNumber), { shardNumbers: [shard] })
  }

  /** What follows the client's last checkpoint; where there is none, everything that the stream still has. */
  buildIteratorFromCheckpoint(shards?: readonly number[]): StreamIterator<T> {
    return this.iterate({ from: 'checkpoint' }, chosen(shards))
  }

  /** What arrived at this time or later. */
  buildIteratorFromTimestamp(at: Date, shards?: readonly number[]): StreamIterator<T> {
    return this.iterate({ from: 'timestamp', at }, chosen(shards))
  }

  /** What every named iterator is a call of. Options go before those that the stream was made with. */
  iterate(start: StartPosition, options: IterateOptions = {}): StreamIterator<T> {
    this.#refuseIfClosed('read from')
    const { clock = systemClock, random = systemRandom, consumer = {} } = this.#options
    const signals = [this.#closing.signal, consumer.signal, options.signal].filter((signal) => signal !== undefined)
    const asked = { checkpoint: this.#checkpointTarget, ...given(consumer), ...given(options) }
    return iterate<T>(
      { api: this.#api, stream: this.definition.name, decode: this.#codec.decode as Decode<T> },
      start,
      { clock, random, ...asked, signal: AbortSignal.any(signals) },
    )
  }

  /**
   * A worker that reads this stream: what `createWorker` calls. `leases`: where the group keeps its leases and
   * checkpoints; the worker closes it where it is told to. Closing the stream stops the worker, too.
   */
  openWorker(leases: LeaseStore, options: WorkerOptions<T>, closesLeases = false): Worker<T> {
    this.#refuseIfClosed('read from')
    const { clock = systemClock, random = systemRandom } = this.#options
    const signals = [this.#closing.signal, options.signal].filter((signal) => signal !== undefined)
    return new Worker<T>(
      { api: this.#api, stream: this.definition.name, decode: this.#codec.decode as Decode<T>, leases, closesLeases },
      { clock, random, ...options, signal: AbortSignal.any(signals) },
    )
  }

  /**
   * The stream's archived past from a day on, and then, with `thenLive`, what came to it since, without gap or overlap:
   * `for await` gives the same records as any reader of the stream, but for archives of older programs, which don't say
   * where a record came from.
   */
  replay(store: ArchiveStore, options: StreamReplayOptions): Replay<T> {
    this.#refuseIfClosed('replay')
    const { clock = systemClock, consumer, client, checkpointStore } = this.#options
    const signals = [this.#closing.signal, options.signal].filter((signal) => signal !== undefined)
    const { name, format } = this.definition
    const keepsCheckpoints = client !== undefined || checkpointStore !== undefined
    return new Replay<T>({ api: this.#api, stream: name, format }, store, {
      ...(keepsCheckpoints && { checkpoint: this.#checkpointTarget }),
      ...{ clock, live: { ...consumer } },
      ...options,
      signal: AbortSignal.any(signals),
    })
  }

  /** All shards that have not expired, in the order of their ids. */
  async listShards(): Promise<Shard[]> {
    this.#refuseIfClosed('list the shards of')
    const { name } = this.definition
    const { clock = systemClock, random = systemRandom } = this.#options
    return patientCall(`list the shards of stream "${name}"`, (signal) => this.#api.listShards(name, signal), {
      clock,
      random,
      signal: this.#closing.signal,
    })
  }

  /** Waits until every record that was put has its outcome, and ends the iterators. May be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#closing.abort()
    try {
      await this.#producer?.close()
    } finally {
      if (this.#options.api === undefined) this.#api.close()
      await this.#ownStore?.close()
    }
  }

  readonly #onAbort = () => {
    // Who waits for a put hears of the failure there.
    void this.close().catch(() => undefined)
  }

  #openProducer(): Producer {
    this.#refuseIfClosed('put into')
    const { clock = systemClock, random = systemRandom, producer } = this.#options
    this.#producer ??= new Producer(this.#api, this.definition.name, { ...producer, clock, random })
    return this.#producer
  }

  #encode(data: T, { partitionKey, explicitHashKey }: PutKeys): PutEntry {
    const { partitionKey: field, partitionKeyText } = this.definition
    return {
      data: this.#codec.encode(data),
      partitionKey:
        partitionKey === undefined
          ? partitionKeyOf(data, field, partitionKeyText)
          : checkPartitionKey(partitionKey, 'the option partitionKey'),
      ...(explicitHashKey !== undefined && { explicitHashKey }),
    }
  }

  readonly #checkpointTarget = (): CheckpointTarget => {
    const { client, checkpointStore, clock = systemClock } = this.#options
    const named = { ...(client !== undefined && { client }) }
    if (typeof checkpointStore === 'object') {
      const settings = checkpointSettings(process.env, { ...named, db: 'a store that was given' })
      return { store: checkpointStore, client: settings.client }
    }
    const settings = checkpointSettings(process.env, { ...named, ...(checkpointStore && { db: checkpointStore }) })
    this.#ownStore ??= openCheckpointStore(settings.db, { clock })
    return { store: this.#ownStore, client: settings.client }
  }

  #refuseIfClosed(what: string): void {
    if (this.#closed) throw new ClosedError(`can't ${what} stream "${this.definition.streamName}": it was closed`)
  }
}

/** The same error, with the record's place in its message. */
function at(index: number, error: unknown): unknown {
  if (error instanceof RecordError) return new RecordError(`record ${index}: ${error.message}`, { cause: error })
  if (error instanceof TypeError) return new TypeError(`record ${index}: ${error.message}`, { cause: error })
  return error
}

function signalOf({ signal }: PutOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

function chosen(shards: readonly number[] | undefined): IterateOptions {
  return shards === undefined ? {} : { shardNumbers: shards }
}
