import { type Command, InvalidArgumentError } from 'commander'
import { createAwsKinesisApi } from '../../kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../kinesis/kinesis-api.ts'
import { type LocalEngine, type LocalEngineOptions, startLocalEngine } from '../../local/index.ts'
import { patientCall } from '../../stream/patient-call.ts'
import { tell, waitUntilActive } from '../admin.ts'
import { addVerboseFlag, wholeNumber } from '../flags.ts'
import { onInterrupt } from '../interrupt.ts'
import { logDiagnostics } from '../log-diagnostics.ts'
import { print } from '../output.ts'

interface LocalFlags {
  port: number
  host: string
  data?: string
  stream?: WantedStream[]
  accountId?: string
  region: string
  shardLimit?: number
  createStreamMs?: number
  updateStreamMs?: number
  deleteStreamMs?: number
  sync?: LocalEngineOptions['sync']
  legacyLimits?: boolean
  verbose: number
}

interface WantedStream {
  name: string
  shardCount: number
}

export function define(command: Command): void {
  addVerboseFlag(
    command
      .description('Run a Kinesis on this machine: the API of AWS, for every SDK, without AWS.')
      .option('--port <port>', 'port; 0 takes a free one', portNumber, 4567)
      .option('--host <address>', 'address to listen at', '127.0.0.1')
      .option('--data <dir>', 'directory that keeps everything; default: memory only')
      .option('--stream <name:shards...>', 'streams to create where they are missing', wantedStreams)
      .option('--account-id <digits>', 'AWS account of the streams')
      .option('--region <region>', 'AWS region of the streams', 'us-east-1')
      .option('--shard-limit <count>', 'open shards of all streams at most', wholeNumber(1))
      .option('--create-stream-ms <ms>', 'how long a stream is CREATING', wholeNumber(0))
      .option('--update-stream-ms <ms>', 'how long a stream is UPDATING', wholeNumber(0))
      .option('--delete-stream-ms <ms>', 'how long a stream is DELETING', wholeNumber(0))
      .option('--sync <when>', 'when the disk is synced: always, or never (a power cut then loses writes)', syncMode)
      .option('--legacy-limits', "the narrower limits of AWS's past, as kinesalite has them"),
  )
    .addHelpText('after', '\nExample:\n  $ triton local --data ./kinesis --stream test_stream:2\n')
    .action(runLocal)
}

async function runLocal({ verbose, data, stream = [], ...options }: LocalFlags): Promise<void> {
  const stopLog = logDiagnostics(verbose)
  const interrupted = new Promise<void>((resolve) => {
    onInterrupt(resolve)
  })
  try {
    await using engine = await startLocalEngine({ ...options, dataDir: data ?? 'memory' })
    const created = await createStreams(engine, options.region, stream)
    tell(banner(engine, options.region, data, created))
    await print(`${engine.endpoint}\n`)
    await interrupted
  } finally {
    stopLog()
  }
}

/** What a new user needs to know, in one screen. */
function banner({ endpoint }: LocalEngine, region: string, data: string | undefined, streams: string[]): string {
  return [
    `Kinesis is at ${endpoint}, ${data === undefined ? 'in memory: it forgets everything when it stops' : `kept in ${data}`}.`,
    ...streams,
    '',
    `  export AWS_ENDPOINT_URL_KINESIS=${endpoint}`,
    `  export AWS_REGION=${region}`,
    '  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local   # for other SDKs; triton needs none here',
    '',
    'Ctrl-C stops it.',
  ].join('\n')
}

async function createStreams(engine: LocalEngine, region: string, wanted: readonly WantedStream[]): Promise<string[]> {
  if (wanted.length === 0) return []
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  const api = createAwsKinesisApi({ endpoint: engine.endpoint, region, credentials })
  try {
    const existing = new Set(await patientCall('list the streams', (signal) => api.listStreams(signal)))
    return await Promise.all(wanted.map((stream) => createStream(api, stream, existing.has(stream.name))))
  } finally {
    api.close()
  }
}

async function createStream(api: KinesisApi, { name, shardCount }: WantedStream, isThere: boolean): Promise<string> {
  if (!isThere) {
    await patientCall(`create stream "${name}"`, (signal) => api.createStream(name, shardCount, signal), {
      isRepeatable: false,
    })
  }
  const { openShardCount } = await waitUntilActive({ name, api })
  return `Stream ${name} ${isThere ? 'was there, with' : 'is created, with'} ${openShardCount} shards.`
}

function wantedStreams(text: string, sofar: WantedStream[] = []): WantedStream[] {
  const match = /^([a-zA-Z0-9_.-]{1,128})(?::([1-9]\d{0,5}))?$/.exec(text)
  if (!match?.[1]) throw new InvalidArgumentError('It must be a name, or a name, a colon and a number of shards.')
  return [...sofar, { name: match[1], shardCount: Number(match[2] ?? 1) }]
}

function portNumber(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) < 65_536) return Number(text)
  throw new InvalidArgumentError('It must be a port number, 0 to 65535.')
}

function syncMode(text: string): NonNullable<LocalEngineOptions['sync']> {
  if (text === 'always' || text === 'never') return text
  throw new InvalidArgumentError('It must be always or never.')
}
