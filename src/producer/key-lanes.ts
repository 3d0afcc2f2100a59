import { assert } from '../errors.ts'
import { Fifo } from './fifo.ts'
import type { PendingRecord } from './pending-record.ts'

/**
 * The waiting records of one partition key.
 *
 *     ready   its first record waits for the next batch
 *     busy    some of its records are in a request, or rest before they are sent again; the others wait behind them
 *     idle    nothing of this key is left; the lane is kept for its next record, unless there are many
 */
export interface KeyLane {
  readonly key: string
  state: 'ready' | 'busy' | 'idle'
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
 * Waiting records, in one lane per partition key. A batch takes whole lanes, and a lane that gave records gives no more
 * until they are settled: so a key has one request in flight, its records never overtake one another between requests,
 * and batches are full nevertheless, because any lanes will do. Lanes take turns; those with a failed record come first.
 */
export class KeyLanes {
  readonly #lanes = new Map<string, KeyLane>()
  readonly #ready = new Fifo<KeyLane>()
  readonly #again = new Fifo<KeyLane>()
  #waitingCount = 0
  #readyCount = 0
  #retryingCount = 0

  /** Records that wait, for their first attempt or another. */
  get waitingCount(): number {
    return this.#waitingCount
  }

  /** Records among them that the next batches could take. */
  get readyCount(): number {
    return this.#readyCount
  }

  /** Records among them that were sent before. */
  get retryingCount(): number {
    return this.#retryingCount
  }

  add(record: PendingRecord): void {
    const key = record.entry.partitionKey
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = new Lane(key)
      this.#lanes.set(key, lane)
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
    while (batch.length < limits.records) {
      const queue = this.#again.length > 0 ? this.#again : this.#ready
      const lane = queue.peek()
      if (lane === undefined || (retriesOnly && queue === this.#ready)) break
      if (batch.length > 0 && this.#shouldStayWhole(lane, limits, batch.length, bytes)) break
      const countBefore = batch.length
      for (let record = firstWaiting(lane); record !== undefined; record = firstWaiting(lane)) {
        const isFull = batch.length === limits.records || bytes + record.sentBytes > limits.bytes
        if (isFull && batch.length > 0) break
        lane.first = record.next
        if (record.next === undefined) lane.last = undefined
        record.next = undefined
        this.#count(lane, record, -1)
        record.state = 'sent'
        batch.push(record)
        bytes += record.sentBytes
        if (limits.onePerKey) break
      }
      if (batch.length > countBefore) {
        lane.state = 'busy'
        this.#readyCount -= lane.recordCount
      } else if (lane.first === undefined) this.#leave(lane)
      else break
      queue.shift()
    }
    return batch
  }

  /** A batch's records are settled but for those of `again`: lanes without such go on, the others rest. */
  settle(batch: readonly PendingRecord[], again: readonly PendingRecord[]): KeyLane[] {
    const resting = this.#putBack(again)
    let previous: KeyLane | undefined
    for (const { lane } of batch) {
      // A lane's records stand together in a batch.
      if (lane === previous || lane === undefined) continue
      previous = lane
      if (!resting.has(lane)) this.#free(lane, this.#ready)
    }
    // Put back from the last to the first, so that the first stands first in its lane.
    return [...resting].reverse()
  }

  /** Lanes that rested after a failure may send again. */
  resume(lanes: readonly KeyLane[]): void {
    for (const lane of lanes) this.#free(lane, this.#again)
  }

  /** A waiting record got its outcome without being sent (again). */
  withdraw(record: PendingRecord): void {
    assert(record.state === 'waiting' && record.lane !== undefined, 'only a waiting record can be withdrawn')
    record.state = 'settled'
    this.#count(record.lane, record, -1)
  }

  /** All waiting records, those of a lane in their order. */
  *waiting(): Generator<PendingRecord> {
    for (const lane of this.#lanes.values()) yield* waitingIn(lane)
  }

  /** Cutting a lane in two makes its rest wait for the first part's answer: worth it only while plenty is waiting. */
  #shouldStayWhole(lane: KeyLane, limits: BatchLimits, recordCount: number, bytes: number): boolean {
    const fits = recordCount + lane.recordCount <= limits.records && bytes + lane.bytes <= limits.bytes
    if (fits || limits.onePerKey || lane.recordCount > limits.records || lane.bytes > limits.bytes) return false
    return this.#waitingCount < 2 * limits.records
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

  #count(lane: KeyLane, record: PendingRecord, by: 1 | -1): void {
    lane.recordCount += by
    lane.bytes += by * record.sentBytes
    this.#waitingCount += by
    if (lane.state === 'ready') this.#readyCount += by
    if (record.attemptCount > 0) this.#retryingCount += by
  }

  /** Nothing of the lane is under way any more. */
  #free(lane: KeyLane, queue: Fifo<KeyLane>): void {
    if (lane.state !== 'busy') return
    if (lane.first === undefined) {
      this.#leave(lane)
      return
    }
    lane.state = 'ready'
    this.#readyCount += lane.recordCount
    queue.push(lane)
  }

  #leave(lane: KeyLane): void {
    lane.state = 'idle'
    if (this.#lanes.size > keptLanes) this.#lanes.delete(lane.key)
  }
}

/** So many keys that come again and again find their lane; with a new key in every record there would be no end. */
const keptLanes = 10_000

class Lane implements KeyLane {
  readonly key: string
  state: KeyLane['state'] = 'idle'
  first: PendingRecord | undefined
  last: PendingRecord | undefined
  recordCount = 0
  bytes = 0

  constructor(key: string) {
    this.key = key
  }
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
