import type { Checkpoint } from '../checkpoint/checkpoint-store.ts'
import type { Lease, LeaseChange } from '../checkpoint/lease-store.ts'
import { ShardMap } from '../consumer/shard-map.ts'
import { planStart, positionFault, type StartFacts, type StartPlan } from '../consumer/start-plan.ts'
import { type HashKeyRange, maxHashKey } from '../kinesis/hash-key.ts'
import type { Position } from '../kinesis/position.ts'
import { isOpen, type Shard, shardIndexOf } from '../kinesis/shard.ts'

/** What an audit is made of. */
export interface AuditFacts {
  /** The whole listing, never empty. */
  shards: readonly Shard[]
  leases: readonly Lease[]
  checkpoints: ReadonlyMap<string, Checkpoint>
  /** Where shards begin of which nothing is known. */
  elsewhere: StartFacts['elsewhere']
}

export interface LeaseAudit {
  /** Leases that are missing, and those that have done their work. */
  changes: LeaseChange[]
  /** Shards that should have had a lease: no parent of theirs is being read, and the group was at work already. */
  holes: string[]
  /** Hash keys that no open shard of the listing takes: the listing is not whole, so nothing was removed. */
  uncovered: HashKeyRange[]
  /** Checkpoints that are no places in their shards; a stream that was made again under its name has such. */
  invalid: { shardId: string; value: string }[]
}

/**
 * Compares the leases with the shards there are. Every shard that is to be read gets a lease; a finished one is removed
 * when all its children have moved on. Shards whose parents are still read get theirs, too: nobody takes it until then.
 *
 * A finished lease whose checkpoint no longer says so (somebody reset it, or the stream was made again) is removed, and
 * the next audit makes it anew.
 */
export function auditLeases({ shards, leases, checkpoints, elsewhere }: AuditFacts): LeaseAudit {
  const map = new ShardMap(shards)
  const { positions, invalid } = usablePositions(map, checkpoints)
  const plan = planStart(map, shards, { positions, elsewhere })
  const known = new Map(leases.map((lease) => [lease.name, lease]))
  const uncovered = uncoveredBy(shards)
  const missing = shards.filter(({ shardId }) => plan.get(shardId) !== 'finished' && !known.has(shardId))
  const isAtWork = leases.some(({ name }) => shardIndexOf(name) !== undefined)
  const isUnread = (id: string) => known.has(id) && known.get(id)?.state !== 'finished'
  const isMissing = new Set(missing.map(({ shardId }) => shardId))
  return {
    changes: [
      ...missing.map(
        ({ shardId }): LeaseChange => ({ type: 'create', name: shardId, parentIds: map.parentsOf(shardId) }),
      ),
      ...(uncovered.length > 0 ? [] : removals(map, leases, plan, checkpoints)),
    ],
    holes: isAtWork
      ? [...isMissing].filter(
          (id) => !map.someAncestor(id, (ancestor) => isUnread(ancestor) || isMissing.has(ancestor)),
        )
      : [],
    uncovered,
    invalid,
  }
}

/** Where shards begin whose leases were just taken. */
export function startingPositions(
  shardIds: readonly string[],
  map: ShardMap,
  checkpoints: ReadonlyMap<string, Checkpoint>,
  elsewhere: StartFacts['elsewhere'],
): StartPlan {
  const { positions } = usablePositions(map, checkpoints)
  const listed = shardIds.map((shardId) => map.listed(shardId)).filter((shard) => shard !== undefined)
  const plan = planStart(map, listed, { positions, elsewhere })
  for (const shardId of shardIds) {
    // A child that the listing does not show yet was named at its parent's end.
    if (!plan.has(shardId)) plan.set(shardId, positions.get(shardId) ?? { type: 'TRIM_HORIZON' })
  }
  return plan
}

/** Parts of the hash range that no open shard of this listing takes. */
export function uncoveredBy(shards: readonly Shard[]): HashKeyRange[] {
  const open = shards.filter(isOpen).map(({ hashKeyRange }) => hashKeyRange)
  open.sort((left, right) => (left.start < right.start ? -1 : 1))
  const uncovered: HashKeyRange[] = []
  let next = 0n
  for (const { start, end } of open) {
    if (start > next) uncovered.push({ start: next, end: start - 1n })
    if (end + 1n > next) next = end + 1n
  }
  if (next <= maxHashKey) uncovered.push({ start: next, end: maxHashKey })
  return uncovered
}

function usablePositions(map: ShardMap, checkpoints: ReadonlyMap<string, Checkpoint>) {
  const positions = new Map<string, Position | 'finished'>()
  const invalid: LeaseAudit['invalid'] = []
  for (const [shardId, checkpoint] of checkpoints) {
    const { sequenceNumber, subSequenceNumber, isFinished } = checkpoint
    const shard = map.listed(shardId)
    if (shard !== undefined && positionFault(shard, sequenceNumber) !== undefined) {
      invalid.push({ shardId, value: sequenceNumber })
    } else if (isFinished) positions.set(shardId, 'finished')
    else {
      const inside = subSequenceNumber === undefined ? {} : { subSequenceNumber }
      positions.set(shardId, { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber, ...inside })
    }
  }
  return { positions, invalid }
}

function removals(
  map: ShardMap,
  leases: readonly Lease[],
  plan: StartPlan,
  checkpoints: ReadonlyMap<string, Checkpoint>,
): LeaseChange[] {
  const childrenByLease = new Map<string, string[]>()
  for (const { name, parentIds } of leases) {
    for (const parentId of parentIds) childrenByLease.set(parentId, [...(childrenByLease.get(parentId) ?? []), name])
  }
  const hasMovedOn = (id: string) => checkpoints.has(id)
  return leases
    .filter(({ name, state }) => {
      if (state !== 'finished' || shardIndexOf(name) === undefined) return false
      const isListed = map.listed(name) !== undefined
      if (isListed && plan.get(name) !== 'finished') return true
      const children = new Set([...map.childrenOf(name), ...(childrenByLease.get(name) ?? [])])
      // A shard that is listed and whose children are not known yet was closed a moment ago.
      return children.size === 0 ? !isListed : [...children].every(hasMovedOn)
    })
    .map(({ name, owner, counter }): LeaseChange => ({ type: 'delete', name, owner, counter }))
}
