/**
 * Messages of `application/vnd.amazon.eventstream`, big-endian:
 *
 *      0  4  total length, all of it
 *      4  4  length of the headers
 *      8  4  CRC-32 of the 8 bytes before
 *     12     headers: name length u8, name, type u8 = 7 (a string), value length u16, value
 *            payload
 *     -4  4  CRC-32 of everything before
 */
import { crc32 } from 'node:zlib'
import type { ApiError } from '../api-error.ts'
import type { BodyFormat } from '../shapes/read-input.ts'
import { encodeAnswer } from './encode-answer.ts'

export const eventStreamType = 'application/vnd.amazon.eventstream'

/** boto3 fails without this first message. */
export function initialResponse(format: BodyFormat): Buffer {
  return eventMessage('initial-response', encodeAnswer({}, format), format)
}

export function eventMessage(eventType: string, payload: Buffer, format: BodyFormat): Buffer {
  return encodeMessage({ ':message-type': 'event', ':event-type': eventType, ...contentType(format) }, payload)
}

/** Clients raise it as they raise the error of an ordinary answer. */
export function exceptionMessage({ type, message }: ApiError, format: BodyFormat): Buffer {
  const headers = { ':message-type': 'exception', ':exception-type': type, ...contentType(format) }
  return encodeMessage(headers, encodeAnswer({ message }, format))
}

const preludeBytes = 12
const crcBytes = 4

function encodeMessage(headers: Readonly<Record<string, string>>, payload: Buffer): Buffer {
  const headerBytes = encodeHeaders(headers)
  const totalBytes = preludeBytes + headerBytes.length + payload.length + crcBytes
  const message = Buffer.allocUnsafe(totalBytes)
  message.writeUInt32BE(totalBytes, 0)
  message.writeUInt32BE(headerBytes.length, 4)
  message.writeUInt32BE(crc32(message.subarray(0, 8)), 8)
  headerBytes.copy(message, preludeBytes)
  payload.copy(message, preludeBytes + headerBytes.length)
  message.writeUInt32BE(crc32(message.subarray(0, totalBytes - crcBytes)), totalBytes - crcBytes)
  return message
}

function encodeHeaders(headers: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(headers).flatMap(([name, value]) => {
    const type = Buffer.from([stringType, 0, 0])
    type.writeUInt16BE(Buffer.byteLength(value), 1)
    return [Buffer.of(name.length), Buffer.from(name), type, Buffer.from(value)]
  })
  return Buffer.concat(parts)
}

const stringType = 7

function contentType(format: BodyFormat): { ':content-type': string } {
  return { ':content-type': `application/x-amz-${format}-1.1` }
}
