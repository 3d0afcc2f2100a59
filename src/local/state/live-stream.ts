import { assert, ClosedError } from '../../errors.ts'
import { packedHeaderBytes } from '../records/packed-records.ts'
import type { AppendBlock, ShardTail, StreamLog } from '../stream-log.ts'
import { RoutingTable } from './routing-table.ts'
import { ShardWatchers } from './shard-watchers.ts'
import type { KeptStream, StateStore } from './state-store.ts'
import { openShards, type ShardState, type StreamState } from './stream-state.ts'
import { Traffic } from './traffic.ts'

/** One shard's part of a request, packed. */
export interface ShardBatch {
  shardIndex: number
  recordCount: number
  bytes: Uint8Array
}

export interface Written {
  /** In the order of the batches. Numbers are given out at once, whatever becomes of the records. */
  blocks: AppendBlock[]
  /** Settles as the log's append does. */
  stored: Promise<void>
}

/** Numbers that are promised ahead in one go, so that giving one out costs no write. */
const reservedAhead = 1 << 20

/** Shards share their counter in groups of this size (observed: concurrent puts to neighbours count up together). */
const shardsPerCounter = 5

/**
 * A stream that the engine serves: its state, its records, and the counters of its sequence numbers.
 *
 * A put is routed, numbered and handed to the log in one go, without waiting in between. A reshard swaps the state in
 * one go as well, so a record lands either in the parent before it closed or in the child; `isDraining` tells of
 * records that were routed to a parent before it closed and are not stored yet.
 */
export class LiveStream {
  #state: StreamState
  #routing: RoutingTable
  #shards: Map<number, ShardState>
  #log: StreamLog | undefined
  #opening: Promise<StreamLog> | undefined
  #isClosed = false
  readonly #openLog: () => Promise<StreamLog>
  readonly #store: StateStore
  /** Next seqIx per group of shards. */
  readonly #counters: number[]
  /** Where a group begins that has no counter yet. */
  readonly #firstSeqIx: number
  /** The store promises that nothing from here on was given out. 0: it has promised nothing yet. */
  #mark = 0
  readonly #tails = new Map<number, ShardTail>()
  readonly #inFlight = new Map<number, number>()
  readonly traffic = new Traffic()
  /** Woken by every record that is stored and every change of the state. */
  readonly watchers = new ShardWatchers()

  constructor(kept: KeptStream, store: StateStore, openLog: () => Promise<StreamLog>) {
    this.#state = kept.stream
    this.#shards = byIndex(kept.stream)
    this.#routing = new RoutingTable(openShards(kept.stream))
    this.#store = store
    this.#openLog = openLog
    this.#counters = [...(kept.counters ?? [])]
    // After an unclean end anything below the mark may have been given out.
    this.#firstSeqIx = kept.counters === undefined ? Math.max(1, kept.seqIxMark) : 1
  }

  get state(): StreamState {
    return this.#state
  }

  /** Whether it takes and gives records. */
  get isServing(): boolean {
    return this.#state.status === 'ACTIVE' || this.#state.status === 'UPDATING'
  }

  get routing(): RoutingTable {
    return this.#routing
  }

  shard(index: number): ShardState | undefined {
    return this.#shards.get(index)
  }

  /** What the state is from now on. The caller has kept it. */
  replaceState(next: StreamState): void {
    this.#state = next
    this.#shards = byIndex(next)
    this.#routing = new RoutingTable(openShards(next))
    this.traffic.forgetAllBut(this.#shards)
    this.watchers.wakeAll()
  }

  /** The stream's records; opened at first use, so that an engine with many streams is up at once. */
  log(): StreamLog | Promise<StreamLog> {
    if (this.#log !== undefined) return this.#log
    if (this.#isClosed) throw new ClosedError(`the records of stream ${this.#state.name} have been closed`)
    this.#opening ??= this.#openLog().then(
      (log) => {
        this.#log = log
        this.#learnTails(log)
        return log
      },
      (error: unknown) => {
        this.#opening = undefined
        throw error
      },
    )
    return this.#opening
  }

  /** Whether `log` has been opened, so that `write` can be called at once. */
  get isOpen(): boolean {
    return this.#log !== undefined
  }

  /** Numbers the records and hands them to the log. The log must have been opened. */
  write(batches: readonly ShardBatch[], nowMs: number): Written {
    const log = this.#log
    assert(log !== undefined, 'records are written only to an open log')
    this.#reserve(batches)
    const blocks = batches.map((batch) => this.#number(batch, nowMs))
    const stored = log.append(blocks)
    for (const { shardIndex } of blocks) this.#inFlight.set(shardIndex, (this.#inFlight.get(shardIndex) ?? 0) + 1)
    const settle = () => {
      for (const { shardIndex } of blocks) this.#inFlight.set(shardIndex, (this.#inFlight.get(shardIndex) ?? 1) - 1)
      for (const { shardIndex } of blocks) this.watchers.wake(shardIndex)
    }
    stored.then(settle, settle)
    return { blocks, stored }
  }

  /** Whether records are on their way into the shard. */
  isDraining(shardIndex: number): boolean {
    return (this.#inFlight.get(shardIndex) ?? 0) > 0
  }

  /** The seqIx that the next record of the shard gets, at least. */
  nextSeqIx(shardIndex: number): number {
    return this.#counters[groupOf(shardIndex)] ?? this.#firstSeqIx
  }

  /** The shard's last record, which may still be on its way; undefined when there is none or the log is not open. */
  tail(shardIndex: number): Readonly<ShardTail> | undefined {
    return this.#tails.get(shardIndex)
  }

  /** Epoch seconds in the shard's last sequence number; 0 when there is none. */
  lastSeqSeconds(shardIndex: number): number {
    return this.#tails.get(shardIndex)?.lastSeqTimeSeconds ?? 0
  }

  /** The latest time in any sequence number of the stream. */
  latestSeqSeconds(): number {
    let latest = 0
    for (const tail of this.#tails.values()) latest = Math.max(latest, tail.lastSeqTimeSeconds)
    return latest
  }

  /** Gives the records' files back. With `keepCounters` numbers go on without a gap at the next start. */
  async close(keepCounters: boolean): Promise<void> {
    this.#isClosed = true
    this.watchers.wakeAll()
    const log = this.#log ?? (await this.#opening?.catch(() => undefined))
    await log?.close()
    this.#log = undefined
    this.#opening = undefined
    if (keepCounters && this.#mark > 0) this.#store.saveCounters(this.#state.serial, this.#allCounters())
  }

  #learnTails(log: StreamLog): void {
    for (const [shardIndex, tail] of log.tails()) {
      this.#tails.set(shardIndex, { ...tail })
      const group = groupOf(shardIndex)
      this.#counters[group] = Math.max(this.#counters[group] ?? this.#firstSeqIx, tail.lastSeqIx + 1)
    }
  }

  #reserve(batches: readonly ShardBatch[]): void {
    let highest = 0
    let recordCount = 0
    for (const batch of batches) {
      highest = Math.max(highest, this.nextSeqIx(batch.shardIndex))
      recordCount += batch.recordCount
    }
    if (highest + recordCount <= this.#mark) return
    // Groups without a record have no counter.
    for (const next of this.#counters) highest = Math.max(highest, next ?? 0)
    const mark = highest + recordCount + reservedAhead
    this.#store.saveSeqIxMark(this.#state.serial, mark)
    this.#mark = mark
  }

  #number({ shardIndex, recordCount, bytes }: ShardBatch, nowMs: number): AppendBlock {
    const shard = this.#shards.get(shardIndex)
    assert(shard !== undefined && shard.closedMs === undefined, 'records go to open shards only')
    this.traffic.put(shardIndex, recordCount, bytes.length - recordCount * packedHeaderBytes)
    const firstSeqIx = this.nextSeqIx(shardIndex)
    this.#counters[groupOf(shardIndex)] = firstSeqIx + recordCount
    const tail = this.#tails.get(shardIndex)
    const seqTimeSeconds = Math.max(Math.floor(nowMs / 1000), shard.createdSeconds, tail?.lastSeqTimeSeconds ?? 0)
    // Never before the trim mark, which the clock may have passed before it was set back: what is put now is visible.
    const arrivalMs = Math.max(nowMs, tail?.lastArrivalMs ?? 0, this.#state.trimmedBeforeMs ?? 0)
    const lastSeqIx = firstSeqIx + recordCount - 1
    if (tail === undefined)
      this.#tails.set(shardIndex, { lastSeqIx, lastSeqTimeSeconds: seqTimeSeconds, lastArrivalMs: arrivalMs })
    else {
      tail.lastSeqIx = lastSeqIx
      tail.lastSeqTimeSeconds = seqTimeSeconds
      tail.lastArrivalMs = arrivalMs
    }
    return { shardIndex, firstSeqIx, recordCount, seqTimeSeconds, arrivalMs, bytes }
  }

  #allCounters(): number[] {
    return Array.from({ length: this.#counters.length }, (_, group) => this.#counters[group] ?? this.#firstSeqIx)
  }
}

function groupOf(shardIndex: number): number {
  return Math.floor(shardIndex / shardsPerCounter)
}

function byIndex(stream: StreamState): Map<number, ShardState> {
  return new Map(stream.shards.map((shard) => [shard.index, shard]))
}
