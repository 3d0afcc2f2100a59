import { type Clock, sleep } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { ConfigWatch } from './config-watch.ts'
import { MemoryQueue } from './memory-queue.ts'
import { decodeMessage } from './message-frames.ts'
import { MessageSocket } from './message-socket.ts'
import { OutputKeeper } from './output-keeper.ts'
import type { RecordKeeper } from './record-keeper.ts'
import { SkipCounter } from './skip-counter.ts'
import { StreamLanes } from './stream-lanes.ts'
import { type ResolvedTritondOptions, resolveTritondOptions, type TritondOptions } from './tritond-options.ts'

export type { TritondOptions } from './tritond-options.ts'

/** What the end of a daemon came to. */
export interface TritondEnd {
  /** Records that were received and are neither written nor kept anywhere. */
  lostCount: number
}

/** Starts a daemon in this process. Rejects when it can't listen; a configuration that is missing is waited for. */
export async function startTritond(options: TritondOptions = {}): Promise<Tritond> {
  const resolved = resolveTritondOptions(options, process.env)
  const skips = new SkipCounter(resolved.clock)
  const keeper = keeperOf(resolved, skips)
  const socket = await MessageSocket.open(resolved.host, resolved.port, (frames) => {
    const message = decodeMessage(frames)
    if (message.refusal === undefined) return keeper.take(message)
    skips.add(message.refusal, message.detail)
    return undefined
  })
  report({ type: 'daemon-listening', endpoint: socket.endpoint, mode: modeOf(resolved) })
  const watch =
    resolved.outputDescriptor === undefined
      ? new ConfigWatch({
          path: resolved.config,
          pollMs: resolved.configPollMs,
          clock: resolved.clock,
          onConfig: (config) => void keeper.configure(config),
        })
      : undefined
  return new Tritond({ socket, keeper, skips, watch, clock: resolved.clock })
}

interface TritondParts {
  socket: MessageSocket
  keeper: RecordKeeper
  skips: SkipCounter
  watch: ConfigWatch | undefined
  clock: Clock
}

/**
 * A running daemon.
 *
 *     running --stop--> stopping: receives nothing new, sends what waits -> stopped
 */
export class Tritond implements AsyncDisposable {
  readonly endpoint: string
  readonly #parts: TritondParts
  readonly #hurry = new AbortController()
  #stopped: Promise<TritondEnd> | undefined

  constructor(parts: TritondParts) {
    this.#parts = parts
    this.endpoint = parts.socket.endpoint
  }

  /** Records that were received and have no outcome yet. */
  get waitingCount(): number {
    return this.#parts.keeper.waitingCount
  }

  reloadConfig(): void {
    this.#parts.watch?.reload()
  }

  /**
   * Sends what waits, for at most `drainMs` milliseconds. Called again, it ends at once with what it has; both calls
   * hear the same answer.
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
    const { socket, keeper, skips, watch, clock } = this.#parts
    watch?.[Symbol.dispose]()
    report({ type: 'daemon-stopping', recordCount: keeper.waitingCount })
    const finished = new AbortController()
    const patience = AbortSignal.any([this.#hurry.signal, finished.signal])
    void sleep(clock, drainMs, patience).then(() => this.#hurry.abort())
    // A record that waits for room keeps the socket from its end: whoever hurries leaves it behind.
    await Promise.race([socket.close(), aborted(this.#hurry.signal)])
    const lostCount = await keeper.finish(this.#hurry.signal)
    finished.abort()
    skips[Symbol.dispose]()
    return { lostCount }
  }
}

function keeperOf(options: ResolvedTritondOptions, skips: SkipCounter): RecordKeeper {
  const { outputDescriptor, flushMs, memoryMaxBytes, recordTtlMs, api, clock, random } = options
  if (outputDescriptor !== undefined)
    return new OutputKeeper({ descriptor: outputDescriptor, flushMs, limitBytes: memoryMaxBytes, clock })
  return new StreamLanes({
    limitBytes: memoryMaxBytes,
    recordTtlMs,
    openQueue: () => new MemoryQueue({ flushMs, clock }),
    producer: { deadlineMs: recordTtlMs, clock, random },
    ...(api !== undefined && { api }),
    skips,
    clock,
  })
}

function modeOf({ outputDescriptor }: ResolvedTritondOptions): 'memory' | 'output' {
  return outputDescriptor === undefined ? 'memory' : 'output'
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

const defaultDrainMs = 25_000
