import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { StorageError } from '../errors.ts'
import { describeBindFailure } from './message-socket.ts'

/** What is served: numbers, and whether all is well. */
export interface ServedMetrics {
  text(): Promise<string>
  readonly contentType: string
  readiness(): { isReady: boolean; lines: string[] }
}

/**
 * What operators and their machines ask a daemon by HTTP:
 *
 *     /metrics   Prometheus' text format
 *     /healthz   200 as long as the daemon answers at all
 *     /readyz    200 or 503, and a line for the config, the spool and Kinesis
 */
export class MetricsServer implements AsyncDisposable {
  readonly endpoint: string
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    const { address, port, family } = server.address() as AddressInfo
    this.endpoint = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
  }

  /** Listens, or rejects with a StorageError that says why it can't. Port 0 takes a free one. */
  static async open(host: string, port: number, metrics: ServedMetrics): Promise<MetricsServer> {
    const server = createServer({ requestTimeout: patienceMs, headersTimeout: patienceMs }, (request, response) => {
      // An answer that fails on its way is its asker's loss.
      answer(request, response, metrics).catch(() => response.destroy())
    })
    server.maxConnections = mostConnections
    server.keepAliveTimeout = patienceMs
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        reject(new StorageError(describeBindFailure(host, port, cause, '--metrics'), { cause }))
      })
      server.listen(port, host, resolve)
    })
    return new MetricsServer(server)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, metrics: ServedMetrics): Promise<void> {
  const { status, type = 'text/plain; charset=utf-8', text } = await answerTo(request, metrics)
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) })
  response.end(request.method === 'HEAD' ? undefined : text)
}

interface Answer {
  status: number
  type?: string
  text: string
}

async function answerTo({ method, url }: IncomingMessage, metrics: ServedMetrics): Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, text: 'only GET and HEAD\n' }
  switch (url?.split('?')[0]) {
    case '/metrics':
      return { status: 200, type: metrics.contentType, text: await metrics.text() }
    case '/healthz':
      return { status: 200, text: 'ok\n' }
    case '/readyz': {
      const { isReady, lines } = metrics.readiness()
      return { status: isReady ? 200 : 503, text: `${isReady ? 'ready' : 'not ready'}\n${lines.join('\n')}\n` }
    }
    default:
      return { status: 404, text: 'there are /metrics, /healthz and /readyz\n' }
  }
}

const patienceMs = 10_000
const mostConnections = 64
