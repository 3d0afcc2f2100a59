import { assert } from '../errors.ts'
import { Fifo } from './fifo.ts'
import type { PendingRecord } from './pending-record.ts'

/**
 * A queue of waiting records. All records of a partition key stand in the same lane; keys with the same hash share one.
 *
 *     idle    no record waits
 *     ready   its first record waits for the next batch
 *     busy    some of its records are in a request, or rest before they are sent again; the others wait behind them
 */
export interface KeyLane {
  state: 'idle' | 'ready' | 'busy'
  first: PendingRecord | undefined
  last: PendingRecord | undefined
  recordCount: number
  bytes: number
}

export interface BatchLimits {
  records: number
  bytes: number
  /** A lane gives one record at a time, so that none can overtake another even inside a request. */
  onePerKey: boolean
}

/**
 * Waiting records, in lanes by partition key. A batch takes whole lanes, and a lane that gave records gives no more until
 * they are settled: so a key has one request in flight, its records never overtake one another between requests, and
 * batches are full nevertheless, because any lanes will do. Lanes take turns; those with a failed record come first.
 */
export class KeyLanes {
  readonly #lanes = new Array<KeyLane | undefined>(laneCount)
  readonly #ready = new Fifo<KeyLane>()
  readonly #again = new Fifo<KeyLane>()
  #waitingCount = 0
  #retryingCount = 0

  /** Records that wait, for their first attempt or another. */
  get waitingCount(): number {
    return this.#waitingCount
  }

  /** Records among them that were sent before. */
  get retryingCount(): number {
    return this.#retryingCount
  }

  add(record: PendingRecord): void {
    const place = hashOf(record.entry.partitionKey) % laneCount
    let lane = this.#lanes[place]
    if (lane === undefined) {
      lane = { state: 'idle', first: undefined, last: undefined, recordCount: 0, bytes: 0 }
      this.#lanes[place] = lane
    }
    if (lane.state === 'idle') {
      lane.state = 'ready'
      this.#ready.push(lane)
    }
    if (lane.last === undefined) lane.first = record
    else lane.last.next = record
    lane.last = record
    record.lane = lane
    this.#count(lane, record, 1)
  }

  /**
   * The next batch; empty when no lane is ready. `retriesOnly` leaves lanes alone whose records were never sent, so that
   * what is refused for now does not pile up without end.
   */
  takeBatch(limits: BatchLimits, retriesOnly: boolean): PendingRecord[] {
    const batch: PendingRecord[] = []
    let bytes = 0
    for (;;) {
      const queue = this.#again.length > 0 ? this.#again : this.#ready
      const lane = queue.peek()
      if (lane === undefined || (retriesOnly && queue === this.#ready)) return batch
      if (batch.length > 0 && !limits.onePerKey && this.#shouldStayWhole(lane, limits, batch.length, bytes)) {
        return batch
      }
      const countBefore = batch.length
      for (let record = firstWaiting(lane); record !== undefined; record = firstWaiting(lane)) {
        const isFull = batch.length === limits.records || bytes + record.sentBytes > limits.bytes
        if (isFull && batch.length > 0) break
        this.#unlinkFirst(lane, record)
        this.#count(lane, record, -1)
        record.state = 'sent'
        batch.push(record)
        bytes += record.sentBytes
        if (limits.onePerKey) break
      }
      if (batch.length > countBefore) {
        lane.state = 'busy'
        queue.shift()
      } else if (lane.first === undefined) {
        lane.state = 'idle'
        queue.shift()
      } else return batch
      if (batch.length === limits.records || bytes >= limits.bytes) return batch
    }
  }

  /** A batch's records are settled but for those of `again`: lanes without such go on, the others stay busy. */
  settle(batch: readonly PendingRecord[], again: readonly PendingRecord[]): KeyLane[] {
    const resting = this.#putBack(again)
    let previous: KeyLane | undefined
    for (const record of batch) {
      const { lane } = record
      if (lane === previous || lane === undefined) continue
      previous = lane
      if (resting.has(lane)) continue
      this.#free(lane, this.#ready)
    }
    return [...resting]
  }

  /** Lanes that rested after a failure may send again. */
  resume(lanes: readonly KeyLane[]): void {
    for (const lane of lanes) {
      this.#free(lane, this.#again)
    }
  }

  /** A waiting record got its outcome without being sent (again). */
  withdraw(record: PendingRecord): void {
    assert(record.state === 'waiting' && record.lane !== undefined, 'only a waiting record can be withdrawn')
    record.state = 'settled'
    this.#count(record.lane, record, -1)
  }

  /** All waiting records, those of a lane in their order. */
  *waiting(): Generator<PendingRecord> {
    for (const lane of this.#lanes) if (lane !== undefined) yield* waitingIn(lane)
  }

  /** Cutting a lane in two makes its rest wait for the first part's answer: worth it only while plenty is waiting. */
  #shouldStayWhole(lane: KeyLane, limits: BatchLimits, recordCount: number, bytes: number): boolean {
    const fits = recordCount + lane.recordCount <= limits.records && bytes + lane.bytes <= limits.bytes
    return !fits && lane.recordCount <= limits.records && lane.bytes <= limits.bytes
      ? this.#waitingCount < 2 * limits.records
      : false
  }

  /** Failed records return to the head of their lanes, in their order. */
  #putBack(again: readonly PendingRecord[]): Set<KeyLane> {
    const resting = new Set<KeyLane>()
    for (let index = again.length - 1; index >= 0; index--) {
      const record = again[index] as PendingRecord
      const lane = record.lane as KeyLane
      record.state = 'waiting'
      record.next = lane.first
      lane.first = record
      lane.last ??= record
      this.#count(lane, record, 1)
      resting.add(lane)
    }
    return resting
  }

  #unlinkFirst(lane: KeyLane, record: PendingRecord): void {
    lane.first = record.next
    record.next = undefined
    if (lane.first === undefined) lane.last = undefined
  }

  #count(lane: KeyLane, record: PendingRecord, by: 1 | -1): void {
    lane.recordCount += by
    lane.bytes += by * record.sentBytes
    this.#waitingCount += by
    if (record.attemptCount > 0) this.#retryingCount += by
  }

  /** Nothing of the lane is under way any more. */
  #free(lane: KeyLane, queue: Fifo<KeyLane>): void {
    if (lane.state !== 'busy') return
    lane.state = lane.first === undefined ? 'idle' : 'ready'
    if (lane.state === 'ready') queue.push(lane)
  }
}

/**
 * So many that unlike keys seldom meet in one: those that do share a request at a time. A lane per key would cost more in
 * bookkeeping, for streams with a new key in every record, than encoding and sending together.
 */
const laneCount = 1_024

/** Spreads keys over lanes; FNV-1a over code units. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}

/** The first record of the lane that still waits; withdrawn ones before it are let go of. */
function firstWaiting(lane: KeyLane): PendingRecord | undefined {
  while (lane.first !== undefined && lane.first.state !== 'waiting') lane.first = lane.first.next
  if (lane.first === undefined) lane.last = undefined
  return lane.first
}

/** The waiting records of one lane, in their order. */
export function* waitingIn(lane: KeyLane): Generator<PendingRecord> {
  for (let record = lane.first; record !== undefined; record = record.next) {
    if (record.state === 'waiting') yield record
  }
}
