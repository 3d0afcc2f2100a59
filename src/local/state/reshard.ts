import { evenHashKeyRanges, type HashKeyRange } from '../../kinesis/hash-key.ts'
import type { ShardState, StreamState } from './stream-state.ts'

/** One step of a reshard. Shards made by earlier steps of the same change are named by the indexes they will have. */
export type ReshardStep =
  | { readonly kind: 'split'; readonly shardIndex: number; readonly newStartingHashKey: bigint }
  | { readonly kind: 'merge'; readonly shardIndex: number; readonly adjacentShardIndex: number }

/** The first shards of a stream. */
export function firstShards(shardCount: number, createdSeconds: number): ShardState[] {
  return evenHashKeyRanges(shardCount).map((range, index) => ({
    index,
    range,
    createdSeconds,
    openedMs: createdSeconds * 1000,
  }))
}

/** The stream with its shards split and merged, all steps at once. `lastSeqSeconds` tells a shard's last seqTime. */
export function reshard(
  stream: StreamState,
  steps: readonly ReshardStep[],
  nowMs: number,
  lastSeqSeconds: (shardIndex: number) => number,
): Pick<StreamState, 'shards' | 'nextShardIndex'> {
  const shards = new Map(stream.shards.map((shard) => [shard.index, shard]))
  let nextShardIndex = stream.nextShardIndex
  const close = (indexes: readonly number[]): { closedMs: number; parents: ShardState[] } => {
    const parents = indexes.map((index) => {
      const shard = shards.get(index)
      if (shard === undefined || shard.closedMs !== undefined) throw new Error(`shard ${index} is not open`)
      return shard
    })
    // Never before a record of the shard, nor before its own beginning: numbers of the children lie behind. Nor before
    // the trim mark: a shard that closes now has not expired.
    const closedMs = Math.max(
      nowMs,
      stream.trimmedBeforeMs ?? 0,
      ...parents.flatMap((shard) => [shard.createdSeconds * 1000, lastSeqSeconds(shard.index) * 1000]),
    )
    for (const shard of parents) shards.set(shard.index, { ...shard, closedMs })
    return { closedMs, parents }
  }
  const open = (range: HashKeyRange, closedMs: number, lineage: Partial<ShardState>) => {
    const index = nextShardIndex++
    const createdSeconds = Math.floor(closedMs / 1000) + 1
    shards.set(index, { index, range, createdSeconds, openedMs: closedMs, ...lineage })
  }
  for (const step of steps) {
    if (step.kind === 'split') {
      const { closedMs, parents } = close([step.shardIndex])
      const [parent] = parents as [ShardState]
      const { start, end } = parent.range
      open({ start, end: step.newStartingHashKey - 1n }, closedMs, { parentIndex: parent.index })
      open({ start: step.newStartingHashKey, end }, closedMs, { parentIndex: parent.index })
    } else {
      const { closedMs, parents } = close([step.shardIndex, step.adjacentShardIndex])
      const [lower, upper] = parents as [ShardState, ShardState]
      const range = { start: lower.range.start, end: upper.range.end }
      open(range, closedMs, { parentIndex: lower.index, adjacentParentIndex: upper.index })
    }
  }
  return { shards: [...shards.values()], nextShardIndex }
}

/**
 * The splits and merges that lead from the open shards to `targetCount` shards of even ranges, from left to right: a
 * shard that reaches over its target's end is split there, and then merged with what follows until the target is full.
 */
export function planShardCount(
  open: readonly ShardState[],
  targetCount: number,
  nextShardIndex: number,
): ReshardStep[] {
  const steps: ReshardStep[] = []
  const waiting = open
    .map(({ index, range }) => ({ index, range }))
    .sort((left, right) => (left.range.start < right.range.start ? -1 : 1))
  let nextIndex = nextShardIndex
  /** The next shard, cut so that it does not reach over `end`. */
  const take = (end: bigint): { index: number; range: HashKeyRange } => {
    const shard = waiting.shift()
    if (shard === undefined) throw new Error('the open shards leave a hole')
    if (shard.range.end <= end) return shard
    steps.push({ kind: 'split', shardIndex: shard.index, newStartingHashKey: end + 1n })
    const lower = { index: nextIndex++, range: { start: shard.range.start, end } }
    waiting.unshift({ index: nextIndex++, range: { start: end + 1n, end: shard.range.end } })
    return lower
  }
  for (const { end } of snappedRanges(waiting, targetCount)) {
    let shard = take(end)
    while (shard.range.end < end) {
      const adjacent = take(end)
      steps.push({ kind: 'merge', shardIndex: shard.index, adjacentShardIndex: adjacent.index })
      shard = { index: nextIndex++, range: { start: shard.range.start, end: adjacent.range.end } }
    }
  }
  return steps
}

/**
 * Even ranges, but with a border that exists already wherever one lies next to it: 2^128 / n is rounded, and a border
 * that is off by a few keys would cost a split and a merge.
 */
function snappedRanges(open: readonly { range: HashKeyRange }[], targetCount: number): HashKeyRange[] {
  const tolerance = BigInt(open.length + targetCount)
  let start = 0n
  let at = 0
  return evenHashKeyRanges(targetCount).map(({ end: evenEnd }) => {
    let end = open[at]?.range.end
    while (end !== undefined && end < evenEnd - tolerance) end = open[++at]?.range.end
    const range = { start, end: end !== undefined && end <= evenEnd + tolerance ? end : evenEnd }
    start = range.end + 1n
    return range
  })
}
