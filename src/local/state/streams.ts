import type { Clock, Timer } from '../../clock.ts'
import { report } from '../../diagnostics.ts'
import type { StreamLog } from '../stream-log.ts'
import { LiveStream } from './live-stream.ts'
import { completePendingChange } from './pending-change.ts'
import type { StateStore } from './state-store.ts'
import { horizonMs, isExpired, openShards, type StreamState } from './stream-state.ts'

/** Where the records of streams are kept. */
export interface RecordPlace {
  open(serial: number): Promise<StreamLog>
  /** Deletes the records of a stream whose log is closed. */
  remove(serial: number): Promise<void>
}

/** How long a change waits that could not be kept, for example because the disk is full, in milliseconds. */
const retryChangeMs = 1_000

/** How often records and shards that retention made invisible are given back, in milliseconds. */
const trimEveryMs = 60_000

/** All streams of the engine: keeps every change before it shows, and lets pending changes happen in their time. */
export class Streams {
  readonly #store: StateStore
  readonly #place: RecordPlace
  readonly #clock: Clock
  readonly #byName = new Map<string, LiveStream>()
  readonly #bySerial = new Map<number, LiveStream>()
  readonly #timers = new Map<number, Timer>()
  /** Why changes that are due can't be made; by the streams' serials. */
  readonly #troubles = new Map<number, string>()
  readonly #work = new Set<Promise<unknown>>()
  #trimTimer: Timer | undefined
  #isClosed = false

  constructor(store: StateStore, place: RecordPlace, clock: Clock) {
    this.#store = store
    this.#place = place
    this.#clock = clock
    for (const kept of store.load()) {
      const stream = this.#adopt(new LiveStream(kept, store, () => place.open(kept.stream.serial)))
      if (kept.stream.status === 'DELETING') this.#inBackground('delete records', () => this.#discard(stream))
      this.#schedule(stream)
    }
    this.#scheduleTrim()
  }

  get(name: string): LiveStream | undefined {
    return this.#byName.get(name)
  }

  bySerial(serial: number): LiveStream | undefined {
    return this.#bySerial.get(serial)
  }

  all(): Iterable<LiveStream> {
    return this.#byName.values()
  }

  /** What keeps changes from being made that are due, in words; nothing when all is well. */
  get troubles(): string[] {
    return [...this.#troubles.values()]
  }

  get openShardCount(): number {
    let count = 0
    for (const stream of this.#byName.values()) count += openShards(stream.state).length
    return count
  }

  /** Keeps a new stream. A stream of the same name must not exist. */
  create(describe: (serial: number, earliestCreatedSeconds: number) => StreamState): void {
    const draft = describe(this.#store.nextSerial(), 0)
    // Old iterators and sequence numbers must not fit a stream that was created again under the name.
    const last = this.#store.lastCreatedSeconds(draft.name)
    const state = this.#settled(last === undefined ? draft : describe(draft.serial, last + 1), () => 0)
    if (state === undefined) return
    this.#store.save(state, undefined)
    const kept = { stream: state, seqIxMark: 0, counters: [] }
    const stream = this.#adopt(new LiveStream(kept, this.#store, () => this.#place.open(state.serial)))
    report({ type: 'stream-state-changed', stream: state.name, status: state.status })
    this.#schedule(stream)
  }

  /** Keeps what the stream is from now on, and then shows it. What is due already happens in the same step. */
  change(stream: LiveStream, next: StreamState): void {
    const previous = stream.state
    const settled = this.#settled(next, (shardIndex) => stream.lastSeqSeconds(shardIndex))
    if (settled === undefined) this.#store.remove(next)
    else this.#store.save(settled, previous)
    this.#timers.get(previous.serial)?.cancel()
    this.#timers.delete(previous.serial)
    this.#troubles.delete(previous.serial)
    if (previous.status !== (settled ?? next).status || settled === undefined)
      report({ type: 'stream-state-changed', stream: next.name, status: settled?.status ?? 'DELETED' })
    if (settled === undefined) {
      this.#byName.delete(next.name)
      this.#bySerial.delete(next.serial)
    } else {
      stream.replaceState(settled)
      this.#schedule(stream)
    }
    const isGone = settled === undefined || settled.status === 'DELETING'
    if (isGone && previous.status !== 'DELETING') this.#inBackground('delete records', () => this.#discard(stream))
  }

  /** Ends timers and gives all files back. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#trimTimer?.cancel()
    for (const timer of this.#timers.values()) timer.cancel()
    await Promise.all(this.#work)
    await Promise.all([...this.#byName.values()].map((stream) => stream.close(true)))
  }

  #adopt(stream: LiveStream): LiveStream {
    this.#byName.set(stream.state.name, stream)
    this.#bySerial.set(stream.state.serial, stream)
    return stream
  }

  #settled(state: StreamState, lastSeqSeconds: (shardIndex: number) => number): StreamState | undefined {
    const nowMs = this.#clock.now()
    if (state.pending === undefined || state.pending.dueMs > nowMs) return state
    return completePendingChange(state, state.pending, nowMs, lastSeqSeconds)
  }

  #schedule(stream: LiveStream): void {
    const { serial, pending } = stream.state
    if (pending === undefined || this.#isClosed) return
    const delayMs = Math.max(0, pending.dueMs - this.#clock.now())
    this.#timers.set(
      serial,
      this.#clock.setTimer(() => this.#complete(stream), delayMs),
    )
  }

  #complete(stream: LiveStream): void {
    const { state } = stream
    if (state.pending === undefined) return
    try {
      // The timer has run its time, even when the wall clock was set back meanwhile.
      this.change(stream, { ...state, pending: { ...state.pending, dueMs: Number.NEGATIVE_INFINITY } })
    } catch (error) {
      this.#tellTrouble(state.serial, `${state.pending.kind} stream ${state.name}`, reasonOf(error))
      this.#timers.set(
        state.serial,
        this.#clock.setTimer(() => this.#complete(stream), retryChangeMs),
      )
    }
  }

  /** It is tried again and again, and told once. */
  #tellTrouble(serial: number, operation: string, reason: string): void {
    const trouble = `${operation}: ${reason}`
    if (this.#troubles.get(serial) === trouble) return
    this.#troubles.set(serial, trouble)
    report({ type: 'engine-error', operation, reason })
  }

  async #discard(stream: LiveStream): Promise<void> {
    await stream.close(false)
    await this.#place.remove(stream.state.serial)
  }

  #scheduleTrim(): void {
    if (this.#isClosed) return
    this.#trimTimer = this.#clock.setTimer(() => {
      this.#inBackground('trim', () => this.#trim())
      this.#scheduleTrim()
    }, trimEveryMs)
  }

  async #trim(): Promise<void> {
    for (const stream of [...this.#byName.values()]) {
      if (this.#isClosed) return
      try {
        await this.#trimStream(stream)
      } catch (error) {
        // The others are trimmed all the same, and this one is tried again in a minute.
        report({ type: 'engine-error', operation: `trim stream ${stream.state.name}`, reason: reasonOf(error) })
      }
    }
  }

  async #trimStream(stream: LiveStream): Promise<void> {
    if (!stream.isServing) return
    const nowMs = this.#clock.now()
    const log = await stream.log()
    await log.trim(horizonMs(stream.state, nowMs))
    const { state } = stream
    const shards = state.shards.filter((shard) => !isExpired(state, shard, nowMs))
    if (stream.isServing && shards.length < state.shards.length) this.change(stream, { ...state, shards })
  }

  #inBackground(operation: string, act: () => Promise<void>): void {
    const work = act()
      .catch((error: unknown) => report({ type: 'engine-error', operation, reason: reasonOf(error) }))
      .finally(() => this.#work.delete(work))
    this.#work.add(work)
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
