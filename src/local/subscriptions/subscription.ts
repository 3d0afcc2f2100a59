import { report } from '../../diagnostics.ts'
import { maxGetRecords } from '../../kinesis/limits.ts'
import { ApiError } from '../api-error.ts'
import type { ConsumerState } from '../consumers/consumer-state.ts'
import type { EngineCore } from '../engine-core.ts'
import { encryptionTypeOf } from '../operations/describe-stream-basics.ts'
import { shardDoesNotExist } from '../operations/find-shard.ts'
import { readShard, type ShardReading } from '../operations/read-shard.ts'
import { writeRecordsPage } from '../records/write-records-page.ts'
import type { BodyFormat } from '../shapes/read-input.ts'
import { spareMemory } from '../spare-memory.ts'
import type { LiveStream } from '../state/live-stream.ts'
import type { LogPage } from '../stream-log.ts'
import { dataBytesOf } from '../stream-log-page.ts'
import { eventMessage, exceptionMessage, initialResponse } from '../wire/event-stream.ts'
import { lastNumberOf, numberBefore } from './continuation-number.ts'

/** One consumer in one shard, and where it begins. */
export interface SubscriptionTarget {
  readonly stream: LiveStream
  readonly consumer: ConsumerState
  readonly shardIndex: number
  readonly fromSeqIx: number
  readonly format: BodyFormat
}

/**
 * What one SubscribeToShard answers, message by message: nothing is read before the client has taken what came before.
 *
 *     begins    `initial-response`, and at once a first event, so that the client knows its place
 *     goes on   an event for new records as they are stored, and one without records when nothing came for a while
 *     ends      at the end of a closed shard, with its children
 *               silently at the end of its life, with its consumer, with the engine
 *               with an exception when another one took its place, or its stream or shard is gone
 */
export class Subscription {
  readonly #core: EngineCore
  readonly target: SubscriptionTarget
  readonly #release: () => void
  #fromSeqIx: number
  /** Of the last record that was delivered. */
  #lastNumber: string | undefined
  #ending: { readonly error: ApiError | undefined } | undefined
  #hasNews = false
  #onEnd: (() => void) | undefined
  #onNews: (() => void) | undefined

  constructor(core: EngineCore, target: SubscriptionTarget, release: () => void) {
    this.#core = core
    this.target = target
    this.#fromSeqIx = target.fromSeqIx
    this.#release = release
  }

  /** Nothing more is delivered but this exception, if there is one. The first call counts. */
  end(error?: ApiError): void {
    if (this.#ending !== undefined) return
    this.#ending = { error }
    this.#release()
    this.#onEnd?.()
  }

  async *messages(gone: AbortSignal): AsyncGenerator<Buffer> {
    const { stream, shardIndex, format } = this.target
    const unwatch = stream.watchers.watch(shardIndex, () => {
      this.#hasNews = true
      this.#onNews?.()
    })
    if (gone.aborted) this.end()
    gone.addEventListener('abort', () => this.end(), { once: true })
    try {
      yield initialResponse(format)
      yield* this.#events()
    } catch (error) {
      report({ type: 'engine-error', operation: 'SubscribeToShard', reason: String(error) })
      this.end(new ApiError('InternalFailureException', 'Internal Service Failure.'))
    } finally {
      unwatch()
      this.end()
    }
    const error = this.#ending?.error
    if (error !== undefined) yield exceptionMessage(error, format)
  }

  async *#events(): AsyncGenerator<Buffer> {
    const { clock, subscriptions } = this.#core
    const { stream, shardIndex } = this.target
    let lastEventMs = Number.NEGATIVE_INFINITY
    while (this.#ending === undefined && this.#hasConsumer()) {
      this.#hasNews = false
      const maxBytes = subscriptions.eventBytes
      const query = { shardIndex, fromSeqIx: this.#fromSeqIx, maxRecords: maxGetRecords, maxBytes }
      const reading = await readShard(this.#core, stream, query)
      if (this.#ending !== undefined) return
      if (reading.kind === 'gone') return this.end(shardDoesNotExist(this.#core, stream.state.name, shardIndex))
      if (reading.kind === 'end') return yield this.#endEvent(reading)
      const isIdle = reading.page.recordCount === 0
      const idleLeftMs = lastEventMs + subscriptions.times.idleEventMs - clock.monotonic()
      if (isIdle && idleLeftMs > 0) await this.#wait(idleLeftMs, { endsByNews: true })
      else {
        yield this.#pageEvent(reading)
        lastEventMs = clock.monotonic()
        const gapMs = isIdle ? 0 : this.#gapMs(reading.page, maxBytes)
        if (gapMs > 0) await this.#wait(gapMs, { endsByNews: false })
      }
    }
  }

  #pageEvent({ shard, page, millisBehindLatest }: ShardReading & { kind: 'page' }): Buffer {
    const last = page.blocks.at(-1)
    if (last !== undefined) this.#lastNumber = lastNumberOf(shard, last)
    this.#lastNumber ??= numberBefore(this.target.stream, shard, this.#fromSeqIx, this.#core.clock.now())
    this.#fromSeqIx = page.nextSeqIx
    const members = { ContinuationSequenceNumber: this.#lastNumber, MillisBehindLatest: millisBehindLatest }
    const { stream, format } = this.target
    const payload = writeRecordsPage(shard, page.blocks, members, format, encryptionTypeOf(stream.state))
    page.giveBack?.()
    const event = this.#event(payload)
    spareMemory.giveBack(payload)
    return event
  }

  /** KCL demands: no ContinuationSequenceNumber if and only if there are children. */
  #endEvent({ shard, childShards }: ShardReading & { kind: 'end' }): Buffer {
    return this.#event(
      writeRecordsPage(shard, [], { MillisBehindLatest: 0, ChildShards: childShards }, this.target.format),
    )
  }

  /** Records that come one by one travel together; a backlog waits for nobody, unless the engine throttles. */
  #gapMs(page: LogPage, maxBytes: number): number {
    const { stream, consumer, shardIndex } = this.target
    const bytes = dataBytesOf(page)
    const reader = `${stream.state.name}/${consumer.name}`
    const paceMs = this.#core.throttles?.pushedBytes(reader, shardIndex, bytes) ?? 0
    const isLarge = bytes * 2 >= maxBytes || page.recordCount * 2 >= maxGetRecords
    return Math.max(paceMs, isLarge ? 0 : this.#core.subscriptions.gapMs)
  }

  #event(payload: Buffer): Buffer {
    return eventMessage('SubscribeToShardEvent', payload, this.target.format)
  }

  #hasConsumer(): boolean {
    const { stream, consumer } = this.target
    return (stream.state.consumers ?? []).some(
      ({ name, createdSeconds, phase }) =>
        name === consumer.name && createdSeconds === consumer.createdSeconds && phase !== 'DELETING',
    )
  }

  /** Until the time is over, the subscription ends or, when that matters, something is new. */
  #wait(ms: number, { endsByNews }: { endsByNews: boolean }): Promise<void> {
    return new Promise((resolve) => {
      if (this.#ending !== undefined || (endsByNews && this.#hasNews)) return resolve()
      const goOn = () => {
        timer.cancel()
        this.#onEnd = undefined
        this.#onNews = undefined
        resolve()
      }
      const timer = this.#core.clock.setTimer(goOn, ms)
      this.#onEnd = goOn
      if (endsByNews) this.#onNews = goOn
    })
  }
}
