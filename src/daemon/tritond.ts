import { type Clock, sleep } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { ConfigWatch } from './config-watch.ts'
import { DaemonReporting } from './daemon-reporting.ts'
import { DurableSocket } from './durable-socket.ts'
import { decodeMessage } from './message-frames.ts'
import { listenAddress, MessageSocket } from './message-socket.ts'
import { type OpenedKeeper, openKeeper } from './open-keeper.ts'
import type { RecordKeeper } from './record-keeper.ts'
import { SkipCounter } from './skip-counter.ts'
import {
  type ResolvedTritondOptions,
  resolveTritondOptions,
  type TritondOptions,
  unfinishedShareOf,
} from './tritond-options.ts'

export type { TritondOptions } from './tritond-options.ts'

/** What the end of a daemon came to. */
export interface TritondEnd {
  /** Records that were received and are neither written nor kept anywhere. */
  lostCount: number
}

/**
 * Starts a daemon in this process. Rejects when it can't listen or can't use its spool; a configuration that is missing
 * is waited for.
 */
export async function startTritond(options: TritondOptions = {}): Promise<Tritond> {
  const given = resolveTritondOptions(options, process.env)
  const resolved = { ...given, host: await listenAddress(given.host) }
  const skips = new SkipCounter(resolved.clock)
  const opened = await openKeeper(resolved, skips)
  const { keeper } = opened
  let reporting: DaemonReporting | undefined
  let watch: ConfigWatch | undefined
  try {
    reporting = await DaemonReporting.open(resolved, opened)
    watch = await watchConfig(resolved, opened)
    const socket = await MessageSocket.open({
      host: resolved.host,
      port: resolved.port,
      take: (frames, frameCount) => {
        const message = decodeMessage(frames, frameCount)
        if (message.refusal === undefined) return keeper.take(message)
        skips.add(message.refusal, message.detail)
        return undefined
      },
      refuse: ({ reason, detail }) => skips.add(reason, detail),
      unfinishedBytes: unfinishedShareOf(resolved.memoryMaxBytes),
      clock: resolved.clock,
    })
    const durable = await openDurable(resolved, opened, socket, skips)
    report({ type: 'daemon-listening', endpoint: socket.endpoint, mode: opened.mode })
    return new Tritond({ socket, durable, keeper, skips, watch, reporting, clock: resolved.clock })
  } catch (error) {
    watch?.[Symbol.dispose]()
    await keeper.finish(AbortSignal.abort())
    await reporting?.close()
    throw error
  }
}

interface TritondParts {
  socket: MessageSocket
  durable: DurableSocket | undefined
  keeper: RecordKeeper
  skips: SkipCounter
  watch: ConfigWatch | undefined
  reporting: DaemonReporting
  clock: Clock
}

/**
 * A running daemon.
 *
 *     running --stop--> stopping: receives nothing new, sends what waits -> stopped
 */
export class Tritond implements AsyncDisposable {
  readonly endpoint: string
  /** Where `putDurable` goes; absent where records are only written out. */
  readonly durableEndpoint: string | undefined
  /** Where `/metrics`, `/healthz` and `/readyz` are, when they were asked for. */
  readonly metricsEndpoint: string | undefined
  readonly #parts: TritondParts
  readonly #hurry = new AbortController()
  #stopped: Promise<TritondEnd> | undefined

  constructor(parts: TritondParts) {
    this.#parts = parts
    this.endpoint = parts.socket.endpoint
    this.durableEndpoint = parts.durable?.endpoint
    this.metricsEndpoint = parts.reporting.metricsEndpoint
  }

  /** Records that were received and have no outcome yet. */
  get waitingCount(): number {
    return this.#parts.keeper.waitingCount
  }

  /** Not any more when it stops: its streams are on their way out. */
  reloadConfig(): void {
    if (this.#stopped === undefined) this.#parts.watch?.reload()
  }

  /**
   * Sends what waits, for at most `drainMs` milliseconds; what a spool keeps need not be sent. Called again, it ends at
   * once with what it has; both calls hear the same answer.
   */
  stop(drainMs = defaultDrainMs): Promise<TritondEnd> {
    if (this.#stopped === undefined) this.#stopped = this.#stop(drainMs)
    else this.#hurry.abort()
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#stopped ?? this.stop())
  }

  async #stop(drainMs: number): Promise<TritondEnd> {
    const { socket, durable, keeper, skips, watch, reporting, clock } = this.#parts
    watch?.[Symbol.dispose]()
    durable?.stopReading()
    report({ type: 'daemon-stopping', recordCount: keeper.waitingCount })
    const finished = new AbortController()
    const patience = AbortSignal.any([this.#hurry.signal, finished.signal])
    void sleep(clock, drainMs, patience).then(() => this.#hurry.abort())
    // A record that waits for room keeps the socket from its end: whoever hurries leaves it behind.
    await Promise.race([socket.close(), aborted(this.#hurry.signal)])
    socket.cut()
    const lostCount = await keeper.finish(this.#hurry.signal)
    await durable?.close()
    finished.abort()
    skips[Symbol.dispose]()
    await reporting.close()
    report({ type: 'daemon-stopped', acceptedCount: keeper.acceptedCount, lostCount })
    return { lostCount }
  }
}

/** Resolves when the streams of the configuration, if there is one, are ready. */
async function watchConfig(options: ResolvedTritondOptions, { mode, keeper }: OpenedKeeper) {
  if (mode === 'output') return undefined
  let configured: Promise<void> | undefined
  const watch = new ConfigWatch({
    path: options.config,
    pollMs: options.configPollMs,
    clock: options.clock,
    onConfig: (config, file) => {
      const isFirst = configured === undefined
      configured = keeper.configure(config)
      if (isFirst) return
      configured.catch((error: Error) => {
        report({ type: 'config-failed', file, reason: error.message, isOldKept: true })
      })
    },
  })
  try {
    await configured
  } catch (error) {
    watch[Symbol.dispose]()
    throw error
  }
  return watch
}

/** Without a spool its only answer is that there is none, for which no daemon should fail to start. */
async function openDurable(
  { host, port, durablePort }: ResolvedTritondOptions,
  opened: OpenedKeeper,
  socket: MessageSocket,
  skips: SkipCounter,
) {
  if (opened.mode === 'output') return undefined
  const wanted = durablePort ?? (port === 0 ? 0 : port + 1)
  try {
    const keeper = opened.mode === 'spool' ? opened.keeper : undefined
    return await DurableSocket.open(host, wanted, keeper, (detail) => skips.add('not-durable-put', detail))
  } catch (error) {
    if (opened.mode === 'memory' && durablePort === undefined) return undefined
    await socket.close()
    throw error
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

const defaultDrainMs = 25_000
