import type { Lease } from '../checkpoint/lease-store.ts'
import type { RunnerState } from './shard-runner.ts'

/** Why a shard does not move, and whether beginning anew can help. */
export interface Stuck {
  reason: string
  canRestart: boolean
}

/**
 * Whether a shard in this worker's hands stands although there is something to do, for longer than `stuckMs`. Pure: all
 * it knows is in its arguments.
 */
export function judgeStuck(state: RunnerState, nowMs: number, stuckMs: number): Stuck | undefined {
  if (nowMs - state.movedAtMs < stuckMs) return undefined
  if (state.halted !== '') return { reason: `stopped before a record that fails: ${state.halted}`, canRestart: false }
  if (state.handlerSinceMs !== undefined) {
    const seconds = Math.round((nowMs - state.handlerSinceMs) / 1_000)
    // Another handler beside it would handle the same records twice.
    return { reason: `its handler has been running for ${seconds} s`, canRestart: false }
  }
  if (state.isInLine) return { reason: 'it waits for its turn: as many handlers run as may', canRestart: false }
  if (state.readTrouble !== '') return { reason: `reading fails: ${state.readTrouble}`, canRestart: false }
  if (state.isUnkept) {
    const reason = 'it is read to its end, and waits for its handler to keep the last record, by context.checkpoint()'
    return { reason, canRestart: false }
  }
  if (state.behindMs === 0) return undefined
  return { reason: 'no page comes', canRestart: true }
}

/** Why a shard that is nobody's, or not given up, stands; `sinceMs`: since when its lease has looked like this. */
export function judgeWaiting(lease: Lease, leases: ReadonlyMap<string, Lease>): string | undefined {
  if (lease.state === 'finished') return undefined
  const parent = lease.parentIds.find((id) => leases.has(id) && leases.get(id)?.state !== 'finished')
  if (parent !== undefined) {
    const { owner = '', facts } = leases.get(parent) ?? {}
    const why = facts?.trouble ? `, which stands: ${facts.trouble}` : ''
    return `waits for its parent ${parent}${owner === '' ? ', which nobody reads' : why}`
  }
  if (lease.owner === '') return 'nobody reads it'
  if (lease.wantedBy !== '') return `${lease.wantedBy} asked ${lease.owner} for it, who does not hand it over`
  return undefined
}
