import { firstShards, type ReshardStep, reshard } from './reshard.ts'
import type { PendingChange, StreamSettings, StreamState } from './stream-state.ts'

/** The stream after its pending change, or undefined when that was its removal. */
export function completePendingChange(
  stream: StreamState,
  pending: PendingChange,
  nowMs: number,
  lastSeqSeconds: (shardIndex: number) => number,
): StreamState | undefined {
  const { pending: _, ...rest } = stream
  switch (pending.kind) {
    case 'open': {
      const shards = firstShards(pending.shardCount, stream.createdSeconds)
      return { ...rest, status: 'ACTIVE', shards, nextShardIndex: shards.length }
    }
    case 'reshard':
      return { ...rest, status: 'ACTIVE', ...reshard(stream, pending.steps, nowMs, lastSeqSeconds) }
    case 'set':
      return { ...rest, ...pending.settings, status: 'ACTIVE' }
    case 'remove':
      return undefined
  }
}

export function resharding(stream: StreamState, steps: readonly ReshardStep[], dueMs: number): StreamState {
  return { ...stream, status: 'UPDATING', pending: { kind: 'reshard', steps, dueMs } }
}

export function setting(stream: StreamState, settings: Partial<StreamSettings>, dueMs: number): StreamState {
  return { ...stream, status: 'UPDATING', pending: { kind: 'set', settings, dueMs } }
}

export function deleting(stream: StreamState, dueMs: number): StreamState {
  return { ...stream, status: 'DELETING', pending: { kind: 'remove', dueMs } }
}
