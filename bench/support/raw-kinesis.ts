import { connect, type Socket } from 'node:net'

/**
 * A Kinesis client that costs as little as possible, so that the server is what gets measured: keep-alive HTTP/1.1 on
 * bare sockets, bodies encoded beforehand, answers not decoded.
 */
export class RawConnection {
  readonly #socket: Socket
  #pending: { resolve: (answer: RawAnswer) => void; reject: (error: Error) => void } | undefined
  #chunks: Buffer[] = []
  #received = 0
  /** Bytes of the whole answer, known once its head is there. */
  #expected = 0
  #bodyAt = 0
  #status = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    const fail = (error?: Error) => this.#pending?.reject(error ?? new Error('the server hung up'))
    socket.on('error', fail)
    socket.on('close', () => fail())
  }

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(new RawConnection(socket)))
      socket.once('error', reject)
    })
  }

  /** One request at a time. */
  send(request: Buffer): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject }
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#pending = undefined
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#received += chunk.length
    if (this.#expected === 0) {
      const head = Buffer.concat(this.#chunks)
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      const text = head.toString('latin1', 0, end)
      this.#status = Number(text.slice(9, 12))
      this.#bodyAt = end + 4
      this.#expected = this.#bodyAt + Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? 0)
    }
    if (this.#received < this.#expected) return
    const body = Buffer.concat(this.#chunks, this.#received).subarray(this.#bodyAt)
    const pending = this.#pending
    this.#chunks = []
    this.#received = 0
    this.#expected = 0
    pending?.resolve({ status: this.#status, body })
  }
}

export interface RawAnswer {
  status: number
  body: Buffer
}

export type RawFormat = 'json' | 'cbor'

/** A whole HTTP request. */
export function rawRequest(operation: string, format: RawFormat, body: Buffer): Buffer {
  const head = [
    'POST / HTTP/1.1',
    'Host: 127.0.0.1',
    `X-Amz-Target: Kinesis_20131202.${operation}`,
    `Content-Type: application/x-amz-${format}-1.1`,
    'X-Amz-Date: 20260101T000000Z',
    'Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0',
    `Content-Length: ${body.length}`,
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body])
}

/** The body of a PutRecords. */
export function putRecordsBody(
  stream: string,
  records: readonly { key: string; data: Buffer }[],
  format: RawFormat,
): Buffer {
  if (format === 'json')
    return Buffer.from(
      JSON.stringify({
        Records: records.map(({ key, data }) => ({ Data: data.toString('base64'), PartitionKey: key })),
        StreamName: stream,
      }),
    )
  const parts = [head(5, 2), text('Records'), head(4, records.length)]
  for (const { key, data } of records)
    parts.push(head(5, 2), text('Data'), head(2, data.length), data, text('PartitionKey'), text(key))
  parts.push(text('StreamName'), text(stream))
  return Buffer.concat(parts)
}

/** The body of a PutRecord. */
export function putRecordBody(stream: string, key: string, data: Buffer, format: RawFormat): Buffer {
  if (format === 'json')
    return Buffer.from(JSON.stringify({ StreamName: stream, PartitionKey: key, Data: data.toString('base64') }))
  const members = [
    text('StreamName'),
    text(stream),
    text('PartitionKey'),
    text(key),
    text('Data'),
    head(2, data.length),
  ]
  return Buffer.concat([head(5, 3), ...members, data])
}

/** A body of plain text and number members. */
export function plainBody(members: Record<string, string | number>, format: RawFormat): Buffer {
  if (format === 'json') return Buffer.from(JSON.stringify(members))
  const entries = Object.entries(members)
  const values = entries.map(([name, value]) => [text(name), typeof value === 'string' ? text(value) : head(0, value)])
  return Buffer.concat([head(5, entries.length), ...values.flat()])
}

/** The text member of an answer, found without decoding it; the last one of that name. */
export function textMember(body: Buffer, name: string, format: RawFormat): string | undefined {
  const at = body.lastIndexOf(name)
  if (at < 0) return undefined
  if (format === 'json') {
    const start = at + name.length + 3
    return body.toString('latin1', start, body.indexOf('"', start))
  }
  const headAt = at + name.length
  const info = (body[headAt] as number) & 0x1f
  if (info < 24) return body.toString('latin1', headAt + 1, headAt + 1 + info)
  const start = headAt + (info === 24 ? 2 : 3)
  const length = info === 24 ? (body[headAt + 1] as number) : body.readUInt16BE(headAt + 1)
  return body.toString('latin1', start, start + length)
}

function text(value: string): Buffer {
  return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
}

function head(major: number, argument: number): Buffer {
  if (argument < 24) return Buffer.of((major << 5) | argument)
  if (argument < 0x100) return Buffer.of((major << 5) | 24, argument)
  if (argument < 0x1_0000) return Buffer.of((major << 5) | 25, argument >> 8, argument & 0xff)
  const bytes = Buffer.alloc(5)
  bytes[0] = (major << 5) | 26
  bytes.writeUInt32BE(argument, 1)
  return bytes
}
