import { report } from '../../diagnostics.ts'
import type { EngineCore } from '../engine-core.ts'
import type { ApiAnswer, ApiRequest } from '../wire/answer-request.ts'
import { checkCaller } from './check-caller.ts'
import { ConsoleRefusal, jsonAnswer, textAnswer } from './console-answer.ts'
import type { EngineMetrics } from './engine-metrics.ts'
import { type ViewQuery, viewEngine } from './engine-view.ts'
import { healthOf } from './health.ts'
import { pageFile } from './page-file.ts'
import type { TestControls } from './test-controls.ts'

export interface ConsoleSettings {
  /** As it was given: a name under which others may reach the engine. */
  readonly host: string
  /** Absent when the engine was not started for tests. */
  readonly controls: TestControls | undefined
  /** Absent when nobody wants them. */
  readonly metrics: EngineMetrics | undefined
  /** In PEM, for those who want to trust it; absent when TLS is not spoken. */
  readonly certificate: string | undefined
}

type Page = (request: ApiRequest, query: URLSearchParams) => ApiAnswer | Promise<ApiAnswer>

/** Makes the function that answers what is asked for under `/_triton`: all that is not the API of Kinesis. */
export function consoleAnswerer(
  core: EngineCore,
  settings: ConsoleSettings,
): (request: ApiRequest) => Promise<ApiAnswer> {
  const pages = pagesOf(core, settings)
  return async (request) => {
    try {
      checkCaller(request, settings.host)
      const { pathname, searchParams } = new URL(request.url, 'http://localhost')
      const methods = pages.get(pathname.replace(/\/$/, ''))
      if (methods === undefined)
        throw new ConsoleRefusal(404, `There is nothing at ${pathname}. Known are ${[...pages.keys()].join(', ')}.`)
      const page = methods[request.method === 'HEAD' ? 'GET' : request.method]
      if (page === undefined)
        throw new ConsoleRefusal(405, `${pathname} is asked for with ${Object.keys(methods).join(' or ')}.`)
      return await page(request, searchParams)
    } catch (error) {
      if (error instanceof ConsoleRefusal) return jsonAnswer({ error: error.message }, error.status)
      report({
        type: 'engine-error',
        operation: request.url,
        reason: error instanceof Error ? error.message : String(error),
      })
      return jsonAnswer({ error: 'The engine failed; its log says why.' }, 500)
    }
  }
}

export function isForConsole(url: string): boolean {
  return /^\/_triton(?:[/?]|$)/.test(url)
}

function pagesOf(
  core: EngineCore,
  { controls, metrics, certificate }: ConsoleSettings,
): Map<string, Readonly<Record<string, Page>>> {
  const withControls = (act: (controls: TestControls) => (request: ApiRequest) => ApiAnswer): Page => {
    if (controls !== undefined) return act(controls)
    return () => {
      throw new ConsoleRefusal(403, 'This engine takes no orders: start it with --test-controls (testControls: true).')
    }
  }
  return new Map<string, Readonly<Record<string, Page>>>([
    ['/_triton', { GET: () => pageFile('page.html') }],
    ['/_triton/page.css', { GET: () => pageFile('page.css') }],
    ['/_triton/page.js', { GET: () => pageFile('page.js') }],
    ['/_triton/view', { GET: async (_, query) => jsonAnswer(await viewEngine(core, viewQuery(query))) }],
    ['/_triton/health', { GET: () => jsonAnswer(healthOf(core), core.streams.troubles.length === 0 ? 200 : 503) }],
    ['/_triton/certificate.pem', { GET: () => certificatePage(certificate) }],
    ['/_triton/metrics', { GET: () => metricsPage(metrics) }],
    ['/_triton/faults', { POST: withControls((it) => (request) => it.setFaults(request)) }],
    ['/_triton/clock', { POST: withControls((it) => (request) => it.moveClock(request)) }],
  ])
}

function certificatePage(certificate: string | undefined): ApiAnswer {
  if (certificate === undefined)
    throw new ConsoleRefusal(404, 'This engine speaks no TLS: start it with --tls (tls: true).')
  return textAnswer('application/x-pem-file', certificate)
}

function metricsPage(metrics: EngineMetrics | undefined): Promise<ApiAnswer> {
  if (metrics === undefined)
    throw new ConsoleRefusal(404, 'This engine counts nothing: start it with --metrics (metrics: true).')
  return metrics.page()
}

function viewQuery(query: URLSearchParams): ViewQuery {
  const shard = query.get('shard') ?? ''
  return { stream: query.get('stream'), shardIndex: /^\d{1,10}$/.test(shard) ? Number(shard) : undefined }
}
