import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { S3Client } from '@aws-sdk/client-s3'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { ConfigError } from '../errors.ts'
import { defaultRegion, hasConfiguredCredentials, isLoopback, localCredentials } from '../kinesis/aws-connection.ts'

/** Which S3. What is left out, the AWS SDK finds in its environment, profiles and roles. */
export interface S3Connection {
  region?: string
  /** Such as `http://127.0.0.1:9000`. */
  endpoint?: string
}

/** Loads the SDK. It retries nothing by itself: whoever asks knows how long it may take. */
export async function connectS3({ region, endpoint }: S3Connection): Promise<{
  sdk: typeof import('@aws-sdk/client-s3')
  client: S3Client
}> {
  const environment = process.env
  const named = endpoint ?? environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL']
  if (named !== undefined && !(URL.canParse(named) && /^https?:$/.test(new URL(named).protocol)))
    throw new ConfigError(`the S3 endpoint must be a URL such as http://127.0.0.1:9000; it is "${named}"`)
  const sdk = await import('@aws-sdk/client-s3')
  const isLocal = named !== undefined && isLoopback(new URL(named).hostname)
  const hasRegion = region !== undefined || (await new sdk.S3Client({}).config.region().catch(() => undefined))
  const client = new sdk.S3Client({
    ...(region !== undefined && { region }),
    ...(!hasRegion && { region: defaultRegion }),
    ...(endpoint !== undefined && { endpoint }),
    // A host that is not AWS's seldom has a name for each bucket.
    ...(named !== undefined && { forcePathStyle: true }),
    ...(isLocal &&
      !(await hasConfiguredCredentials(undefined, environment)) && { credentials: { ...localCredentials } }),
    maxAttempts: 1,
    // We give each part its CRC-32C ourselves, from a native library; the SDK's would be JavaScript.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: new NodeHttpHandler({
      connectionTimeout: 5_000,
      socketTimeout: 30_000,
      httpAgent: new HttpAgent({ keepAlive: true, maxSockets: 32 }),
      httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: 32 }),
    }),
  })
  return { sdk, client }
}
