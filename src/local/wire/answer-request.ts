import { isObserved, report } from '../../diagnostics.ts'
import { misbehaveAfter, misbehaveBefore } from '../act-out-fault.ts'
import { ApiError, internalFailure, serializationError } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import type { FaultRule } from '../fault-rule.ts'
import { faultTargetOf } from '../fault-target.ts'
import type { Answer, Operation } from '../operations/operation.ts'
import { checkConstraints } from '../shapes/check-constraints.ts'
import { type BodyFormat, readInput } from '../shapes/read-input.ts'
import type { StructureShape } from '../shapes/shape.ts'
import { answerHeaders, isPreflight } from './answer-headers.ts'
import { decodeCbor } from './cbor-decode.ts'
import { encodeAnswer } from './encode-answer.ts'
import { type RequestHeaders, signatureComplaint } from './signature-form.ts'
import { StreamedAnswer } from './streamed-answer.ts'

/** A request, read whole, whichever HTTP brought it. */
export interface ApiRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: RequestHeaders
  readonly body: Buffer
  readonly connection: { readonly remoteAddress?: string | undefined; readonly localAddress?: string | undefined }
}

export interface ApiAnswer {
  status: number
  headers: Record<string, string>
  body: Buffer
  /** What comes in place of the body, without an end known ahead. */
  stream?: StreamedAnswer | undefined
  /** When the answer is not to arrive as it should: the connection ends instead, nothing comes, or half of it. */
  delivery?: 'cut' | 'lost' | 'half'
}

/** An operation as this engine serves it. */
export interface ServedOperation {
  readonly name: string
  readonly operation: Operation
  /** The operation's input shape, with the limits that this engine has. */
  readonly input: StructureShape
}

/** Makes the function that answers requests, with Kinesis' order of checks. */
export function requestAnswerer(
  core: EngineCore,
  operations: ReadonlyMap<string, ServedOperation>,
): (request: ApiRequest) => Promise<ApiAnswer> {
  return async (request) => {
    const { method, headers, body } = request
    const answer: ApiAnswer = { status: 200, headers: answerHeaders(request), body: nothing }
    if (isPreflight(request)) return answer
    if (method !== 'POST') return accessDenied(answer)

    const contentType = mediaTypeOf(headers['content-type'])
    const [service, operationName] = String(headers['x-amz-target'] ?? '').split('.', 2)
    const served = service === serviceName ? operations.get(operationName ?? '') : undefined
    if (body.length === 0) {
      const format = contentType === mediaTypes.json ? 'json' : 'cbor'
      return refuse(answer, format, served ? serializationError() : unknownOperation())
    }
    const format = formatOf(contentType)
    if (format === undefined) {
      if (contentType === 'application/json') return answerPlainJson(answer, body)
      if (!service || !operationName) return accessDenied(answer)
      return { ...answer, status: 404, body: Buffer.from('<UnknownOperationException/>\n') }
    }
    const startedMs = isObserved() ? performance.now() : 0
    let fault: FaultRule | undefined
    try {
      const complaint = signatureComplaint(headers, request.url)
      // With faults or rates set, requests are looked at one by one; and the short cut knows only today's limits.
      const isPlain = !core.faults.isActive && core.throttles === undefined && !core.hasLegacyLimits
      const mayTakeShortCut = complaint === undefined && isPlain
      const shortCut = mayTakeShortCut ? served?.operation.runOnBody?.(core, body, format) : undefined
      if (shortCut !== undefined) {
        complete(answer, format, await shortCut)
        if (isObserved()) reportRequest(answer, operationName ?? '', startedMs)
        return answer
      }
      const given = parse(body, format)
      if (served === undefined) throw unknownOperation()
      if (complaint !== undefined) throw complaint
      const input = readInput(served.input, given, format)
      const otherShape = core.hasLegacyLimits ? undefined : served.operation.inputFor?.(core, input)
      checkConstraints(otherShape ?? served.input, input)
      fault = core.faults.decide(served.name, () => faultTargetOf(core, input))
      if (fault?.action === 'cut-before') return { ...answer, delivery: 'cut' }
      if (fault !== undefined) await misbehaveBefore(core, served.name, fault, input)
      core.throttles?.admit(served.name, () => faultTargetOf(core, input))
      // The shape that was checked is the one that gives `run` its type.
      const result = await served.operation.run(core, input as never, format)
      complete(answer, format, result)
    } catch (error) {
      refuse(answer, format, apiErrorFor(error, operationName ?? ''))
    }
    if (fault !== undefined) misbehaveAfter(answer, fault)
    if (isObserved()) reportRequest(answer, operationName ?? '', startedMs)
    return answer
  }
}

const serviceName = 'Kinesis_20131202'
const nothing = Buffer.alloc(0)
const mediaTypes = { json: 'application/x-amz-json-1.1', cbor: 'application/x-amz-cbor-1.1' } as const

/** Without parameters and spaces. */
function mediaTypeOf(header: string | string[] | undefined): string {
  if (header === mediaTypes.json || header === mediaTypes.cbor) return header
  return String(header ?? '')
    .split(';', 1)
    .join('')
    .trim()
}

function formatOf(contentType: string): BodyFormat | undefined {
  if (contentType === mediaTypes.json) return 'json'
  return contentType === mediaTypes.cbor ? 'cbor' : undefined
}

function parse(body: Buffer, format: BodyFormat): unknown {
  let given: unknown
  try {
    given = format === 'json' ? JSON.parse(body.toString()) : decodeCbor(body)
  } catch {
    throw serializationError()
  }
  if (typeof given !== 'object' || given === null) throw serializationError()
  return given
}

function complete(answer: ApiAnswer, format: BodyFormat, result: Answer): void {
  answer.headers['content-type'] = mediaTypes[format]
  if (result instanceof StreamedAnswer) {
    answer.headers['content-type'] = result.contentType
    answer.stream = result
  } else if (result !== undefined) answer.body = Buffer.isBuffer(result) ? result : encodeAnswer(result, format)
}

function refuse(answer: ApiAnswer, format: BodyFormat, error: ApiError): ApiAnswer {
  answer.status = error.status
  answer.headers['content-type'] = mediaTypes[format]
  answer.headers['x-amzn-ErrorType'] = error.type
  answer.body = encodeAnswer(error.body, format)
  return answer
}

/** What is no refusal is our own trouble (a full disk, a bug): told as such, with the reason in the diagnostics. */
function apiErrorFor(error: unknown, operation: string): ApiError {
  if (error instanceof ApiError) return error
  report({ type: 'engine-error', operation, reason: error instanceof Error ? error.message : String(error) })
  return internalFailure()
}

function unknownOperation(): ApiError {
  return new ApiError('UnknownOperationException')
}

function accessDenied(answer: ApiAnswer): ApiAnswer {
  const text = 'Unable to determine service/operation name to be authorized'
  const body = `<AccessDeniedException>\n  <Message>${text}</Message>\n</AccessDeniedException>\n`
  return { ...answer, status: 403, body: Buffer.from(body) }
}

/** Kinesis takes `application/json` for a request in an older protocol, and knows no operation there. */
function answerPlainJson(answer: ApiAnswer, body: Buffer): ApiAnswer {
  let type = 'UnknownOperationException'
  try {
    parse(body, 'json')
  } catch {
    type = 'SerializationException'
  }
  answer.status = type === 'SerializationException' ? 400 : 404
  answer.headers['content-type'] = 'application/json'
  const output = { Output: { __type: `com.amazon.coral.service#${type}` }, Version: '1.0' }
  answer.body = Buffer.from(JSON.stringify(output))
  return answer
}

function reportRequest(answer: ApiAnswer, operation: string, startedMs: number): void {
  const errorType = answer.headers['x-amzn-ErrorType']
  report({
    type: 'engine-request',
    operation,
    status: answer.status,
    ...(errorType !== undefined && { errorType }),
    durationMs: performance.now() - startedMs,
  })
}
