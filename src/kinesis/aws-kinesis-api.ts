import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import {
  CreateStreamCommand,
  DeleteStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  ListStreamsCommand,
  MergeShardsCommand,
  PutRecordsCommand,
  SplitShardCommand,
  UpdateShardCountCommand,
} from '@aws-sdk/client-kinesis'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { ClosedError, FormatError } from '../errors.ts'
import { given } from '../given.ts'
import { AwsBodyProtocol, type BodyOutput } from './aws-body-protocol.ts'
import { callErrorOf, garbageError } from './aws-call-error.ts'
import { type AwsConnection, checkEndpoint, completeConnection } from './aws-connection.ts'
import { type CborInput, CborWriter } from './cbor.ts'
import { readEmpty, readShardIterator, readShards, readStreamNames, readStreamSummary } from './cbor-answers.ts'
import { readPage } from './cbor-get-records.ts'
import { readPutAnswers, writePutRecords } from './cbor-put-records.ts'
import type { KinesisApi, Page, PutAnswer, PutEntry, StreamSummary } from './kinesis-api.ts'
import type { Position } from './position.ts'
import type { Shard } from './shard.ts'

export interface AwsKinesisOptions extends AwsConnection {
  /** Longest time until a connection stands, in milliseconds. @default 3000 */
  connectTimeoutMs?: number
  /** Longest time until an answer begins, and longest silence in the middle of one, in milliseconds. @default 15000 */
  requestTimeoutMs?: number
  /** Connections at most; further calls wait for one. @default 256 */
  maxSockets?: number
}

const defaults = {
  connectTimeoutMs: 3_000,
  requestTimeoutMs: 15_000,
  maxSockets: 256,
} satisfies Partial<AwsKinesisOptions>

/** Kinesis through the AWS SDK. Nothing is looked up or connected before the first call. Throws a `ConfigError`. */
export function createAwsKinesisApi(options: AwsKinesisOptions = {}): KinesisApi {
  return new AwsKinesisApi(options)
}

/**
 * The SDK's client with three parts of ours: bodies in CBOR (`AwsBodyProtocol`), HTTP/1.1 with keep-alive (its own
 * HTTP/2 handler opens a connection per request), and no retries, because our callers know better when to give up.
 */
class AwsKinesisApi implements KinesisApi {
  readonly #options: AwsKinesisOptions & typeof defaults
  readonly #protocol = new AwsBodyProtocol()
  #client: Promise<KinesisClient> | undefined
  #isClosed = false

  constructor(options: AwsKinesisOptions) {
    if (options.endpoint !== undefined) checkEndpoint(options.endpoint)
    this.#options = { ...defaults, ...given(options) }
  }

  async putRecords(stream: string, entries: readonly PutEntry[], signal?: AbortSignal): Promise<PutAnswer[]> {
    const body = writePutRecords(stream, entries)
    const answers = await this.#call(PutRecordsCommand, 'PutRecords', stream, body, readPutAnswers, signal)
    if (answers.length === entries.length) return answers
    throw garbageError(
      `PutRecords of stream ${stream} was asked for ${entries.length} records and answered about ${answers.length}.`,
    )
  }

  getShardIterator(stream: string, shardId: string, position: Position, signal?: AbortSignal): Promise<string> {
    const input = { StreamName: stream, ShardId: shardId, ShardIteratorType: position.type, ...startOf(position) }
    const where = `shard ${shardId} of stream ${stream}`
    return this.#call(GetShardIteratorCommand, 'GetShardIterator', where, encode(input), readShardIterator, signal)
  }

  getRecords(shardIterator: string, limit: number, signal?: AbortSignal): Promise<Page> {
    const body = encode({ ShardIterator: shardIterator, Limit: limit })
    return this.#call(GetRecordsCommand, 'GetRecords', undefined, body, this.#readPage, signal)
  }

  async listShards(stream: string, signal?: AbortSignal): Promise<Shard[]> {
    const shards: Shard[] = []
    let nextToken: string | undefined
    do {
      const body = encode(nextToken === undefined ? { StreamName: stream } : { NextToken: nextToken })
      const page = await this.#call(ListShardsCommand, 'ListShards', stream, body, readShards, signal)
      shards.push(...page.shards)
      nextToken = page.nextToken
    } while (nextToken !== undefined)
    return shards
  }

  describeStreamSummary(stream: string, signal?: AbortSignal): Promise<StreamSummary> {
    const body = encode({ StreamName: stream })
    return this.#call(DescribeStreamSummaryCommand, 'DescribeStreamSummary', stream, body, readStreamSummary, signal)
  }

  async listStreams(signal?: AbortSignal): Promise<string[]> {
    const names: string[] = []
    for (;;) {
      const body = encode({ ExclusiveStartStreamName: names.at(-1) })
      const page = await this.#call(ListStreamsCommand, 'ListStreams', undefined, body, readStreamNames, signal)
      names.push(...page.names)
      if (!page.hasMore || page.names.length === 0) return names
    }
  }

  createStream(stream: string, shardCount: number, signal?: AbortSignal): Promise<void> {
    const body = encode({ StreamName: stream, ShardCount: shardCount })
    return this.#call(CreateStreamCommand, 'CreateStream', stream, body, readEmpty, signal)
  }

  deleteStream(stream: string, signal?: AbortSignal): Promise<void> {
    const body = encode({ StreamName: stream })
    return this.#call(DeleteStreamCommand, 'DeleteStream', stream, body, readEmpty, signal)
  }

  splitShard(stream: string, shardId: string, newStartingHashKey: bigint, signal?: AbortSignal): Promise<void> {
    const body = encode({
      StreamName: stream,
      ShardToSplit: shardId,
      NewStartingHashKey: newStartingHashKey.toString(),
    })
    return this.#call(SplitShardCommand, 'SplitShard', stream, body, readEmpty, signal)
  }

  mergeShards(stream: string, shardId: string, adjacentShardId: string, signal?: AbortSignal): Promise<void> {
    const body = encode({ StreamName: stream, ShardToMerge: shardId, AdjacentShardToMerge: adjacentShardId })
    return this.#call(MergeShardsCommand, 'MergeShards', stream, body, readEmpty, signal)
  }

  updateShardCount(stream: string, targetShardCount: number, signal?: AbortSignal): Promise<void> {
    const body = encode({ StreamName: stream, TargetShardCount: targetShardCount, ScalingType: 'UNIFORM_SCALING' })
    return this.#call(UpdateShardCountCommand, 'UpdateShardCount', stream, body, readEmpty, signal)
  }

  close(): void {
    this.#isClosed = true
    this.#client?.then((client) => client.destroy()).catch(() => undefined)
  }

  /** Errors quote an answer that is no page, so that only a page gives its body back. */
  readonly #readPage = (body: Uint8Array): Page => {
    const { memory } = this.#protocol
    return readPage(body, memory.isLent(body) ? () => memory.giveBack(body) : undefined)
  }

  async #call<Answer>(
    Command: SdkCommand,
    operation: string,
    /** The stream or shard, for messages. */
    where: string | undefined,
    body: Uint8Array,
    read: (body: Uint8Array) => Answer,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const what = where === undefined ? operation : `${operation} of ${where.includes(' ') ? '' : 'stream '}${where}`
    if (this.#isClosed) throw new ClosedError(`${what}: the connection to Kinesis was closed before.`)
    if (signal?.aborted) throw new ClosedError(`${what} was called off before it was sent.`)
    let output: BodyOutput
    try {
      this.#client ??= this.#connect()
      output = await orAborted(send(await this.#client, Command, body, signal), signal)
    } catch (error) {
      if (signal?.aborted) throw new ClosedError(`${what} was called off.`, { cause: error })
      if (this.#isClosed) throw new ClosedError(`${what}: the connection to Kinesis was closed.`, { cause: error })
      throw callErrorOf(error, what, this.#protocol.lastEndpoint)
    }
    try {
      return read(output.body)
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      throw garbageError(`${what}: ${this.#protocol.lastEndpoint} did not answer as Kinesis does`, output, error)
    }
  }

  async #connect(): Promise<KinesisClient> {
    const { connectTimeoutMs, requestTimeoutMs, maxSockets, ...connection } = this.#options
    // A second search succeeds where the first could not, once the environment is right.
    const completed = await completeConnection(connection).catch((error: unknown) => {
      this.#client = undefined
      throw error
    })
    const handler = new NodeHttpHandler({
      httpAgent: new HttpAgent({ keepAlive: true, maxSockets }),
      httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets }),
      connectionTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      socketTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      // Waiting for a socket is what a full pool is for; the SDK would warn on the console.
      socketAcquisitionWarningTimeout: 0x7fff_ffff,
    })
    const client = new KinesisClient({
      ...completed,
      protocol: this.#protocol,
      maxAttempts: 1,
      retryMode: 'standard',
      cacheMiddleware: true,
      requestHandler: {
        handle: (request: SdkRequest, options?: object) =>
          handler.handle(request, { ...options, ...abortedBy(this.#protocol.signalOf(request.body)) }),
        destroy: () => handler.destroy(),
      },
    })
    // It filters each call's input and output for a log that nobody reads.
    client.middlewareStack.removeByTag('LOGGER')
    return client
  }
}

/** A command class of the SDK's. Its own members are not used: `AwsBodyProtocol` sends the body as it is. */
type SdkCommand = new (input: never) => object

type SdkRequest = Parameters<NodeHttpHandler['handle']>[0]

function send(
  client: KinesisClient,
  Command: SdkCommand,
  body: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<BodyOutput> {
  const sender = client as unknown as { send(command: object): Promise<BodyOutput> }
  return sender.send(new Command({ body, signal } as never))
}

function abortedBy(abortSignal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return abortSignal === undefined ? {} : { abortSignal }
}

/** The SDK looks at a signal only while a request is under way; a search for credentials can take its time, too. */
function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function encode(input: CborInput): Buffer {
  const writer = new CborWriter()
  writer.value(input)
  return writer.finish()
}

function startOf(position: Position): { [member: string]: CborInput } {
  switch (position.type) {
    case 'TRIM_HORIZON':
    case 'LATEST':
      return {}
    case 'AT_TIMESTAMP':
      return { Timestamp: new Date(position.timestampMs) }
    case 'AT_SEQUENCE_NUMBER':
    case 'AFTER_SEQUENCE_NUMBER':
      return { StartingSequenceNumber: position.sequenceNumber }
  }
}
