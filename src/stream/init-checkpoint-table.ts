import { initCheckpointTable as initCheckpointTableAt } from '../checkpoint/open-checkpoint-store.ts'
import { TritonCheckpointError } from '../errors.ts'

/** Creates the checkpoint table in the database that `address`, else TRITON_DB, names. Safe to repeat. */
export async function initCheckpointTable(address = process.env['TRITON_DB']): Promise<void> {
  if (!address) {
    throw new TritonCheckpointError(
      'no checkpoint database is named: set TRITON_DB, or give its address, for example sqlite://triton.db',
    )
  }
  await initCheckpointTableAt(address)
}
