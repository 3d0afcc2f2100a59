import { fileURLToPath } from 'node:url'
import { ConfigError } from '../errors.ts'
import type { ArchiveStore } from './archive-store.ts'
import { DirectoryStore } from './directory-store.ts'
import { S3Store } from './s3-store.ts'

export interface OpenStoreOptions {
  /** AWS region of the bucket. @default what the AWS SDK finds, else us-east-1 */
  region?: string
  /** URL of an S3 that is not AWS's. @default what the AWS SDK finds (`AWS_ENDPOINT_URL_S3`), else AWS */
  endpoint?: string
}

/** The store at this address: `s3://bucket`, `s3://bucket/prefix`, `file:///var/triton`. Nothing is connected before the first call. */
export function openStore(address: string, options: OpenStoreOptions = {}): ArchiveStore {
  if (address.startsWith('file://')) return new DirectoryStore(pathOf(address))
  const [, bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(address) ?? []
  if (bucket !== undefined && !prefix.split('/').includes('..')) return new S3Store(bucket, prefix, options)
  throw new ConfigError(`"${address}" is no address of a store. Right forms are ${storeForms}`)
}

export const storeForms = 's3://bucket, s3://bucket/prefix and file:///directory'

function pathOf(address: string): string {
  try {
    return fileURLToPath(address)
  } catch (cause) {
    throw new ConfigError(`"${address}" names no directory; a whole path has three slashes: file:///var/triton`, {
      cause,
    })
  }
}
