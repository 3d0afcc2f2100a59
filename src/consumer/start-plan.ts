import type { Position } from '../kinesis/position.ts'
import { parseSequenceNumber } from '../kinesis/sequence-number.ts'
import { type Shard, shardIndexOf } from '../kinesis/shard.ts'
import { belongsTo, type ShardMap } from './shard-map.ts'

/** Where each shard of the first listing begins; shards that are not in it don't concern this reader. */
export type StartPlan = Map<string, Position | 'finished'>

/** A start as the plan needs it: what is known of single shards, and what goes for the others. */
export interface StartFacts {
  positions: ReadonlyMap<string, Position | 'finished'>
  elsewhere: Extract<Position, { type: 'TRIM_HORIZON' | 'LATEST' | 'AT_TIMESTAMP' }>
}

/**
 * Decides where reading begins. In this order, for each listed shard that belongs to the reader:
 *
 * 1. it has a position: there
 * 2. a descendant has one: the shard was finished before its child was begun
 * 3. an ancestor has one: from its beginning, since the reader never got this far
 * 4. otherwise as `elsewhere` says; *latest* leaves closed shards out
 */
export function planStart(
  map: ShardMap,
  shards: readonly Shard[],
  start: StartFacts,
  given?: ReadonlySet<string>,
): StartPlan {
  const plan: StartPlan = new Map()
  const hasPosition = (id: string) => start.positions.has(id)
  const isAnyKnown = start.positions.size > 0
  for (const { shardId } of shards) {
    if (!belongsTo(map, shardId, given)) continue
    const position = start.positions.get(shardId)
    if (position !== undefined) plan.set(shardId, position)
    else if (isAnyKnown && map.someDescendant(shardId, hasPosition)) plan.set(shardId, 'finished')
    else if (isAnyKnown && map.someAncestor(shardId, hasPosition)) plan.set(shardId, { type: 'TRIM_HORIZON' })
    else if (start.elsewhere.type === 'LATEST' && !map.isOpen(shardId) && map.childrenOf(shardId).length > 0) {
      // A closed shard whose children are not listed yet is asked for LATEST nevertheless: its end names them.
      plan.set(shardId, 'finished')
    } else plan.set(shardId, start.elsewhere)
  }
  return plan
}

/**
 * Positions in shards that expired before anybody read them to their end: what stood behind them is gone. Told only
 * where nothing newer is known of the shard's descendants, since readers that don't mark a shard as finished leave
 * such rows behind.
 */
export function expiredPositions(map: ShardMap, start: StartFacts, given?: ReadonlySet<string>): ExpiredPosition[] {
  const isListed = (id: string) => map.listed(id) !== undefined
  const isWhollyBehind = ![...start.positions.keys()].some(isListed)
  const expired: ExpiredPosition[] = []
  for (const [shardId, position] of start.positions) {
    if (position === 'finished' || isListed(shardId) || !('sequenceNumber' in position)) continue
    if (!belongsTo(map, shardId, given)) continue
    if (map.someDescendant(shardId, (id) => start.positions.has(id))) continue
    if (isWhollyBehind || map.childrenOf(shardId).length > 0) {
      expired.push({ shardId, sequenceNumber: position.sequenceNumber })
    }
  }
  return expired
}

export interface ExpiredPosition {
  shardId: string
  sequenceNumber: string
}

/**
 * What is wrong with a sequence number as a position in this shard, in words; undefined when nothing is. A stream
 * that was deleted and created again under its name has the same shard ids and other create times.
 */
export function positionFault(
  shard: Pick<Shard, 'shardId' | 'startingSequenceNumber'>,
  sequenceNumber: string,
): string | undefined {
  const parts = parseSequenceNumber(sequenceNumber)
  if (parts === undefined) return 'it is no sequence number that Kinesis issues'
  if (parts.shardIndex !== shardIndexOf(shard.shardId)) return `it belongs to shard ${parts.shardIndex}`
  const first = parseSequenceNumber(shard.startingSequenceNumber)
  if (first !== undefined && first.createTimeSeconds !== parts.createTimeSeconds) {
    return 'it comes from an earlier stream of this name'
  }
  return undefined
}
