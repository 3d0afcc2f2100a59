import type { ApiAnswer } from '../wire/answer-request.ts'

/** Why something under `/_triton` is refused; the message tells the caller what to do about it. */
export class ConsoleRefusal extends Error {
  readonly status: 400 | 403 | 404 | 405 | 415

  constructor(status: ConsoleRefusal['status'], message: string) {
    super(message)
    this.status = status
  }
}

export function jsonAnswer(body: object, status = 200): ApiAnswer {
  return textAnswer('application/json; charset=utf-8', `${JSON.stringify(body)}\n`, status)
}

/**
 * For one browser's eyes, and no other site's: without CORS headers, never in a frame, nothing kept, and with no script
 * but our own, so that whatever stands in a stream stays text.
 */
export function textAnswer(contentType: string, body: string | Buffer, status = 200): ApiAnswer {
  const headers = {
    'content-type': contentType,
    'cache-control': 'no-store',
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'cross-origin-resource-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
  }
  return { status, headers, body: Buffer.from(body) }
}
