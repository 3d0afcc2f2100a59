import { shardIdOf } from '../../kinesis/shard.ts'
import type { ShardState } from '../state/stream-state.ts'
import { parseShardId } from './find-shard.ts'

/** The shards behind this id, which may be written in any of the ways that requests write ids. */
export function shardsAfter(shards: readonly ShardState[], shardId: string | undefined): readonly ShardState[] {
  if (shardId === undefined) return shards
  const index = parseShardId(shardId)
  return shards.filter((shard) => (index === undefined ? shardIdOf(shard.index) > shardId : shard.index > index))
}
