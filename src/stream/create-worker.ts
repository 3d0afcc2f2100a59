import { checkpointSettings } from '../checkpoint/checkpoint-settings.ts'
import type { LeaseStore } from '../checkpoint/lease-store.ts'
import { openLeaseStore } from '../checkpoint/open-checkpoint-store.ts'
import { ConfigError } from '../errors.ts'
import type { Worker } from '../group/worker.ts'
import type { WorkerOptions } from '../group/worker-options.ts'
import type { Stream } from '../stream.ts'

export interface CreateWorkerOptions<T> extends Omit<WorkerOptions<T>, 'client'> {
  stream: Stream<T>
  /** The group: its workers share the shards and the checkpoints. @default TRITON_CLIENT_NAME, else TRITON_CLIENT */
  client?: string
  /**
   * Where the group keeps its leases and checkpoints: a store, which its maker closes, or an address such as
   * `sqlite://triton.db`. @default TRITON_DB
   */
  leases?: LeaseStore | string
}

/**
 * A worker that handles a stream's records together with all other workers of the same client, in this process and in
 * others. It works from now on, until `close()`, the end of an `await using` block, or `signal`.
 */
export function createWorker<T>({ stream, client, leases, ...options }: CreateWorkerOptions<T>): Worker<T> {
  refuseOthers('stream', stream, 'openWorker', 'what getStream answers')
  if (leases !== undefined && typeof leases !== 'string') {
    refuseOthers('leases', leases, 'apply', 'an address such as sqlite://triton.db, or what openLeaseStore answers')
  }
  const named = client === undefined ? {} : { client }
  if (typeof leases === 'object') {
    const settings = checkpointSettings(process.env, { ...named, db: 'a store that was given' })
    return stream.openWorker(leases, { ...options, client: settings.client })
  }
  const settings = checkpointSettings(process.env, { ...named, ...(leases && { db: leases }) })
  // A database that is slow must not keep a worker from noticing in time that its leases have ended.
  const { failoverMs = 5_000 } = options
  const store = openLeaseStore(settings.db, { retryMs: failoverMs / 5, answerMs: failoverMs / 2 })
  return stream.openWorker(store, { ...options, client: settings.client }, true)
}

/** What the compiler sees, where there was one. */
function refuseOthers(option: string, value: object | undefined, method: string, right: string): void {
  const found = value as Record<string, unknown> | null | undefined
  if (typeof found?.[method] !== 'function') throw new ConfigError(`option ${option} is not ${right}`)
}
