import type { Lease } from '../checkpoint/lease-store.ts'

/**
 * A worker that has no shard yet is known to the others by a lease on its own name, kept like any other: while it is
 * alive, the worker counts when shards are shared out.
 */
export function memberLeaseName(owner: string): string {
  return `${prefix}${owner}`
}

export function isMemberLease({ name }: Pick<Lease, 'name'>): boolean {
  return name.startsWith(prefix)
}

const prefix = 'worker:'
