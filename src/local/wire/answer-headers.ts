import { randomFillSync, randomUUID } from 'node:crypto'
import type { RequestHeaders } from './signature-form.ts'

interface HeaderFacts {
  readonly method: string
  readonly headers: RequestHeaders
}

/** What every answer carries: request ids, and what browsers ask for. */
export function answerHeaders(request: HeaderFacts): Record<string, string> {
  const asked = request.headers
  const headers: Record<string, string> = { 'x-amzn-RequestId': randomUUID() }
  if (asked['origin'] !== undefined) {
    headers['Access-Control-Allow-Origin'] = '*'
    if (isPreflight(request)) {
      const { 'access-control-request-headers': names, 'access-control-request-method': method } = asked
      if (names !== undefined) headers['Access-Control-Allow-Headers'] = String(names)
      if (method !== undefined) headers['Access-Control-Allow-Methods'] = String(method)
      headers['Access-Control-Max-Age'] = '172800'
      return headers
    }
    headers['Access-Control-Expose-Headers'] =
      'x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date'
  }
  headers['x-amz-id-2'] = secondId()
  return headers
}

export function isPreflight({ method, headers }: HeaderFacts): boolean {
  return method === 'OPTIONS' && headers['origin'] !== undefined
}

/** Random bytes are drawn for many answers at a time. */
const idBytes = 72
const idPool = Buffer.alloc(idBytes * 128)
let idsUsed = idPool.length

function secondId(): string {
  if (idsUsed === idPool.length) {
    randomFillSync(idPool)
    idsUsed = 0
  }
  const id = idPool.toString('base64', idsUsed, idsUsed + idBytes)
  idsUsed += idBytes
  return id
}
