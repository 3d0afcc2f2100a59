import type { Command } from 'commander'
import type { ArchiveStore } from '../archive/archive-store.ts'
import { openStore } from '../archive/open-store.ts'
import { UsageError } from './exit-code.ts'

/** Flags that say where archives are. */
export interface StorePlaceFlags {
  bucket?: string
  store?: string
  s3Endpoint?: string
  region?: string
}

export function addStorePlaceFlags(command: Command): Command {
  return command
    .option('-b, --bucket <name>', 'S3 bucket of the archives; default TRITON_BUCKET')
    .option('--store <url>', 'instead: s3://bucket/prefix or file:///directory')
    .option('--s3-endpoint <url>', 'an S3 that is not AWS')
}

/** The store that flags and environment name; undefined when they name none. Whoever asks closes it. */
export function storeFrom({ bucket, store, s3Endpoint, region }: StorePlaceFlags): ArchiveStore | undefined {
  if (bucket !== undefined && store !== undefined)
    throw new UsageError('--bucket and --store both say where the archives are: choose one')
  const named = bucket ?? (store === undefined ? process.env['TRITON_BUCKET'] || undefined : undefined)
  const address = store ?? (named === undefined ? undefined : `s3://${named}`)
  if (address === undefined) return undefined
  return openStore(address, {
    ...(s3Endpoint !== undefined && { endpoint: s3Endpoint }),
    ...(region !== undefined && { region }),
  })
}

/** The same where a store is needed. */
export function requiredStoreFrom(flags: StorePlaceFlags, what = 'archives'): ArchiveStore {
  const store = storeFrom(flags)
  if (store) return store
  throw new UsageError(`say where the ${what} are: --bucket B, --store file:///directory, or TRITON_BUCKET`)
}
