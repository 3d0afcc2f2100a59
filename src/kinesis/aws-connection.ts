import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { KinesisClient, type KinesisClientConfig, ListStreamsCommand } from '@aws-sdk/client-kinesis'

import { ConfigError } from '../errors.ts'

/** Which Kinesis, in whose name. What is left out, the AWS SDK finds in its environment, profiles and roles. */
export interface AwsConnection {
  region?: string
  /** Such as `http://127.0.0.1:4567`. */
  endpoint?: string
  credentials?: Exclude<KinesisClientConfig['credentials'], undefined>
  /** Name of a profile in the shared AWS files. */
  profile?: string
}

/**
 * Adds what nobody configured: the region us-east-1, as triton.yaml has it, and for an endpoint on this machine made-up
 * credentials, because a local engine wants a signature and not a secret. Any other host never gets those: there,
 * missing credentials are an error, and the SDK's search for them (which asks the network) is wanted.
 */
export async function completeConnection(
  connection: AwsConnection,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<AwsConnection> {
  const { hostname, hasRegion } = await askSdk(connection)
  const completed = { ...connection }
  if (!hasRegion) completed.region = defaultRegion
  const isLocal = hostname !== undefined && isLoopback(hostname)
  if (isLocal && !connection.credentials && !(await hasConfiguredCredentials(connection.profile, environment))) {
    completed.credentials = { ...localCredentials }
  }
  return completed
}

/** Throws a `ConfigError` unless the endpoint is a URL that can be called. */
export function checkEndpoint(endpoint: string): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return
  throw new ConfigError(`The Kinesis endpoint must be a URL such as http://127.0.0.1:4567; it is "${endpoint}".`)
}

/** 127.0.0.0/8, ::1 and localhost, as they stand in a URL. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

/** The SDK writes into what it is given: everybody gets a copy. */
export const localCredentials = { accessKeyId: 'local', secretAccessKey: 'local' }

export const defaultRegion = 'us-east-1'

/**
 * The host that the SDK would call, and whether it knows a region. The rules for both (option, two environment variables,
 * profile, its `services` section) are the SDK's, so it is the SDK that is asked: it makes a request which is looked at
 * and never sent.
 */
async function askSdk(connection: AwsConnection): Promise<{ hostname: string | undefined; hasRegion: boolean }> {
  const region = await new KinesisClient(connection).config.region().catch(() => undefined)
  let hostname: string | undefined
  const probe = new KinesisClient({
    ...connection,
    region: region ?? defaultRegion,
    credentials: { ...localCredentials },
    maxAttempts: 1,
    requestHandler: {
      handle(request: { hostname: string }) {
        hostname = request.hostname
        throw new Error('asked only for its address')
      },
    },
  })
  // Whatever else is wrong, the real call will say.
  await probe.send(new ListStreamsCommand({})).catch(() => undefined)
  return { hostname, hasRegion: region !== undefined }
}

/**
 * Whether the environment or the profile says anything about credentials. A machine's role is not asked for: that takes
 * seconds where there is none.
 */
export async function hasConfiguredCredentials(
  profile: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<boolean> {
  if (credentialVariables.some((name) => environment[name])) return true
  const name = profile ?? environment['AWS_PROFILE'] ?? 'default'
  const home = environment['HOME'] ?? environment['USERPROFILE'] ?? homedir()
  const files = [
    environment['AWS_SHARED_CREDENTIALS_FILE'] ?? join(home, '.aws', 'credentials'),
    environment['AWS_CONFIG_FILE'] ?? join(home, '.aws', 'config'),
  ]
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '')
    if (profileHasCredentials(text, name)) return true
  }
  return false
}

/** Whether an INI file of AWS's has a section for the profile that says where credentials come from. */
export function profileHasCredentials(text: string, profile: string): boolean {
  let isInside = false
  for (const line of text.split(/\r?\n/)) {
    const section = /^\s*\[\s*(?:profile\s+)?["']?(.*?)["']?\s*\]/.exec(line)
    if (section) isInside = section[1] === profile
    else if (isInside && credentialKey.test(line)) return true
  }
  return false
}

const credentialVariables = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
]
const credentialKey =
  /^\s*(aws_access_key_id|credential_process|credential_source|login_session|role_arn|source_profile|sso_\w+|web_identity_token_file)\s*=/
