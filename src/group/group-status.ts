import type { LeaseStore } from '../checkpoint/lease-store.ts'
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
