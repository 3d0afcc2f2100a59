import assert from 'node:assert/strict'
import * as http from 'node:http'
import * as http2 from 'node:http2'
import type { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { type AnswerBody, bodyOf, call, encodeInput, signed, typeOf, type Wire } from './wire-client.ts'

/** One message of an event stream, taken apart and checked byte by byte. */
export interface EventMessage {
  headers: Record<string, string>
  body: AnswerBody & { ContinuationSequenceNumber?: string }
  byteCount: number
}

/** A SubscribeToShard that was answered with an event stream. */
export interface OpenSubscription {
  status: number
  headers: Record<string, string | string[] | undefined>
  /** The next message; undefined when the stream has ended as it should. */
  next(): Promise<EventMessage | undefined>
  /** As `next`, for a message that must be an event with or without records. */
  event(): Promise<EventMessage['body']>
  /** Leaves without a word. */
  vanish(): void
}

export async function subscribe(endpoint: string, input: object, wire: Wire): Promise<OpenSubscription> {
  const headers = {
    ...signed,
    'x-amz-target': 'Kinesis_20131202.SubscribeToShard',
    'content-type': typeOf(wire),
  }
  const opened = await (wire.isHttp2 ? openHttp2 : openHttp1)(endpoint, headers, encodeInput(input, wire))
  assert.equal(opened.status, 200, 'the subscription was refused')
  const messages = readMessages(opened.source, wire)
  const next = async () => {
    const { value, done } = await messages.next()
    return done ? undefined : value
  }
  const event = async () => {
    const message = await next()
    assert.equal(message?.headers[':event-type'], 'SubscribeToShardEvent')
    return message.body
  }
  return { status: opened.status, headers: opened.headers, next, event, vanish: opened.vanish }
}

/** As `subscribe`, for one that is refused before anything streams. */
export async function refusalOf(endpoint: string, input: object, wire: Wire): Promise<[number, string, string]> {
  const { status, body } = await call(endpoint, 'SubscribeToShard', input, wire)
  return [status, body.__type, body.message]
}

interface Opened {
  status: number
  headers: Record<string, string | string[] | undefined>
  source: Readable
  vanish(): void
}

function openHttp1(endpoint: string, headers: Record<string, string>, body: Buffer): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers: { ...headers, 'content-length': body.length }, agent: false } as const
    const request = http.request(endpoint, options, (response) => {
      const { statusCode: status = 0, headers } = response
      resolve({ status, headers, source: response, vanish: () => request.destroy() })
    })
    request.on('error', reject)
    request.end(body)
  })
}

function openHttp2(endpoint: string, headers: Record<string, string>, body: Buffer): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(endpoint)
    session.on('error', reject)
    const source = session.request({ ':method': 'POST', ':path': '/', ...headers }, { endStream: false })
    source.on('error', reject)
    source.on('close', () => {
      session.close()
      reject(new Error('the connection ended without an answer'))
    })
    source.on('response', (headers) => {
      resolve({ status: headers[':status'] ?? 0, headers, source, vanish: () => session.destroy() })
    })
    source.end(body)
  })
}

async function* readMessages(source: Readable, wire: Wire): AsyncGenerator<EventMessage, undefined> {
  let held: Buffer = Buffer.alloc(0)
  let chunks: Buffer[] = []
  let chunkBytes = 0
  for await (const chunk of source) {
    chunks.push(chunk as Buffer)
    chunkBytes += (chunk as Buffer).length
    if (held.length >= 4 && held.length + chunkBytes < held.readUInt32BE(0)) continue
    held = Buffer.concat([held, ...chunks])
    chunks = []
    chunkBytes = 0
    while (held.length >= 12 && held.length >= held.readUInt32BE(0)) {
      const byteCount = held.readUInt32BE(0)
      yield readMessage(held.subarray(0, byteCount), wire)
      held = held.subarray(byteCount)
    }
  }
  assert.equal(held.length + chunkBytes, 0, 'the stream broke off within a message')
  return undefined
}

function readMessage(bytes: Buffer, wire: Wire): EventMessage {
  assert.equal(bytes.readUInt32BE(8), crc32(bytes.subarray(0, 8)), 'checksum of the prelude')
  assert.equal(bytes.readUInt32BE(bytes.length - 4), crc32(bytes.subarray(0, -4)), 'checksum of the message')
  const headersEnd = 12 + bytes.readUInt32BE(4)
  const headers: Record<string, string> = {}
  let at = 12
  const take = (length: number) => {
    at += length
    return bytes.toString('utf8', at - length, at)
  }
  while (at < headersEnd) {
    const name = take(bytes.readUInt8(at++))
    assert.equal(bytes.readUInt8(at++), 7, 'every header is a string')
    at += 2
    headers[name] = take(bytes.readUInt16BE(at - 2))
  }
  assert.equal(at, headersEnd)
  assert.equal(headers[':content-type'], typeOf(wire))
  return { headers, body: bodyOf(bytes.subarray(headersEnd, -4), typeOf(wire)), byteCount: bytes.length }
}
