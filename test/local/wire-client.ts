import { AsyncLocalStorage } from 'node:async_hooks'
import * as http from 'node:http'
import * as http2 from 'node:http2'

/**
 * A Kinesis client for tests that look at the wire: it sends what it is told, right or wrong, and hands back the whole
 * answer. Its CBOR is its own, so that a mistake in the engine's codec can't hide.
 */
export interface Wire {
  name: string
  format: 'json' | 'cbor'
  isHttp2: boolean
}

export const jsonWire: Wire = { name: 'HTTP/1.1 with JSON', format: 'json', isHttp2: false }
export const cborWire: Wire = { name: 'HTTP/1.1 with CBOR', format: 'cbor', isHttp2: false }
export const http2Wire: Wire = { name: 'h2c with JSON', format: 'json', isHttp2: true }
export const wires: readonly Wire[] = [jsonWire, cborWire, http2Wire]

const current = new AsyncLocalStorage<Wire>()

/** Whatever `act` asks without naming a wire goes over this one. */
export function runOverWire<T>(wire: Wire, act: () => T): T {
  return current.run(wire, act)
}

export function currentWire(): Wire {
  return current.getStore() ?? jsonWire
}

export interface WireAnswer {
  status: number
  headers: Record<string, string | string[] | undefined>
  bytes: Buffer
  /** The decoded body; undefined when it is empty. */
  body: AnswerBody
}

/** The members of all answers together: a test looks at those that its operation gives. */
export interface AnswerBody {
  __type: string
  message: string
  Message: string
  ShardId: string
  SequenceNumber: string
  FailedRecordCount: number
  Records: RecordBody[]
  ShardIterator: string
  NextShardIterator?: string
  MillisBehindLatest: number
  ChildShards?: { ShardId: string; ParentShards: string[]; HashKeyRange: HashKeyRangeBody }[]
  Shards: ShardBody[]
  NextToken?: string
  StreamDescription: DescriptionBody
  StreamDescriptionSummary: DescriptionBody
  StreamNames: string[]
  HasMoreStreams: boolean
  StreamSummaries: DescriptionBody[]
  StreamName: string
  StreamARN: string
  CurrentShardCount: number
  TargetShardCount: number
  Tags: { Key: string; Value: string }[]
  HasMoreTags: boolean
  CurrentShardLevelMetrics: string[]
  DesiredShardLevelMetrics: string[]
  EncryptionType?: string
  Policy: string
  MinimumThroughputBillingCommitment: {
    Status: string
    StartedAt?: number
    EndedAt?: number
    EarliestAllowedEndAt?: number
  }
  WarmThroughput?: WarmThroughputBody
  Consumer: ConsumerBody
  ConsumerDescription: ConsumerBody & { StreamARN: string }
  Consumers: ConsumerBody[]
}

export interface ConsumerBody {
  ConsumerName: string
  ConsumerARN: string
  ConsumerStatus: string
  ConsumerCreationTimestamp: number
}

/** A record as put or as read. */
export interface RecordBody {
  ShardId: string
  SequenceNumber: string
  ErrorCode: string
  ErrorMessage: string
  Data: string | Buffer
  PartitionKey: string
  ApproximateArrivalTimestamp: number
  EncryptionType?: string
}

export interface ShardBody {
  ShardId: string
  ParentShardId?: string
  AdjacentParentShardId?: string
  HashKeyRange: HashKeyRangeBody
  SequenceNumberRange: { StartingSequenceNumber: string; EndingSequenceNumber?: string }
}

interface HashKeyRangeBody {
  StartingHashKey: string
  EndingHashKey: string
}

interface WarmThroughputBody {
  TargetMiBps: number
  CurrentMiBps: number
}

export interface DescriptionBody {
  StreamName: string
  StreamARN: string
  StreamStatus: string
  StreamModeDetails: { StreamMode: string }
  Shards: ShardBody[]
  HasMoreShards: boolean
  RetentionPeriodHours: number
  StreamCreationTimestamp: number
  OpenShardCount: number
  EnhancedMonitoring: { ShardLevelMetrics: string[] }[]
  EncryptionType: string
  KeyId?: string
  MaxRecordSizeInKiB: number
  WarmThroughput?: WarmThroughputBody
  RecordDistributionStrategy?: string
  ConsumerCount: number
}

export interface WireRequest {
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: Buffer | string
  isHttp2?: boolean
}

/** Calls an operation and answers whatever came. */
export async function call(
  endpoint: string,
  operation: string,
  input: object,
  wire = currentWire(),
): Promise<WireAnswer> {
  const body = encodeInput(input, wire)
  const headers = { ...signed, 'x-amz-target': `Kinesis_20131202.${operation}`, 'content-type': typeOf(wire) }
  return send(endpoint, { headers, body, isHttp2: wire.isHttp2 })
}

export function encodeInput(input: object, wire: Pick<Wire, 'format'>): Buffer {
  return wire.format === 'json' ? Buffer.from(JSON.stringify(input, jsonMember)) : encode(input)
}

/** As `call`, for answers that must be good. */
export async function ask(
  endpoint: string,
  operation: string,
  input: object,
  wire = currentWire(),
): Promise<AnswerBody> {
  const answer = await call(endpoint, operation, input, wire)
  if (answer.status !== 200) throw new Error(`${operation}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

/** A request of any form. */
export function send(endpoint: string, request: WireRequest): Promise<WireAnswer> {
  return request.isHttp2 ? sendHttp2(endpoint, request) : sendHttp1(endpoint, request)
}

/** Headers that make a request look signed. */
export const signed = {
  'x-amz-date': '20260101T000000Z',
  authorization:
    'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=abc',
}

export function typeOf(wire: Pick<Wire, 'format'>): string {
  return `application/x-amz-${wire.format}-1.1`
}

/** A time in an answer, in epoch milliseconds. */
export function timeIn(value: number, wire = currentWire()): number {
  return wire.format === 'json' ? value * 1000 : value
}

/** A time of epoch milliseconds as answers give it. */
export function timeSent(epochMs: number, wire = currentWire()): number {
  return wire.format === 'json' ? epochMs / 1000 : epochMs
}

/** Data in an answer. */
export function dataIn(value: string | Buffer): Buffer {
  return typeof value === 'string' ? Buffer.from(value, 'base64') : value
}

function sendHttp1(endpoint: string, { method = 'POST', path = '/', headers = {}, body = '' }: WireRequest) {
  return new Promise<WireAnswer>((resolve, reject) => {
    const { hostname, port } = new URL(endpoint)
    const options = { hostname, port, method, path, headers: { 'content-length': Buffer.byteLength(body), ...headers } }
    const request = http.request({ ...options, agent: false }, (response) => {
      collect(response)
        .then((bytes) => resolve(answerOf(response.statusCode ?? 0, response.headers, bytes)))
        .catch(reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}

function sendHttp2(endpoint: string, { method = 'POST', path = '/', headers = {}, body = '' }: WireRequest) {
  const session = http2.connect(endpoint)
  const answer = new Promise<WireAnswer>((resolve, reject) => {
    session.on('error', reject)
    const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: false })
    stream.on('error', reject)
    stream.on('close', () => reject(new Error('the connection ended without an answer')))
    stream.on('response', (responseHeaders) => {
      collect(stream)
        .then((bytes) => resolve(answerOf(responseHeaders[':status'] ?? 0, responseHeaders, bytes)))
        .catch(reject)
    })
    stream.end(body)
  })
  return answer.finally(() => session.close())
}

async function collect(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function answerOf(status: number, headers: WireAnswer['headers'], bytes: Buffer): WireAnswer {
  return { status, headers, bytes, body: bodyOf(bytes, String(headers['content-type'] ?? '')) }
}

export function bodyOf(bytes: Buffer, type: string): AnswerBody {
  let body: unknown
  if (bytes.length > 0 && type.includes('cbor')) body = decode(bytes)
  else if (bytes.length > 0 && type.includes('json')) body = JSON.parse(bytes.toString())
  else if (bytes.length > 0) body = bytes.toString()
  return body as AnswerBody
}

function jsonMember(this: unknown, key: string, value: unknown): unknown {
  const given = (this as Record<string, unknown>)[key]
  if (Buffer.isBuffer(given)) return given.toString('base64')
  return given instanceof Date ? given.getTime() / 1000 : value
}

/** CBOR as the SDK for Java writes it: times carry tag 1 and are milliseconds. */
export function encode(value: unknown): Buffer {
  if (value === null || value === undefined) return Buffer.of(0xf6)
  if (typeof value === 'boolean') return Buffer.of(value ? 0xf5 : 0xf4)
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value])
  if (value instanceof Date) return Buffer.concat([Buffer.of(0xc1), encode(value.getTime())])
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(encode)])
  if (typeof value === 'object') {
    const entries = Object.entries(value).filter(([, member]) => member !== undefined)
    return Buffer.concat([
      head(5, entries.length),
      ...entries.flatMap(([key, member]) => [encode(key), encode(member)]),
    ])
  }
  if (Number.isSafeInteger(value))
    return (value as number) < 0 ? head(1, -1 - (value as number)) : head(0, value as number)
  const float = Buffer.alloc(9, 0xfb)
  float.writeDoubleBE(value as number, 1)
  return float
}

function head(major: number, argument: number): Buffer {
  if (argument < 24) return Buffer.of((major << 5) | argument)
  const info = argument < 0x100 ? 24 : argument < 0x1_0000 ? 25 : argument < 0x1_0000_0000 ? 26 : 27
  const digits = argument.toString(16).padStart(2 << (info - 24), '0')
  return Buffer.concat([Buffer.of((major << 5) | info), Buffer.from(digits, 'hex')])
}

/** CBOR of definite lengths, all of it. */
function decode(bytes: Buffer): unknown {
  let at = 0
  const read = (): unknown => {
    const initial = bytes.readUInt8(at++)
    const argument = readArgument(initial & 0x1f)
    switch (initial >> 5) {
      case 0:
        return argument
      case 1:
        return -1 - argument
      case 2:
        return take(argument)
      case 3:
        return take(argument).toString()
      case 4:
        return Array.from({ length: argument }, read)
      case 5:
        return Object.fromEntries(Array.from({ length: argument }, () => [read(), read()]))
      default:
        if (initial === 0xf4 || initial === 0xf5) return initial === 0xf5
        throw new Error(`byte ${initial.toString(16)} at ${at - 1} is not expected in an answer`)
    }
  }
  const take = (length: number): Buffer => {
    at += length
    return bytes.subarray(at - length, at)
  }
  const readArgument = (info: number): number => {
    const size = [1, 2, 4, 8][info - 24]
    if (size === undefined) return info & 0x1f
    return Number(BigInt(`0x${take(size).toString('hex')}`))
  }
  const value = read()
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes follow the answer`)
  return value
}
