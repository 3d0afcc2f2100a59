import type { Checkpoint, CheckpointStore } from './checkpoint-store.ts'

/**
 * Who may do what only one may do at a time: read a shard for a client, write its archive. One contract suite
 * (test/contracts/) runs over every implementation.
 *
 * The protocol is counter-based, and no wall clock decides anything. Every write of a lease's owner raises its counter.
 * Whoever looks on and sees the same owner and counter for `failoverMs`, on its own monotonic clock, may take the lease;
 * an owner stops `failoverMs` after its last successful write *began*. All writes are conditional (lease-rules.ts), so
 * that of several who try at once one succeeds, and who lost a lease changes nothing any more: its checkpoint neither.
 */
export interface LeaseStore {
  /** The positions themselves, in the same database: what FromCheckpoint, older programs and `triton stats` look at. */
  readonly checkpoints: CheckpointStore
  /** Creates the tables, those of the checkpoints too, where they are missing. Safe to repeat, also by many at once. */
  init(): Promise<void>
  /** All leases of a client on a stream, by name in no order. */
  list(client: string, stream: string): Promise<Lease[]>
  /**
   * Carries out all changes whose condition holds, in their order and in one transaction; leases that are to be made are
   * there from its beginning. The answers stand in the same order; a change whose condition does not hold is an answer, not an error. Applying the same changes again, because
   * the answer was lost, has no further effect and answers the same.
   */
  apply(client: string, stream: string, changes: readonly LeaseChange[]): Promise<LeaseAnswer[]>
  /** Closes the checkpoints, too. May be called twice. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface Lease {
  /** A shard id, or the name of something else that only one may do: `worker:...`, `store`. */
  name: string
  /** Empty when nobody has it. */
  owner: string
  /** Never goes back. */
  counter: number
  /** Who asks the owner to hand it over; empty when nobody does. */
  wantedBy: string
  /** Of a shard: those that must be read before it. */
  parentIds: readonly string[]
  /** Of a shard: `begun` from its first checkpoint on, `finished` when it was read to its end. */
  state: LeaseState
  facts: LeaseFacts
}

export type LeaseState = 'new' | 'begun' | 'finished'

/** What an owner tells about its lease, for people and for planning. Nothing relies on it. */
export interface LeaseFacts {
  /** How far behind the shard's tip its handler is, in milliseconds; -1: unknown. */
  behindMs: number
  /** What was handled of late, in bytes a second; -1: unknown. */
  bytesPerSecond: number
  /** Why nothing moves, in words; empty when all is well. */
  trouble: string
}

export const unknownFacts: LeaseFacts = { behindMs: -1, bytesPerSecond: -1, trouble: '' }

/** `counter` is what the writer believes to stand there; see lease-rules.ts. */
export type LeaseChange =
  /** Makes a free lease where there is none of that name. */
  | { type: 'create'; name: string; parentIds?: readonly string[] }
  /** `owner` and `counter` as observed; `next` is above it, and above that of any write tried before. */
  | { type: 'take'; name: string; by: string; owner: string; counter: number; next: number }
  /** The owner says that it is alive, and may move the checkpoint. */
  | OwnerChange<'renew'>
  /** As `renew`, and `to` has the lease afterwards: who asked for it, or, when empty, nobody. */
  | (OwnerChange<'release'> & { to: string })
  /** Asks `owner`, as observed, to hand it over. Does not touch the counter. Whoever asked before is superseded. */
  | { type: 'ask'; name: string; by: string; owner: string }
  /** Removes it, when nothing has changed since it was observed. */
  | { type: 'delete'; name: string; owner: string; counter: number }

export interface OwnerChange<T extends string> {
  type: T
  name: string
  by: string
  /** The lowest counter that may stand there: that of the last write which is known to have succeeded. */
  counter: number
  /** The counter afterwards; above that of any write tried before. */
  next: number
  /** @default as it is */
  facts?: LeaseFacts
  /** Written in the same transaction, and only if the lease is held. */
  checkpoint?: Checkpoint
  /** The shard is at its end although no position says so: it is gone. @default as the checkpoint says */
  isFinished?: boolean
}

export interface LeaseAnswer {
  /** Whether the condition held. */
  isDone: boolean
  /** It had been carried out before and was not again: the answer to the first time was lost. */
  isRepeated?: boolean
  /** The lease afterwards; undefined when there is none of that name. */
  lease: Lease | undefined
}
