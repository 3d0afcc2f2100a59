import { formatSequenceNumber } from '../../kinesis/sequence-number.ts'
import type { LiveStream } from '../state/live-stream.ts'
import type { ShardState } from '../state/stream-state.ts'
import type { LogBlock } from '../stream-log.ts'

/**
 * A number that no record needs to have, from which AFTER_SEQUENCE_NUMBER gives what begins at `fromSeqIx`: behind any
 * record that may stand before it, and no record's time is later than the stream's last.
 */
export function numberBefore(stream: LiveStream, shard: ShardState, fromSeqIx: number, nowMs: number): string {
  const seqTimeSeconds = Math.max(Math.floor(nowMs / 1000), shard.createdSeconds, stream.lastSeqSeconds(shard.index))
  return numberAt(shard, Math.max(0, fromSeqIx - 1), seqTimeSeconds)
}

/** The number of a block's last record. */
export function lastNumberOf(shard: ShardState, block: LogBlock): string {
  return numberAt(shard, block.firstSeqIx + block.recordCount - 1, block.seqTimeSeconds)
}

function numberAt({ index, createdSeconds }: ShardState, seqIx: number, seqTimeSeconds: number): string {
  const times = { createTimeSeconds: createdSeconds, seqTimeSeconds }
  return formatSequenceNumber({ ...times, shardIndex: index, seqIx: BigInt(seqIx) })
}
