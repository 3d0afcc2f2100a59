import type { LeaseStore } from '../checkpoint/lease-store.ts'
import { TritonCheckpointError } from '../errors.ts'
import { shardIndexOf } from '../kinesis/shard.ts'
import { judgeWaiting } from './judge-stuck.ts'
import { isMemberLease } from './member-lease.ts'

/** What is known of one shard of a group, from the database alone. */
export interface ShardStatus {
  shardId: string
  /** Empty when nobody reads it. */
  owner: string
  state: 'new' | 'begun' | 'finished'
  /** How far behind the shard's tip its worker was when it last told; undefined: unknown. */
  behindMs?: number
  /** Since the checkpoint moved; undefined without one. */
  checkpointAgeSeconds?: number
  sequenceNumber?: string
  /** Why it stands; empty when all is well. */
  trouble: string
}

export interface GroupStatus {
  client: string
  stream: string
  workers: string[]
  shards: ShardStatus[]
}

export async function groupStatus(
  store: LeaseStore,
  client: string,
  stream: string,
  nowMs: number,
): Promise<GroupStatus> {
  const leases = await store.list(client, stream)
  const rows = new Map((await store.checkpoints.list({ client, stream })).map((row) => [row.shardId, row]))
  const byName = new Map(leases.map((lease) => [lease.name, lease]))
  const shards = leases
    .filter(({ name }) => shardIndexOf(name) !== undefined)
    .map((lease): ShardStatus => {
      const { name: shardId, owner, state, facts } = lease
      const row = rows.get(shardId)
      return {
        ...{ shardId, owner, state },
        ...(facts.behindMs < 0 ? {} : { behindMs: facts.behindMs }),
        ...(row === undefined
          ? {}
          : {
              checkpointAgeSeconds: Math.max(0, Math.floor(nowMs / 1_000) - row.updatedSeconds),
              sequenceNumber: row.sequenceNumber,
            }),
        trouble: facts.trouble || judgeWaiting(lease, byName) || '',
      }
    })
    .sort((left, right) => (left.shardId < right.shardId ? -1 : 1))
  const workers = leases.filter(isMemberLease).map(({ owner }) => owner)
  return { client, stream, workers: workers.filter((owner) => owner !== '').sort(), shards }
}

/**
 * Takes a shard away from whoever reads it, whose writes fail from then on; others take it at once. With `isReset` its
 * checkpoint is forgotten meanwhile, so that it is read anew. Answers whom it was taken from, undefined where there is no
 * such lease.
 */
export async function seizeShard(
  store: LeaseStore,
  client: string,
  stream: string,
  shardId: string,
  { by, isReset }: { by: string; isReset: boolean },
): Promise<string | undefined> {
  for (let tries = 0; tries < mostTries; tries++) {
    const lease = (await store.list(client, stream)).find(({ name }) => name === shardId)
    if (lease === undefined) return undefined
    const { owner, counter } = lease
    // Far above what its owner may have under way.
    const next = counter + 1_000
    const [taken] = await store.apply(client, stream, [{ type: 'take', name: shardId, by, owner, counter, next }])
    if (!taken?.isDone) continue // it was renewed meanwhile
    if (isReset) {
      await store.checkpoints.reset(client, stream, [shardId])
      // Made anew, so that a finished shard is none any more.
      await store.apply(client, stream, [{ type: 'delete', name: shardId, owner: by, counter: next }])
      await store.apply(client, stream, [{ type: 'create', name: shardId, parentIds: lease.parentIds }])
    } else {
      const release = { type: 'release', name: shardId, by, counter: next, next: next + 1, to: '' } as const
      await store.apply(client, stream, [release])
    }
    return owner
  }
  throw new TritonCheckpointError(
    `${shardId} could not be taken from its worker, who renews it all the time; try again`,
  )
}

const mostTries = 20
