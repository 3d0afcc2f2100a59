import { type Clock, systemClock } from '../clock.ts'
import type { StreamRecord } from '../consumer/stream-record.ts'
import { observe, report } from '../diagnostics.ts'
import { ExecChild } from './exec-child.ts'
import type { HandlerContext } from './handler-context.ts'

export interface ExecHandlerOptions {
  /** Given to a shell. */
  command: string
  /** `json`: each batch is a line; `raw`: the records' bytes with their lengths. */
  input: 'json' | 'raw'
  /** One for each shard, side by side, or one for all. @default 'shard' */
  children?: 'shard' | 'one'
  /** How long a child may take to end when it is not needed any more, in milliseconds. @default 5_000 */
  patienceMs?: number
  /** @default process.env */
  environment?: NodeJS.ProcessEnv
  /** @default systemClock */
  clock?: Clock
}

/**
 * Lets programs in any language handle records; docs/worker-exec.md says what they see. A child that ended is started
 * again with the next batch; that of a shard that is not ours any more is closed. The records' data is JSON text already.
 */
export class ExecHandler implements AsyncDisposable {
  readonly #options: Required<ExecHandlerOptions>
  readonly #children = new Map<string, ExecChild>()
  readonly #closing = new Set<Promise<void>>()
  /** All that have not ended yet. */
  readonly #running = new Set<ExecChild>()
  readonly #stopObserving: () => void
  /** One child for all takes one batch at a time. */
  #turn: Promise<void> = Promise.resolve()

  constructor(options: ExecHandlerOptions) {
    this.#options = { children: 'shard', patienceMs: 5_000, environment: process.env, clock: systemClock, ...options }
    process.on('exit', this.#killAll)
    this.#stopObserving = observe((news) => {
      if (news.type === 'lease-released' || news.type === 'lease-lost') this.#release(news.name)
    })
  }

  readonly handle = async (
    records: StreamRecord<string>[],
    { shardId, signal }: HandlerContext<string>,
  ): Promise<void> => {
    if (this.#options.children === 'shard') return this.#handle(shardId, records, signal)
    const turn = this.#turn.then(() => this.#handle('', records, signal))
    this.#turn = turn.catch(() => {})
    return turn
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopObserving()
    for (const key of [...this.#children.keys()]) this.#release(key)
    await Promise.all(this.#closing)
    process.off('exit', this.#killAll)
  }

  /** Whoever ends us without waiting must not leave programs behind that are in groups of their own. */
  readonly #killAll = () => {
    for (const child of this.#running) child.kill()
  }

  async #handle(key: string, records: StreamRecord<string>[], signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const child = this.#childOf(key)
    // Whoever lost the shard must not go on with it.
    const cutOff = () => this.#release(key, 0)
    signal.addEventListener('abort', cutOff, { once: true })
    try {
      await child.handle(this.#options.input === 'json' ? [this.#lineOf(records)] : framesOf(records))
    } finally {
      signal.removeEventListener('abort', cutOff)
    }
  }

  #childOf(key: string): ExecChild {
    const known = this.#children.get(key)
    if (known?.isAlive) return known
    this.#children.delete(key)
    const { command, environment, clock } = this.#options
    const child = new ExecChild({
      ...{ command, clock, environment: { ...environment, ...(key === '' ? {} : { TRITON_SHARD: key }) } },
      onIdleFailure: (reason) => report({ type: 'program-failed', shardId: key, reason }),
    })
    this.#running.add(child)
    void child.ended.then(() => this.#running.delete(child))
    this.#children.set(key, child)
    return child
  }

  #release(key: string, patienceMs = this.#options.patienceMs): void {
    const child = this.#children.get(key)
    if (child === undefined) return
    this.#children.delete(key)
    const closing = child.close(patienceMs, this.#options.clock).finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  #lineOf(records: StreamRecord<string>[]): string {
    const items = records.map((record) => {
      const { sequenceNumber, partitionKey, arrivedAt, bytes, data, error } = record
      const about = JSON.stringify({ sequenceNumber, partitionKey, arrivedAt: arrivedAt.toISOString() })
      const content = error === undefined ? `"data":${data}` : `"bytes":"${Buffer.from(bytes).toString('base64')}"`
      return `${about.slice(0, -1)},${content}}`
    })
    return `{"shardId":${JSON.stringify(records[0]?.shardId)},"records":[${items.join(',')}]}\n`
  }
}

/** How many records, then each after its length; 32 bits, big-endian. */
function* framesOf(records: StreamRecord<string>[]): Generator<Uint8Array> {
  yield u32(records.length)
  for (const { bytes } of records) {
    yield u32(bytes.length)
    yield bytes
  }
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes
}
