import type { Checkpoint } from './checkpoint-store.ts'
import { type Lease, type LeaseAnswer, type LeaseChange, unknownFacts } from './lease-store.ts'

/**
 * What a change does to the lease that stands there: the one place that knows the conditions, for every store.
 *
 * An owner's write names the counters that may stand there: from that of its last write known to have succeeded up to
 * its own `next`, for the answers to those in between were lost. A late or repeated write of the past is below what
 * stands there and fails; the repetition of the last one finds `next` and changes nothing.
 *
 * A take finds exactly what was observed, or its own result. For this the owners' names must be different for each life
 * of a worker, not for each worker: two processes with the same configured id are two owners.
 */
export function leaseAfter(lease: Lease | undefined, change: LeaseChange): LeaseAnswer {
  if (change.type === 'create') {
    return { isDone: true, lease: lease ?? newLease(change.name, change.parentIds ?? []) }
  }
  if (lease === undefined) return { isDone: change.type === 'delete', lease }
  switch (change.type) {
    case 'take': {
      if (lease.owner === change.by && lease.counter === change.next) return { isDone: true, isRepeated: true, lease }
      const taken = { ...lease, owner: change.by, counter: change.next, wantedBy: '' }
      const isAsObserved = lease.owner === change.owner && lease.counter === change.counter
      return isAsObserved ? { isDone: true, lease: taken } : { isDone: false, lease }
    }
    case 'renew':
    case 'release': {
      if (isReleasedBefore(lease, change)) return { isDone: true, isRepeated: true, lease }
      const isHeld = lease.owner === change.by && lease.counter >= change.counter && lease.counter <= change.next
      return isHeld ? { isDone: true, lease: written(lease, change) } : { isDone: false, lease }
    }
    case 'ask':
      if (lease.owner !== change.owner || lease.owner === '') return { isDone: false, lease }
      return { isDone: true, lease: { ...lease, wantedBy: change.by } }
    case 'delete':
      if (lease.owner !== change.owner || lease.counter !== change.counter) return { isDone: false, lease }
      return { isDone: true, lease: undefined }
  }
}

/** The checkpoint that goes with a change, when it was carried out just now. */
export function checkpointOf(change: LeaseChange, answer: LeaseAnswer): Checkpoint | undefined {
  return answer.isDone && !answer.isRepeated && 'checkpoint' in change ? change.checkpoint : undefined
}

/** Whether a counter that stands in a store is one of ours; a row with another is taken over as if it were `-1`. */
export function isCounter(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function newLease(name: string, parentIds: readonly string[]): Lease {
  return { name, owner: '', counter: 0, wantedBy: '', parentIds, state: 'new', facts: unknownFacts }
}

/**
 * The same release, come again. Somebody else may have made this very counter; then nothing is written either, and the
 * one who released does well to think that it is rid of the lease.
 */
function isReleasedBefore(lease: Lease, change: LeaseChange & { type: 'renew' | 'release' }): boolean {
  return change.type === 'release' && lease.owner === change.to && lease.counter === change.next
}

function written(lease: Lease, change: LeaseChange & { type: 'renew' | 'release' }): Lease {
  const { checkpoint, facts = lease.facts, isFinished = checkpoint?.isFinished, next } = change
  const state = isFinished ? 'finished' : checkpoint !== undefined ? 'begun' : lease.state
  const given = change.type === 'release' ? { owner: change.to, wantedBy: '' } : {}
  return { ...lease, ...given, counter: next, state, facts }
}
