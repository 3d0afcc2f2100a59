import { once } from 'node:events'
import * as http from 'node:http'
import * as http2 from 'node:http2'
import * as net from 'node:net'
import type { Writable } from 'node:stream'
import * as tls from 'node:tls'
import { ConfigError } from '../../errors.ts'
import { spareMemory } from '../spare-memory.ts'
import type { CertificatePair } from '../tls/self-signed-certificate.ts'
import type { ApiAnswer, ApiRequest } from './answer-request.ts'
import type { StreamedAnswer } from './streamed-answer.ts'

/**
 * HTTP/1.1 and HTTP/2 on one port, plain and, with a certificate, over TLS: the AWS SDK for JavaScript speaks plain HTTP/2
 * by default, most others HTTP/1.1. The first bytes of a connection tell: 0x16 begins TLS, and then ALPN chooses, or the
 * first bytes within; `PRI ` is HTTP/2 with prior knowledge.
 */
export interface OnePortServer {
  readonly port: number
  readonly host: string
  /** Takes no more connections, ends idle ones at once, lets requests finish. */
  close(): Promise<void>
}

export interface OnePortOptions {
  host: string
  port: number
  answer: (request: ApiRequest) => Promise<ApiAnswer>
  /** Without one, TLS is not spoken. */
  certificate?: CertificatePair | undefined
  /** How long a request may take to arrive, in milliseconds; then its connection ends, of HTTP/2 its stream. @default 300000 */
  requestWithinMs?: number
}

/** Larger bodies are answered with 413: 10 MiB of data are 13.4 MiB of base64, and keys come on top. */
const maxBodyBytes = 16 * 1024 * 1024

/** A client that sends on after a 413 is listened to for so long, so that it gets to read the answer. */
const maxIgnoredBytes = 64 * 1024 * 1024

/** How long a connection may stay without telling which HTTP it speaks, in milliseconds. */
const identifyWithinMs = 10_000

/** SDKs keep connections in pools and take it badly when an idle one is closed under them. */
const keepAliveMs = 120_000

/** How long `close` waits for requests, in milliseconds. */
const finishWithinMs = 5_000

/** How long a client has to read the last of its answer when the server closes, in milliseconds. */
const hangUpMs = 200

/** Bodies up to here are cheaper to copy than to send on their own. */
const shortBodyBytes = 1024

/** How long a client may leave a part of a streamed answer unread, in milliseconds; then the answer ends. */
const drainWithinMs = 300_000

const defaults = { requestWithinMs: 300_000 } satisfies Partial<OnePortOptions>

export async function listenOnOnePort(options: OnePortOptions): Promise<OnePortServer> {
  const { host, port, answer, certificate, requestWithinMs = defaults.requestWithinMs } = options
  const identifyMs = Math.min(identifyWithinMs, requestWithinMs)
  const onRequest = (request: AnyRequest, response: AnyResponse) => {
    if (request instanceof http2.Http2ServerRequest) cutWhenSlow(request, response, requestWithinMs)
    serve(request, response, answer, life)
  }
  const life: Life = { waiting: new Set(), isClosing: false }
  const http1 = http.createServer(
    {
      keepAliveTimeout: keepAliveMs,
      noDelay: true,
      requestTimeout: requestWithinMs,
      headersTimeout: Math.min(60_000, requestWithinMs),
      connectionsCheckingInterval: Math.min(30_000, requestWithinMs),
    },
    onRequest,
  )
  const sessions = new Set<http2.ServerHttp2Session>()
  const h2 = http2.createServer(
    { settings: { initialWindowSize: 4 * 1024 * 1024, maxConcurrentStreams: 1000 }, maxSessionMemory: 256 },
    onRequest,
  )
  h2.on('session', (session) => {
    sessions.add(session)
    const silent = setTimeout(() => session.destroy(), requestWithinMs)
    session.once('stream', () => clearTimeout(silent))
    session.once('close', () => {
      clearTimeout(silent)
      sessions.delete(session)
    })
    session.setLocalWindowSize(16 * 1024 * 1024)
    session.on('error', () => session.destroy())
  })
  h2.on('sessionError', () => undefined)
  const secure = certificate && tlsServer(certificate)
  const sockets = new Set<net.Socket>()
  /** Connections of which we don't know yet what they speak, by their peer, which is the same below and above TLS. */
  const unidentified = new Map<string, net.Socket>()
  const take = (socket: net.Socket, kind: ConnectionKind) => {
    const isSecure = socket instanceof tls.TLSSocket
    const servers = { tls: isSecure ? undefined : secure, http1, http2: h2 }
    // The SDK for Java begins HTTP/2 within TLS without asking; Node's server looks only for what ALPN has chosen.
    if (isSecure && kind === 'http2') socket.alpnProtocol = 'h2'
    if (kind !== 'tls') unidentified.delete(peerOf(socket))
    // Half a connection is of no use to HTTP/2, and its session would never hear of the end.
    if (kind === 'http2') socket.allowHalfOpen = false
    if (servers[kind] === undefined) socket.destroy()
    else servers[kind].emit('connection', socket)
    if (kind !== 'http2') process.nextTick(() => socket.resume())
  }
  secure?.on('secureConnection', (socket) => {
    if (socket.alpnProtocol === 'h2') take(socket, 'http2')
    else identify(socket, identifyMs, (kind) => take(socket, kind))
  })
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const peer = peerOf(socket)
    sockets.add(socket)
    unidentified.set(peer, socket)
    socket.once('close', () => {
      sockets.delete(socket)
      unidentified.delete(peer)
    })
    identify(socket, identifyMs, (kind) => take(socket, kind))
  })
  await startListening(server, host, port)
  // Requests that come too slowly are ended by the HTTP/1.1 server's own watch, which waits for this event.
  http1.emit('listening')
  const address = server.address() as net.AddressInfo

  let closing: Promise<void> | undefined
  const close = async () => {
    const closed = once(server, 'close')
    life.isClosing = true
    server.close()
    for (const socket of unidentified.values()) socket.destroy()
    for (const socket of sockets) {
      // A client that has its answer and does not hang up itself, because it reads no more, is not waited for.
      if (socket.writableFinished) hangUpSoon(socket)
      else socket.once('finish', () => hangUpSoon(socket))
    }
    http1.close()
    http1.closeIdleConnections()
    for (const response of life.waiting) cut(response)
    for (const session of sessions) session.close()
    const impatient = setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, finishWithinMs)
    await closed
    clearTimeout(impatient)
  }
  return { port: address.port, host: address.address, close: () => (closing ??= close()) }
}

function hangUpSoon(socket: net.Socket): void {
  const timer = setTimeout(() => socket.destroy(), hangUpMs)
  socket.once('close', () => clearTimeout(timer))
}

/** What answers need to know of the server's end. */
interface Life {
  /** Answers that wait for their client, who may never come: they end when the server does. */
  readonly waiting: Set<AnyResponse>
  isClosing: boolean
}

type AnyRequest = http.IncomingMessage | http2.Http2ServerRequest
type AnyResponse = http.ServerResponse | http2.Http2ServerResponse

function startListening(server: net.Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)))
    server.listen({ host, port, backlog: 1024 }, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const reasons: Record<string, string> = {
    EADDRINUSE: `another process listens there. Choose another port (0 takes a free one), or stop that process.`,
    EACCES: `this user may not. Choose a port above 1023.`,
    EADDRNOTAVAIL: `this machine has no such address. Choose 127.0.0.1, or 0.0.0.0 for all of its addresses.`,
    ENOTFOUND: `no such host is known. Choose 127.0.0.1, or 0.0.0.0 for all of this machine's addresses.`,
  }
  const reason = reasons[error.code ?? ''] ?? error.message
  return new ConfigError(`cannot listen on ${host}:${port}: ${reason}`, { cause: error })
}

/** ALPN chooses which HTTP a connection goes on with. */
function tlsServer({ certificate, key }: CertificatePair): tls.Server {
  const secure = tls.createServer({
    cert: certificate,
    key,
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: identifyWithinMs,
  })
  // A client that doesn't trust the certificate, is slow or vanishes: its own business.
  secure.on('tlsClientError', (_, socket) => socket.destroy())
  return secure
}

function peerOf(socket: net.Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}

/** What a connection speaks. */
type ConnectionKind = 'tls' | 'http1' | 'http2'

/** Looks at the first bytes and puts them back. */
function identify(socket: net.Socket, withinMs: number, tell: (kind: ConnectionKind) => void): void {
  let seen: Buffer = Buffer.alloc(0)
  const give = (kind: ConnectionKind) => {
    socket.setTimeout(0)
    socket.off('data', look)
    socket.off('end', hangUp)
    socket.off('timeout', hangUp)
    socket.off('error', hangUp)
    socket.pause()
    socket.unshift(seen)
    tell(kind)
  }
  const look = (chunk: Buffer) => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
    const compared = Math.min(seen.length, http2Start.length)
    if (seen[0] === tlsStart) give('tls')
    else if (!seen.subarray(0, compared).equals(http2Start.subarray(0, compared))) give('http1')
    // POST, PUT and PRI begin alike: fewer than four bytes don't tell yet.
    else if (compared === http2Start.length) give('http2')
  }
  const hangUp = () => socket.destroy()
  socket.setTimeout(withinMs)
  socket.on('timeout', hangUp)
  socket.on('error', hangUp)
  socket.on('end', hangUp)
  socket.on('data', look)
}

const http2Start = Buffer.from('PRI ')

/** The first byte of a TLS record that carries a handshake. */
const tlsStart = 0x16

/** What the HTTP/1.1 server does by itself. */
function cutWhenSlow(request: http2.Http2ServerRequest, response: AnyResponse, withinMs: number): void {
  const slow = setTimeout(() => giveUp(response), withinMs)
  const stop = () => clearTimeout(slow)
  request.once('end', stop)
  response.once('close', stop)
}

function serve(request: AnyRequest, response: AnyResponse, answer: OnePortOptions['answer'], life: Life): void {
  const chunks: Buffer[] = []
  let length = 0
  request.on('error', () => request.destroy())
  response.on('error', () => response.destroy())
  request.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length <= maxBodyBytes) chunks.push(chunk)
    else refuseBody(request, response, chunks, length)
  })
  request.on('end', () => {
    // HTTP/2 ends a body also when its connection was lost in the middle of it.
    if (length > maxBodyBytes || request.aborted) return
    const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length)
    const { method = '', url = '', headers, socket: connection } = request
    void answer({ method, url, headers, body, connection })
      .then((given) => deliver(response, given, life))
      .catch(() => cut(response))
  })
}

async function deliver(response: AnyResponse, answer: ApiAnswer, life: Life): Promise<void> {
  const { delivery, stream } = answer
  if (delivery === 'cut') cut(response)
  else if (delivery === 'lost') {
    life.waiting.add(response)
    response.once('close', () => life.waiting.delete(response))
  } else if (stream !== undefined) await sendStream(response, answer, stream, life)
  else if (delivery === 'half') sendHalf(response, answer)
  else send(response, answer)
}

function refuseBody(request: AnyRequest, response: AnyResponse, chunks: Buffer[], length: number): void {
  chunks.length = 0
  if (!response.headersSent) send(response, { status: 413, headers: {}, body: Buffer.alloc(0) })
  if (length > maxIgnoredBytes) request.destroy()
}

function send(response: AnyResponse, { status, headers, body }: ApiAnswer): void {
  if (isGone(response)) return
  headers['content-length'] = String(body.length)
  // Finished: the kernel has all of it. One that is cut off is left to the collector.
  if (body.length > shortBodyBytes) response.once('finish', () => spareMemory.giveBack(body))
  if (response instanceof http.ServerResponse) {
    // Kinesis keeps connections alive without saying so.
    response.removeHeader('connection')
    response.writeHead(status, headers)
    // Text goes out in one piece with the head, a buffer in a second one; as latin1 bytes stay what they are.
    if (body.length <= shortBodyBytes) response.end(body.toString('latin1'), 'latin1')
    else response.end(body)
  } else response.writeHead(status, headers).end(body)
}

/** Sends each part when the client has taken the one before: what waits, waits where the parts come from. */
async function sendStream(
  response: AnyResponse,
  { status, headers, delivery }: ApiAnswer,
  stream: StreamedAnswer,
  life: Life,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  if (isGone(response)) gone.abort()
  else startStream(response, status, headers)
  const out: Writable = response
  let partCount = 0
  for await (const part of stream.parts(gone.signal)) {
    if (gone.signal.aborted) return
    if (delivery === 'half' && ++partCount === 2) {
      out.write(part.subarray(0, part.length >> 1), () => cut(response))
      return
    }
    if (out.write(part)) continue
    if (life.isClosing) return cut(response)
    life.waiting.add(response)
    const impatient = setTimeout(() => giveUp(response), drainWithinMs)
    await drained(out, gone.signal)
    clearTimeout(impatient)
    life.waiting.delete(response)
  }
  // A connection that was busy when the server began to close would be kept for a next request.
  const socket = life.isClosing && response instanceof http.ServerResponse ? response.socket : null
  out.end(() => socket?.destroy())
}

function startStream(response: AnyResponse, status: number, headers: Record<string, string>): void {
  if (response instanceof http.ServerResponse) {
    response.removeHeader('connection')
    response.writeHead(status, headers)
  } else response.writeHead(status, headers)
}

function drained(out: Writable, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const goOn = () => {
      out.off('drain', goOn)
      gone.removeEventListener('abort', goOn)
      resolve()
    }
    out.once('drain', goOn)
    gone.addEventListener('abort', goOn, { once: true })
    if (gone.aborted) goOn()
  })
}

function sendHalf(response: AnyResponse, { status, headers, body }: ApiAnswer): void {
  headers['content-length'] = String(body.length)
  const half = body.subarray(0, body.length >> 1)
  if (response instanceof http.ServerResponse) response.writeHead(status, headers).write(half, () => cut(response))
  else response.writeHead(status, headers).write(half, () => cut(response))
}

/** Its `close` has been: nobody hears an answer. A response of HTTP/2 has no `destroyed`. */
function isGone(response: AnyResponse): boolean {
  return response instanceof http.ServerResponse ? response.destroyed : response.stream.destroyed
}

/** Ends a request whose client is slow. Others that share its connection go on. */
function giveUp(response: AnyResponse): void {
  if (response instanceof http.ServerResponse) cut(response)
  else response.stream.close(http2.constants.NGHTTP2_CANCEL)
}

/** Ends the connection under the request. */
function cut(response: AnyResponse): void {
  if (response instanceof http.ServerResponse) response.socket?.destroy()
  else response.stream.session?.destroy()
}
