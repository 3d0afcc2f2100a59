import { type Clock, systemClock } from '../clock.ts'
import { ClosedError } from '../errors.ts'
import { checkChanges } from './check-changes.ts'
import { checkNames } from './checkpoint-row.ts'
import type { Checkpoint } from './checkpoint-store.ts'
import { checkpointOf, leaseAfter } from './lease-rules.ts'
import type { Lease, LeaseAnswer, LeaseChange, LeaseStore } from './lease-store.ts'
import { MemoryCheckpointStore } from './memory-checkpoint-store.ts'

/** Leases that live as long as the store: for tests, trials, and workers of one process. */
export class MemoryLeaseStore implements LeaseStore {
  readonly checkpoints: MemoryCheckpointStore
  readonly #leases = new Map<string, Map<string, Lease>>()
  #isClosed = false

  constructor(options: { clock?: Clock } = {}) {
    this.checkpoints = new MemoryCheckpointStore({ clock: options.clock ?? systemClock })
  }

  async init(): Promise<void> {
    this.#checkOpen()
  }

  async list(client: string, stream: string): Promise<Lease[]> {
    return [...this.#of(client, stream).values()].map((lease) => structuredClone(lease))
  }

  async apply(client: string, stream: string, changes: readonly LeaseChange[]): Promise<LeaseAnswer[]> {
    const leases = this.#of(client, stream)
    checkChanges(changes)
    const checkpoints = new Map<string, Checkpoint>()
    for (const change of changes) {
      if (change.type !== 'create' || leases.has(change.name)) continue
      const { lease } = leaseAfter(undefined, change)
      if (lease !== undefined) leases.set(change.name, lease)
    }
    const answers = changes.map((change) => {
      const answer = leaseAfter(leases.get(change.name), change)
      if (answer.lease === undefined) leases.delete(change.name)
      else leases.set(change.name, structuredClone(answer.lease))
      const checkpoint = checkpointOf(change, answer)
      if (checkpoint !== undefined) checkpoints.set(change.name, checkpoint)
      return structuredClone(answer)
    })
    // Memory is changed before the first await: nobody sees leases without their checkpoints.
    const saving = this.checkpoints.save(client, stream, checkpoints)
    await saving
    return answers
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.checkpoints.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #of(client: string, stream: string): Map<string, Lease> {
    this.#checkOpen()
    checkNames(client, stream)
    const key = `${client}\0${stream}`
    const leases = this.#leases.get(key) ?? new Map<string, Lease>()
    this.#leases.set(key, leases)
    return leases
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new ClosedError('the lease store was closed')
  }
}
