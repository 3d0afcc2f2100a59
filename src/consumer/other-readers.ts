import type { Checkpoint } from '../checkpoint/checkpoint-store.ts'
import { sleep } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { TritonError } from '../errors.ts'
import { backoffMs } from './backoff.ts'
import type { Beginning } from './begin-reading.ts'
import type { CheckpointTarget, ReadSettings } from './read-settings.ts'
import type { ShardMap } from './shard-map.ts'

/**
 * Settles the other parents of merged shards, those that other readers read: from the checkpoints it learns when they
 * are done. Where nobody can tell, the merged shard is read nevertheless, and that is reported: a reshard may cost
 * order between two readers, but it cannot stall one. `onSettled` is called after each look. Resolves when nothing is
 * left to settle or `signal` fired.
 */
export async function awaitOtherReaders(
  settings: ReadSettings,
  { map, lineage }: Beginning,
  signal: AbortSignal,
  onSettled: () => void,
): Promise<void> {
  const { stream, clock } = settings
  const target = await targetIfAny(settings)
  /** When each of them was met first: the merges of one reader follow one another, while a long wait may go on. */
  const metMs = new Map<string, number>()
  while (!signal.aborted && lineage.unsettledParents().length > 0) {
    const rows = target && (await loadRows(settings, target, signal))
    for (const { shardId, parentShardId } of lineage.unsettledParents()) {
      const names = { stream, shardId, otherParentShardId: parentShardId }
      const firstMs = metMs.get(parentShardId) ?? clock.monotonic()
      const waitedMs = clock.monotonic() - firstMs
      const verdict = rows === undefined ? 'unknown' : judgeOtherParent(parentShardId, map, rows, waitedMs, settings)
      if (verdict !== 'wait') lineage.settle(parentShardId)
      else if (!metMs.has(parentShardId)) report({ type: 'merge-parent-awaited', ...names })
      if (verdict === 'unknown') report({ type: 'merge-parent-unknown', ...names })
      metMs.set(parentShardId, firstMs)
    }
    onSettled()
    if (lineage.unsettledParents().length > 0) await sleep(clock, askAgainMs, signal)
  }
}

/**
 * Whether another reader's shard is done. A reader that left a checkpoint there is waited for; one that left none, for a
 * while, since it may have had nothing to save; neither by a reader that is to end when it has caught up.
 */
export function judgeOtherParent(
  parentShardId: string,
  map: ShardMap,
  rows: ReadonlyMap<string, Checkpoint>,
  waitedMs: number,
  { mergeGraceMs, untilCaughtUp }: Pick<ReadSettings, 'mergeGraceMs' | 'untilCaughtUp'>,
): 'done' | 'wait' | 'unknown' {
  const row = rows.get(parentShardId)
  if (row?.isFinished || map.someDescendant(parentShardId, (id) => rows.has(id))) return 'done'
  if (untilCaughtUp) return 'unknown'
  return row !== undefined || waitedMs < mergeGraceMs ? 'wait' : 'unknown'
}

/** A reader that never asked for checkpoints must not fail here because none can be had. */
async function targetIfAny(settings: ReadSettings): Promise<CheckpointTarget | undefined> {
  try {
    return await settings.checkpointTarget()
  } catch (error) {
    if (error instanceof TritonError) return undefined
    throw error
  }
}

/** The database may come back; until it does, nobody can say that the other parent is done. */
async function loadRows(settings: ReadSettings, target: CheckpointTarget, signal: AbortSignal) {
  const { stream, clock, random } = settings
  const { store, client } = target
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      return await store.load(client, stream)
    } catch (error) {
      if (!(error instanceof TritonError)) throw error
      const delayMs = backoffMs(attempt, random)
      report({ type: 'checkpoint-retry', client, stream, errorCode: error.code, attempt, delayMs })
      await sleep(clock, delayMs, signal)
    }
  }
  return undefined
}

/** How often the checkpoints of other readers are looked at. */
const askAgainMs = 1_000
