import type { Lease, LeaseStore } from '../checkpoint/lease-store.ts'
import { ShardMap } from '../consumer/shard-map.ts'
import { TritonCheckpointError } from '../errors.ts'
import type { Shard } from '../kinesis/shard.ts'

/** Which group is meant, and who takes its shards. */
export interface Seizure {
  store: LeaseStore
  client: string
  stream: string
  /** Nobody else's name. */
  by: string
}

/**
 * Takes a shard away from whoever reads it, whose writes fail from then on; others take it at once. Answers whom it was
 * taken from, undefined where there is no such lease.
 */
export async function releaseShard(seizure: Seizure, shardId: string): Promise<string | undefined> {
  const { store, client, stream, by } = seizure
  const seized = await seize(seizure, [shardId])
  const releases = seized.map(
    ({ lease: { name }, counter }) => ({ type: 'release', name, by, counter, next: counter + 1, to: '' }) as const,
  )
  await store.apply(client, stream, releases)
  return seized[0]?.lease.owner
}

/**
 * Has shards read anew, as `withDescendants` tells them: their checkpoints are forgotten while nobody may write any, and
 * their leases are made anew, so that a finished shard is none any more.
 */
export async function resetShards(seizure: Seizure, shards: readonly ResetShard[]): Promise<void> {
  const { store, client, stream, by } = seizure
  const shardIds = shards.map(({ shardId }) => shardId)
  const seized = await seize(seizure, shardIds)
  await store.checkpoints.reset(client, stream, shardIds)
  const removals = seized.map(
    ({ lease, counter }) => ({ type: 'delete', name: lease.name, owner: by, counter }) as const,
  )
  await store.apply(client, stream, removals)
  const leases = shards.map(({ shardId, parentIds }) => ({ type: 'create', name: shardId, parentIds }) as const)
  await store.apply(client, stream, leases)
}

export interface ResetShard {
  shardId: string
  parentIds: readonly string[]
}

/**
 * A shard and all that came of it. Who reads it anew reads those anew, too: they hold the later records of its keys, and
 * while the group has checkpoints in them the shard counts as finished. Leases may be gone of those that are finished. None
 * where Kinesis does not list the shard and nobody has a lease of it.
 */
export function withDescendants(shardId: string, shards: readonly Shard[], leases: readonly Lease[]): ResetShard[] {
  const map = new ShardMap(shards)
  map.addChildren(leases.map(({ name, parentIds }) => ({ shardId: name, parentShardIds: [...parentIds] })))
  const isMeant = (id: string) => id === shardId || map.someAncestor(id, (ancestor) => ancestor === shardId)
  const ids = map.shardIds().filter(isMeant)
  return ids.map((id) => ({ shardId: id, parentIds: map.parentsOf(id) }))
}

interface Seized {
  /** As it was before. */
  lease: Lease
  counter: number
}

async function seize({ store, client, stream, by }: Seizure, shardIds: readonly string[]): Promise<Seized[]> {
  const seized = new Map<string, Seized>()
  const wanted = new Set(shardIds)
  for (let tries = 0; tries < mostTries; tries++) {
    const leases = (await store.list(client, stream)).filter(({ name }) => wanted.has(name) && !seized.has(name))
    if (leases.length === 0) return [...seized.values()]
    // Far above what its owner may have under way.
    const takes = leases.map(
      ({ name, owner, counter }) => ({ type: 'take', name, by, owner, counter, next: counter + 1_000 }) as const,
    )
    const answers = await store.apply(client, stream, takes)
    leases.forEach((lease, index) => {
      // Otherwise it was renewed meanwhile.
      if (answers[index]?.isDone) seized.set(lease.name, { lease, counter: lease.counter + 1_000 })
    })
  }
  const names = shardIds.filter((id) => !seized.has(id)).join(', ')
  throw new TritonCheckpointError(
    `${names} could not be taken from the workers, who renew all the time; no checkpoint was changed, try again`,
  )
}

const mostTries = 20
