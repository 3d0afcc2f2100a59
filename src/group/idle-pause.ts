/**
 * How long a shard that was read to its tip is left alone, in milliseconds. Each call costs a worker as much as some
 * hundred records: who reads many shards asks each less often, and one that has long been silent less often still. The
 * next record of a shard is late by a quarter of the silence before it at most, and by 10 ms for each shard of the worker.
 */
export function idlePauseMs(shardCount: number, silentMs: number): number {
  const shortestMs = Math.max(leastMs, shardCount * msPerShard)
  const longestMs = Math.max(leastMs, shardCount * msPerSilentShard)
  return Math.min(longestMs, Math.max(shortestMs, silentMs / 4))
}

const leastMs = 250
/** A thousand shards: 250 calls a second, and 100 when all are silent. */
const msPerShard = 4
const msPerSilentShard = 10
