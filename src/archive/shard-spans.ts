import { compareSequenceNumbers } from '../kinesis/sequence-number.ts'
import type { ShardSpan } from './object-footer.ts'

/** How far a shard is stored. */
export interface StoredPlace {
  /** Absent when the shard is finished and nothing ever came from it. */
  last?: string
  isFinished: boolean
}

/** What the object under way has of each shard, beside what was stored before it. */
export class ShardSpans {
  readonly #spans = new Map<string, ShardSpan>()

  constructor(known: ReadonlyMap<string, StoredPlace>) {
    for (const [shardId, { last, isFinished }] of known)
      this.#spans.set(shardId, {
        shardId,
        ...(last !== undefined && { after: last, last }),
        count: 0,
        isFinished,
      })
  }

  /** Records in a row were added. */
  add(shardId: string, first: string, last: string, count: number): void {
    const span = this.#of(shardId)
    span.first ??= first
    span.last = last
    span.count += count
  }

  finish(shardId: string): void {
    this.#of(shardId).isFinished = true
  }

  /** As they stand, in the order of their ids. */
  list(): ShardSpan[] {
    return [...this.#spans.values()]
      .map((span) => ({ ...span }))
      .sort((left, right) => (left.shardId < right.shardId ? -1 : left.shardId > right.shardId ? 1 : 0))
  }

  /** The next object begins where this one ends. */
  roll(): void {
    for (const [shardId, { last, isFinished }] of this.#spans)
      this.#spans.set(shardId, { shardId, ...(last !== undefined && { after: last, last }), count: 0, isFinished })
  }

  #of(shardId: string): ShardSpan {
    let span = this.#spans.get(shardId)
    if (span === undefined) {
      span = { shardId, count: 0, isFinished: false }
      this.#spans.set(shardId, span)
    }
    return span
  }
}

/** Of two places in each shard, the later one. */
export function laterPlaces(
  one: ReadonlyMap<string, StoredPlace>,
  other: ReadonlyMap<string, StoredPlace>,
): Map<string, StoredPlace> {
  const later = new Map(one)
  for (const [shardId, place] of other) {
    const known = later.get(shardId)
    if (known === undefined || isLater(place, known)) later.set(shardId, place)
  }
  return later
}

function isLater(place: StoredPlace, known: StoredPlace): boolean {
  if (known.last === undefined || place.last === undefined) return known.last === undefined && !known.isFinished
  const order = compareSequenceNumbers(place.last, known.last)
  return order > 0 || (order === 0 && place.isFinished)
}
