import { TritonCheckpointError } from '../errors.ts'
import { checkText } from './checkpoint-row.ts'
import { addressForms } from './postgres-address.ts'

export interface CheckpointSettings {
  /** Address of the checkpoint database, as `openCheckpointStore` takes it. */
  db: string
  /** The name under which positions are kept. */
  client: string
}

/**
 * Which database and client name to use: what the caller says, else the environment's `TRITON_DB` and
 * `TRITON_CLIENT_NAME` (py-triton's word) or `TRITON_CLIENT` (go-triton's).
 */
export function checkpointSettings(
  environment: NodeJS.ProcessEnv,
  overrides: Partial<CheckpointSettings> = {},
): CheckpointSettings {
  const db = databaseAddress(environment, overrides.db)
  const client = overrides.client || clientOf(environment)
  if (!client) {
    throw new TritonCheckpointError(
      `no client name is given, under which the positions would be kept: set TRITON_CLIENT_NAME (or TRITON_CLIENT), or give the option "client"`,
    )
  }
  checkText('client name', client)
  return { db, client }
}

/** The address given, or the environment's. */
export function databaseAddress(environment: NodeJS.ProcessEnv, given?: string): string {
  const address = given || environment['TRITON_DB']
  if (address) return address
  throw new TritonCheckpointError(
    `no checkpoint database is named: set TRITON_DB or give the option "db". Right forms are ${addressForms}`,
  )
}

function clientOf(environment: NodeJS.ProcessEnv): string | undefined {
  const pyName = environment['TRITON_CLIENT_NAME']
  const goName = environment['TRITON_CLIENT']
  if (pyName && goName && pyName !== goName) {
    // Guessing wrong would read the stream from its oldest record, or move somebody else's positions.
    throw new TritonCheckpointError(
      `TRITON_CLIENT_NAME says "${pyName}" and TRITON_CLIENT says "${goName}": unset one of them, or give the option "client"`,
    )
  }
  return pyName || goName
}
