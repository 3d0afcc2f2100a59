import { type Config, definitionOf, type StreamDefinition } from '../config.ts'
import { ClosedError, ConfigError, RecordError, TritonError } from '../errors.ts'
import { highestMaxRecordBytes } from '../kinesis/limits.ts'
import { checkPartitionKey, partitionKeyOf } from '../record/partition-key.ts'
import { type RecordCodec, recordCodec } from '../record/record-codec.ts'
import { type DropReason, DropReport } from './drop-report.ts'
import { DurableSender } from './durable-sender.ts'
import { MessageSender } from './message-sender.ts'
import { type NonblockingSettings, type NonblockingStreamOptions, nonblockingSettings } from './nonblocking-options.ts'

export interface NonblockingPutOptions {
  /** Instead of the text of the definition's field; 1 to 256 characters. */
  partitionKey?: string
}

/** What became of the records so far. */
export interface NonblockingCounts {
  /** Taken by the socket; not a promise that tritond has them. */
  readonly sent: number
  /** In the ring. */
  readonly waiting: number
  readonly dropped: Readonly<Partial<{ [reason in DropReason]: number }>>
}

/** A stream of triton.yaml whose records go through the tritond of this host. Connects at once, and again whenever it has to. */
export function getNonblockingStream<T = unknown>(
  streamName: string,
  config: Config,
  options: NonblockingStreamOptions = {},
): NonblockingStream<T> {
  return new NonblockingStream(definitionOf(streamName, config), options)
}

/** Owns its sockets to tritond; `close` gives them back. */
export class NonblockingStream<T = unknown> implements AsyncDisposable {
  readonly definition: StreamDefinition
  readonly #settings: NonblockingSettings
  readonly #codec: RecordCodec
  readonly #drops: DropReport
  readonly #messages: MessageSender
  #durable: DurableSender | undefined
  #closed: Promise<void> | undefined

  constructor(definition: StreamDefinition, options: NonblockingStreamOptions = {}) {
    const { streamName, format } = definition
    if (Buffer.byteLength(streamName) > maxStreamNameBytes)
      throw new ConfigError(`a stream name of more than ${maxStreamNameBytes} bytes can't be told to tritond`)
    this.definition = definition
    this.#settings = nonblockingSettings(options, process.env)
    this.#codec = recordCodec(format, options.record)
    this.#drops = new DropReport(streamName, this.#settings.clock)
    this.#messages = new MessageSender(streamName, this.#settings, this.#drops)
  }

  get counts(): NonblockingCounts {
    return {
      sent: this.#messages.sentCount,
      waiting: this.#messages.waitingCount,
      dropped: Object.fromEntries(this.#drops.counts),
    }
  }

  /**
   * Returns at once and never throws. True: the record stands in the ring, from which it goes to tritond. False: it was
   * dropped, because the ring is full or the record can't be written; that is counted, and told once a second.
   */
  put(data: T, options?: NonblockingPutOptions): boolean {
    if (this.#closed) return this.#drop('closed', 'it was put after close')
    let body: Uint8Array
    let partitionKey: string
    try {
      body = this.#encode(data)
      partitionKey = this.#keyOf(data, options)
    } catch (error) {
      return this.#drop(reasonOf(error), error instanceof Error ? error.message : String(error))
    }
    if (this.#messages.put(partitionKey, body)) return true
    const { host, port } = this.#settings
    return this.#drop(
      'queue-full',
      `${this.#messages.waitingCount} records wait already: tritond at ${host}:${port} is away or too slow`,
    )
  }

  /**
   * Resolves when tritond has the record in its spool, from which it goes to Kinesis whatever crashes. Rejects with a
   * `TypeError` that names the field, or a `RecordError`, when it can't be written; with a `DurablePutError` when tritond
   * did not take it, such as one that runs without a spool.
   */
  async putDurable(data: T, options?: NonblockingPutOptions): Promise<void> {
    const body = this.#encode(data)
    const partitionKey = this.#keyOf(data, options)
    if (this.#closed)
      throw new ClosedError(`can't put into the non-blocking stream "${this.definition.streamName}": it was closed`)
    this.#durable ??= new DurableSender(this.definition.streamName, this.#settings)
    await this.#durable.put(partitionKey, body)
  }

  /** Sends what waits and hears what was promised, for `lingerMs` at most; the rest is counted and told. May be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    await Promise.all([this.#messages.close(), this.#durable?.close()])
    this.#drops.close()
  }

  #encode(data: T): Uint8Array {
    const encoded = this.#codec.encode(data)
    if (encoded.length > highestMaxRecordBytes)
      throw new OversizedError(`a record of ${encoded.length} bytes; Kinesis takes at most ${highestMaxRecordBytes}`)
    // The caller may go on to write into bytes that it put.
    return (encoded as unknown) === data ? Buffer.from(encoded) : encoded
  }

  #keyOf(data: T, options: NonblockingPutOptions | undefined): string {
    const { partitionKey: field, partitionKeyText } = this.definition
    return options?.partitionKey === undefined
      ? partitionKeyOf(data, field, partitionKeyText)
      : checkPartitionKey(options.partitionKey, 'the option partitionKey')
  }

  #drop(reason: DropReason, detail: string): false {
    this.#drops.add(reason, detail)
    if (this.#closed) void this.#closed.then(() => this.#drops.close())
    return false
  }
}

class OversizedError extends RecordError {}

function reasonOf(error: unknown): DropReason {
  if (error instanceof OversizedError) return 'too-large'
  return error instanceof TritonError ? 'partition-key' : 'not-encodable'
}

/** Names stand before every record: a batch, and a header in JSON, have room for such ones whatever they hold. */
const maxStreamNameBytes = 1000
