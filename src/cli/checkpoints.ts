import { checkpointSettings } from '../checkpoint/checkpoint-settings.ts'
import type { CheckpointStore } from '../checkpoint/checkpoint-store.ts'
import type { LeaseStore } from '../checkpoint/lease-store.ts'
import { openCheckpointStore, openLeaseStore } from '../checkpoint/open-checkpoint-store.ts'
import type { CheckpointTarget } from '../consumer/read-settings.ts'
import { TritonCheckpointError } from '../errors.ts'
import type { CheckpointFlags } from './flags.ts'
import { logDiagnostics } from './log-diagnostics.ts'

/** Runs `act` on the checkpoint database that the flags or TRITON_DB name, and closes it afterwards. */
export function withCheckpoints<T>(
  flags: CheckpointFlags & { verbose: number },
  act: (store: CheckpointStore) => Promise<T>,
): Promise<T> {
  return withLeases(flags, (store) => act(store.checkpoints))
}

/** The same database, with its leases. */
export async function withLeases<T>(
  flags: CheckpointFlags & { verbose: number },
  act: (store: LeaseStore) => Promise<T>,
): Promise<T> {
  const address = flags.checkpointDb || process.env['TRITON_DB']
  if (!address) {
    throw new TritonCheckpointError(
      'no checkpoint database is named: set TRITON_DB, or give --checkpoint-db, for example sqlite://triton.db',
    )
  }
  const stopLog = logDiagnostics(flags.verbose)
  try {
    await using store = openLeaseStore(address, { retryMs: patienceMs })
    return await act(store)
  } finally {
    stopLog()
  }
}

/** Where a reader keeps its checkpoints, by the flags or the environment. Whoever asks closes the store. */
export function checkpointTargetFrom(flags: CheckpointFlags): CheckpointTarget {
  const { db, client } = checkpointSettings(process.env, {
    ...(flags.checkpointDb && { db: flags.checkpointDb }),
    ...(flags.clientName && { client: flags.clientName }),
  })
  return { store: openCheckpointStore(db), client }
}

/** The client that the flags or the environment name; undefined when none is. */
export function clientFrom(flags: CheckpointFlags): string | undefined {
  return flags.clientName || process.env['TRITON_CLIENT_NAME'] || process.env['TRITON_CLIENT'] || undefined
}

/** How long a command waits for its database, in milliseconds; a reader in the middle of a stream has more patience. */
const patienceMs = 3_000
