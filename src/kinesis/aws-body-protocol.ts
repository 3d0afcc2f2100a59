import type { IncomingMessage } from 'node:http'
import { FormatError } from '../errors.ts'
import { leastSpareBytes, SpareMemory } from '../spare-memory.ts'
import { CborReader } from './cbor.ts'
import type { ErrorAnswer } from './retry-class.ts'

/** A command's input: the body is ready, the SDK signs and sends it. */
export interface BodyInput {
  body: Uint8Array
  signal?: AbortSignal | undefined
}

/** A command's output: the answer's body as it came, for the caller to read. */
export interface BodyOutput {
  body: Uint8Array
  contentType: string
}

/**
 * The SDK's `protocol` extension point, where a request is made from a command and an output from a response. Ours
 * takes a body that was encoded already and hands back the body that came, so that the hot calls are encoded and
 * decoded once, straight from and into our own types, and the SDK's other parts (endpoint, credentials, signature,
 * user agent, clock correction, timeouts) see nothing unusual.
 */
export class AwsBodyProtocol {
  /** Where the last request went, for messages. */
  lastEndpoint = ''
  /** Whoever is done with a large answer may give its body back. */
  readonly memory = new SpareMemory(2 * largestKeptBytes)
  readonly #signals = new WeakMap<Uint8Array, AbortSignal>()

  /**
   * The signal of the request with this body. It travels beside the request, because the SDK builds its chain of
   * middleware anew for every call that is given options, which costs more than all that our codec saves.
   */
  signalOf(body: unknown): AbortSignal | undefined {
    return body instanceof Uint8Array ? this.#signals.get(body) : undefined
  }

  async serializeRequest(operation: { name: string }, input: object, context: EndpointContext): Promise<HttpRequest> {
    const endpoint = await context.endpoint()
    const { body, signal } = input as BodyInput
    if (signal !== undefined) this.#signals.set(body, signal)
    this.lastEndpoint = `${endpoint.protocol}//${endpoint.hostname}${endpoint.port ? `:${endpoint.port}` : ''}`
    const headers: { [name: string]: string } = { ...endpoint.headers }
    headers['content-type'] = contentType
    headers['x-amz-target'] = `Kinesis_20131202.${operation.name}`
    headers['content-length'] = String(body.length)
    return {
      protocol: endpoint.protocol,
      hostname: endpoint.hostname,
      port: endpoint.port,
      path: endpoint.path.endsWith('/') ? endpoint.path : `${endpoint.path}/`,
      query: { ...endpoint.query },
      method: 'POST',
      headers,
      body,
    }
  }

  async deserializeResponse<Output>(_operation: object, _context: object, response: HttpResponse): Promise<Output> {
    const metadata = metadataOf(response)
    let body: Buffer
    try {
      body = await collect(response.body, this.#memoryFor(Number(response.headers['content-length'])))
    } catch (error) {
      throw new BodyError(error, metadata)
    }
    if (response.statusCode < 300) {
      const type = response.headers['content-type'] ?? ''
      return { body, contentType: type, $metadata: metadata } as Output
    }
    throw new AnswerError(readErrorAnswer(response, body), metadata)
  }

  /** None where the length is not known, or too small or too large to be kept. */
  #memoryFor(bytes: number): Buffer | undefined {
    return bytes >= leastSpareBytes && bytes <= largestKeptBytes ? this.memory.take(bytes) : undefined
  }

  getShapeId(): string {
    return 'triton-kinesis#cborBody'
  }

  // The rest of the extension point is not asked of a protocol without schemas and event streams.
  setSerdeContext(): void {}

  getPayloadCodec(): never {
    throw new Error('AwsBodyProtocol has no codec: its callers encode and decode bodies')
  }

  getRequestType(): never {
    throw new Error('AwsBodyProtocol makes plain objects')
  }

  getResponseType(): never {
    throw new Error('AwsBodyProtocol reads plain objects')
  }

  updateServiceEndpoint(): never {
    throw new Error('AwsBodyProtocol takes the endpoint from its context')
  }
}

/** Kinesis, or something in between, answered with an error. */
export class AnswerError extends Error {
  readonly answer: ErrorAnswer
  /** The SDK's signer leaves a note here when it has corrected our clock. */
  readonly $metadata: AnswerMetadata

  constructor(answer: ErrorAnswer, metadata: AnswerMetadata) {
    super(answer.message ?? '')
    this.name = answer.type ?? 'AnswerError'
    this.answer = answer
    this.$metadata = metadata
  }
}

/** The connection broke, or stood still, in the middle of an answer. */
export class BodyError extends Error {
  readonly code: string
  // The SDK adds advice of its own to errors without metadata.
  readonly $metadata: AnswerMetadata

  constructor(cause: unknown, metadata: AnswerMetadata) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.name = 'BodyError'
    this.code = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'ECONNRESET'
    this.$metadata = metadata
  }
}

export interface AnswerMetadata {
  httpStatusCode: number
  requestId?: string
  clockSkewCorrected?: boolean
}

/** Of one answer: four pages as a rule. */
const largestKeptBytes = 16 * 1024 * 1024
const contentType = 'application/x-amz-cbor-1.1'

/**
 * The whole body, in `memory` of its announced length if there is any; rejects when the connection ends before
 * `content-length` bytes or the last chunk came.
 */
function collect(stream: IncomingMessage, memory: Buffer | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let byteCount = 0
    stream.on('data', (chunk: Buffer) => {
      if (memory === undefined) chunks.push(chunk)
      else memory.set(chunk, byteCount)
      byteCount += chunk.length
    })
    stream.on('end', () => {
      if (memory !== undefined) resolve(memory.subarray(0, byteCount))
      else resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks))
    })
    stream.on('error', reject)
    stream.on('close', () => {
      if (!stream.complete) reject(new Error('the connection was closed in the middle of the answer'))
    })
  })
}

/** Kinesis' own words when there are any, in CBOR as asked or in JSON; else the beginning of what came instead. */
function readErrorAnswer(response: HttpResponse, body: Buffer): ErrorAnswer {
  const answer: ErrorAnswer = { httpStatus: response.statusCode }
  const headerType = response.headers['x-amzn-errortype']
  if (headerType !== undefined) answer.type = bareType(headerType)
  const members = readMembers(body)
  if (members === undefined) {
    const text = describeBody(body)
    if (text !== '') answer.message = text
    return answer
  }
  const { __type: type, message = members['Message'] } = members
  if (typeof type === 'string') answer.type = bareType(type)
  if (typeof message === 'string') answer.message = message
  return answer
}

function readMembers(body: Buffer): { [name: string]: unknown } | undefined {
  const first = body[0]
  if (first === undefined) return undefined
  try {
    // `{` begins no CBOR map, and a CBOR map's head is no JSON.
    const value: unknown = first === 0x7b ? JSON.parse(body.toString('utf8')) : new CborReader(body).value()
    return typeof value === 'object' && value !== null ? (value as { [name: string]: unknown }) : undefined
  } catch (error) {
    if (error instanceof FormatError || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** `com.amazonaws.kinesis#ResourceNotFoundException:http://...` -> `ResourceNotFoundException` */
function bareType(type: string): string {
  return type.replace(/^.*#/, '').replace(/:.*$/, '')
}

/** The beginning of a body that nobody expected, printable. */
export function describeBody(body: Uint8Array): string {
  const text = Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, 160)).toString('utf8')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a terminal
  const printable = text.replace(/[\u0000-\u001f\u007f-\u009f\ufffd]+/g, ' ').trim()
  return body.length > 160 ? `${printable}...` : printable
}

function metadataOf(response: HttpResponse): AnswerMetadata {
  const requestId = response.headers['x-amzn-requestid']
  return requestId === undefined
    ? { httpStatusCode: response.statusCode }
    : { httpStatusCode: response.statusCode, requestId }
}

interface EndpointContext {
  endpoint(): Promise<{
    protocol: string
    hostname: string
    port?: number
    path: string
    query?: { [name: string]: string | string[] | null }
    headers?: { [name: string]: string }
  }>
}

interface HttpRequest {
  protocol: string
  hostname: string
  port: number | undefined
  path: string
  query: { [name: string]: string | string[] | null }
  method: string
  headers: { [name: string]: string }
  body: Uint8Array
}

interface HttpResponse {
  statusCode: number
  headers: { [name: string]: string | undefined }
  body: IncomingMessage
}
