import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline, Readable } from 'node:stream'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { crc32c } from '@node-rs/crc32'

/** What became of a request that a test wants to go wrong: a status, a hang-up, no answer at all, or a bit of a part that flips. */
export type S3Fault = { status: number; code: string } | 'hang-up' | 'stall' | 'answer-lost' | 'damaged'

export interface S3Request {
  method: string
  /** As it came: `/bucket/key?uploadId=...`. */
  url: string
  key: string
  query: URLSearchParams
}

export interface TestS3 extends AsyncDisposable {
  readonly endpoint: string
  readonly bucket: string
  /** Uploads that were begun and neither completed nor given up. */
  openUploads(): string[]
  /** Asked of every request, before it is carried out. */
  fault: (request: S3Request) => S3Fault | undefined
  /** Every request so far. */
  readonly requests: S3Request[]
  /** Listings show this object from now on, which nobody can read. */
  pretend(key: string, bytes?: number): void
  /** Breaks off whatever is being answered. */
  dropConnections(): void
  /** An object in one request. */
  put(key: string, bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

/**
 * An S3 server from npm, with one bucket, behind a proxy that adds what it lacks: listing uploads that are open, and
 * giving them up, after which their parts and their completion are refused; the checksums of parts, without which none is
 * taken; listings of more than one page (the server's own tokens need a cipher that OpenSSL 3 has not). Any credentials of
 * 'local' are right.
 */
export async function startTestS3(bucket = 'triton-test'): Promise<TestS3> {
  const directory = await mkdtemp(join(tmpdir(), 'triton-s3-'))
  const require = createRequire(import.meta.url)
  const S3rver = require('s3rver') as new (
    options: object,
  ) => {
    run(): Promise<AddressInfo>
    close(): Promise<void>
  }
  const { DUMMY_ACCOUNT } = require('s3rver/lib/models/account.js') as {
    DUMMY_ACCOUNT: { createKeyPair(id: string, secret: string): void }
  }
  DUMMY_ACCOUNT.createKeyPair('local', 'local')
  const server = new S3rver({
    ...{ directory, port: 0, address: '127.0.0.1', silent: true, allowMismatchedSignatures: true },
    configureBuckets: [{ name: bucket, configs: [] }],
  })
  const { port } = await server.run()
  const proxy = new S3Proxy(port, bucket)
  await proxy.listen()
  const client = new S3Client({
    ...{ endpoint: proxy.endpoint, region: 'us-east-1', forcePathStyle: true },
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    ...{ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
  })
  let closed: Promise<void> | undefined
  return Object.assign(proxy, {
    bucket,
    async put(Key: string, Body: Uint8Array) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body }))
    },
    close: () => {
      client.destroy()
      closed ??= proxy
        .end()
        .then(() => server.close())
        .then(() => rm(directory, { recursive: true, force: true }))
      return closed
    },
    [Symbol.asyncDispose]() {
      return this.close()
    },
  })
}

class S3Proxy {
  endpoint = ''
  fault: TestS3['fault'] = () => undefined
  readonly requests: S3Request[] = []
  readonly #port: number
  readonly #bucket: string
  readonly #server: Server
  /** By id, the key. */
  readonly #uploads = new Map<string, string>()
  /** By upload, of each part. */
  readonly #partBytes = new Map<string, Map<string, number>>()
  readonly #objects = new Map<string, { bytes: number; modified: string }>()

  constructor(port: number, bucket: string) {
    this.#port = port
    this.#bucket = bucket
    this.#server = createServer((incoming, answer) => this.#take(incoming, answer))
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.endpoint = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  pretend(key: string, bytes = 1): void {
    this.#objects.set(key, { bytes, modified: new Date().toISOString() })
  }

  dropConnections(): void {
    this.#server.closeAllConnections()
  }

  openUploads(): string[] {
    return [...this.#uploads.values()].sort()
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await ended
  }

  #take(incoming: IncomingMessage, answer: ServerResponse): void {
    const { method = 'GET', url = '/' } = incoming
    const { pathname, searchParams: query } = new URL(url, 'http://proxy')
    const key = decodeURIComponent(pathname.slice(this.#bucket.length + 2))
    const asked = { method, url, key, query }
    this.requests.push(asked)
    const fault = this.fault(asked)
    const uploadId = query.get('uploadId')
    const isGone = uploadId !== null && !this.#uploads.has(uploadId)
    if (fault === 'hang-up') incoming.socket.destroy()
    else if (fault === 'stall') incoming.resume()
    else if (typeof fault === 'object') refuse(incoming, answer, fault.status, fault.code)
    else if (isGone) refuse(incoming, answer, 404, 'NoSuchUpload')
    else if (uploadId !== null && method === 'DELETE') {
      this.#uploads.delete(uploadId)
      answer.writeHead(204).end()
    } else if (query.has('uploads') && method === 'GET') this.#listUploads(query, answer)
    else if (query.get('list-type') === '2' && key === '' && pathname.startsWith(`/${this.#bucket}`))
      this.#listObjects(query, answer)
    else if (uploadId !== null && method === 'PUT') this.#takePart(incoming, answer, asked, fault)
    else this.#pass(incoming, incoming, answer, asked, fault === 'answer-lost')
  }

  /** As S3 does it: what does not have the checksum that was said for it is not kept. */
  #takePart(incoming: IncomingMessage, answer: ServerResponse, asked: S3Request, fault: S3Fault | undefined): void {
    const pieces: Buffer[] = []
    incoming.on('data', (piece: Buffer) => pieces.push(piece))
    incoming.on('end', () => {
      const body = Buffer.concat(pieces)
      if (fault === 'damaged') body[0] = (body[0] as number) ^ 1
      const said = incoming.headers['x-amz-checksum-crc32c']
      if (said === undefined) return refuse(incoming, answer, 400, 'InvalidRequest')
      const checksum = Buffer.alloc(4)
      checksum.writeUInt32BE(crc32c(body))
      if (checksum.toString('base64') !== said) return refuse(incoming, answer, 400, 'BadDigest')
      this.#pass(incoming, Readable.from([body]), answer, asked, fault === 'answer-lost')
    })
  }

  #listUploads(query: URLSearchParams, answer: ServerResponse): void {
    const prefix = query.get('prefix') ?? ''
    const marker = query.get('upload-id-marker') ?? ''
    const pageSize = 2
    const open = [...this.#uploads]
      .filter(([, key]) => key.startsWith(prefix))
      .sort()
      .filter(([id]) => id > marker)
    const page = open.slice(0, pageSize)
    const [lastId = '', lastKey = ''] = page.at(-1) ?? []
    answer.writeHead(200, { 'content-type': 'application/xml' })
    answer.end(
      `<?xml version="1.0"?><ListMultipartUploadsResult><Bucket>${this.#bucket}</Bucket>` +
        `<IsTruncated>${open.length > pageSize}</IsTruncated>` +
        (open.length > pageSize
          ? `<NextKeyMarker>${lastKey}</NextKeyMarker><NextUploadIdMarker>${lastId}</NextUploadIdMarker>`
          : '') +
        page.map(([id, key]) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`).join('') +
        '</ListMultipartUploadsResult>',
    )
  }

  /** Pages of 1,000, as S3 gives them. */
  #listObjects(query: URLSearchParams, answer: ServerResponse): void {
    const prefix = query.get('prefix') ?? ''
    const delimiter = query.get('delimiter') ?? ''
    const after = Buffer.from(query.get('continuation-token') ?? '', 'hex').toString()
    const found = new Map<string, string>()
    for (const [key, { bytes, modified }] of [...this.#objects].sort(([left], [right]) => (left < right ? -1 : 1))) {
      if (!key.startsWith(prefix)) continue
      const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
      const common = key.slice(0, end + delimiter.length)
      if (end >= 0) found.set(common, `<CommonPrefixes><Prefix>${common}</Prefix></CommonPrefixes>`)
      else
        found.set(
          key,
          `<Contents><Key>${key}</Key><Size>${bytes}</Size><LastModified>${modified}</LastModified></Contents>`,
        )
    }
    const rest = [...found].filter(([name]) => name > after)
    const page = rest.slice(0, 1_000)
    const token = Buffer.from(page.at(-1)?.[0] ?? '').toString('hex')
    answer.writeHead(200, { 'content-type': 'application/xml' })
    answer.end(
      `<?xml version="1.0"?><ListBucketResult><Name>${this.#bucket}</Name><KeyCount>${page.length}</KeyCount>` +
        `<IsTruncated>${rest.length > page.length}</IsTruncated>` +
        (rest.length > page.length ? `<NextContinuationToken>${token}</NextContinuationToken>` : '') +
        `${page.map(([, xml]) => xml).join('')}</ListBucketResult>`,
    )
  }

  #pass(
    incoming: IncomingMessage,
    body: Readable,
    answer: ServerResponse,
    asked: S3Request,
    isAnswerLost: boolean,
  ): void {
    const { method, url, key, query } = asked
    const onward = request(
      {
        host: '127.0.0.1',
        port: this.#port,
        method,
        path: url,
        headers: incoming.headers,
        agent: false,
      },
      (came) => {
        // An object is passed on as it comes: it may be larger than memory.
        if (method === 'GET' && came.headers['content-length'] !== undefined && !isAnswerLost) {
          answer.writeHead(came.statusCode ?? 500, came.headers)
          return void pipeline(came, answer, () => undefined)
        }
        const pieces: Buffer[] = []
        came.on('data', (piece: Buffer) => pieces.push(piece))
        came.on('end', () => {
          const answered = Buffer.concat(pieces)
          const isGood = (came.statusCode ?? 500) < 300
          if (isGood && method === 'POST' && query.has('uploads')) {
            const id = /<UploadId>(.*?)<\/UploadId>/.exec(answered.toString())?.[1]
            if (id !== undefined) this.#uploads.set(id, key)
          }
          if (isGood) this.#note(asked, Number(incoming.headers['content-length'] ?? 0))
          if (isAnswerLost) return void incoming.socket.destroy()
          const headers = { ...came.headers }
          delete headers['transfer-encoding']
          delete headers.connection
          answer.writeHead(came.statusCode ?? 500, {
            ...headers,
            ...(method !== 'HEAD' && { 'content-length': answered.length }),
          })
          answer.end(answered)
        })
      },
    )
    onward.on('error', () => incoming.socket.destroy())
    body.pipe(onward)
  }

  /** What the server has carried out. */
  #note({ method, key, query }: S3Request, bytes: number): void {
    const uploadId = query.get('uploadId')
    if (method === 'DELETE') this.#objects.delete(key)
    else if (method === 'PUT' && uploadId !== null) {
      const parts = this.#partBytes.get(uploadId) ?? new Map<string, number>()
      this.#partBytes.set(uploadId, parts.set(query.get('partNumber') ?? '', bytes))
    } else if (method === 'PUT') this.pretend(key, bytes)
    else if (method === 'POST' && uploadId !== null) {
      this.#uploads.delete(uploadId)
      const sizes = [...(this.#partBytes.get(uploadId) ?? new Map<string, number>()).values()]
      this.pretend(
        key,
        sizes.reduce((sum, size) => sum + size, 0),
      )
    }
  }
}

/** When the request is there in whole: a client that is still sending would not hear of it. */
function refuse(incoming: IncomingMessage, answer: ServerResponse, status: number, code: string): void {
  const say = () => {
    answer.writeHead(status, { 'content-type': 'application/xml' })
    answer.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>as the test wants it</Message></Error>`)
  }
  if (incoming.readableEnded) say()
  else incoming.resume().on('end', say)
}
