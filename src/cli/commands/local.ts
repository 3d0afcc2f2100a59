import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type CertificateFiles, type FaultRule, type LocalEngineOptions, startLocalEngine } from '../../local/index.ts'
import { UsageError } from '../exit-code.ts'
import { addVerboseFlag, wholeNumber } from '../flags.ts'
import { onInterrupt } from '../interrupt.ts'
import { localBanner } from '../local-banner.ts'
import { logDiagnostics } from '../log-diagnostics.ts'
import { print } from '../output.ts'
import { tell } from '../tell.ts'

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
  sync: NonNullable<LocalEngineOptions['sync']>
  faults?: FaultRule[]
  faultSeed?: number
  legacyLimits?: boolean
  limits?: NonNullable<LocalEngineOptions['limits']>
  tls?: true
  tlsCert?: string
  tlsKey?: string
  testControls?: true
  metrics?: true
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
      .addOption(
        new Option(
          '--sync <when>',
          'when an answered write is on the disk itself; a killed engine loses none in any case',
        )
          .choices(['always', 'interval', 'never'])
          .default('interval'),
      )
      .option('--tls', 'speak TLS too, on the same port, with a certificate for localhost that is kept with the data')
      .option('--tls-cert <file>', 'speak TLS with a certificate of your own, in PEM')
      .option('--tls-key <file>', 'its private key, in PEM')
      .option('--metrics', 'answer Prometheus at /_triton/metrics')
      .option('--test-controls', 'take orders of tests from this machine: POST /_triton/faults and /_triton/clock')
      .option('--faults <json>', 'list of rules for how the engine misbehaves, for tests', faultRules)
      .option('--fault-seed <number>', 'decides where a fault rule leaves it to chance', wholeNumber(0))
      .option('--limits <aws|json>', 'throttle as AWS does; JSON names rates that differ from its own', rateLimits)
      .option('--legacy-limits', "the narrower limits of AWS's past, as kinesalite has them"),
  )
    .addHelpText('after', '\nExample:\n  $ triton local --data ./kinesis --stream test_stream:2\n')
    .action(runLocal)
}

async function runLocal(flags: LocalFlags): Promise<void> {
  const { verbose, data, stream: streams = [], tls, tlsCert, tlsKey, ...options } = flags
  const stopLog = logDiagnostics(verbose)
  const interrupted = new Promise<void>((interrupt) => {
    onInterrupt(interrupt)
  })
  try {
    await using engine = await startLocalEngine({
      ...options,
      tls: tlsFrom(tlsCert, tlsKey) ?? tls ?? false,
      dataDir: data === undefined ? 'memory' : resolve(data),
      streams,
    })
    const facts = { region: options.region, data, streams: streams.map(({ name }) => name) }
    tell(localBanner(engine, { ...facts, hasTestControls: options.testControls ?? false }))
    await print(`${engine.endpoint}\n`)
    await interrupted
  } finally {
    stopLog()
  }
}

function tlsFrom(certFile: string | undefined, keyFile: string | undefined): CertificateFiles | undefined {
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile }
  if (certFile === undefined && keyFile === undefined) return undefined
  throw new UsageError('--tls-cert and --tls-key belong together: a certificate and its private key')
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

/** What is in it, the engine checks. */
function rateLimits(text: string): NonNullable<LocalFlags['limits']> {
  if (text === 'aws' || text === 'none') return text
  try {
    const rates: unknown = JSON.parse(text)
    if (typeof rates === 'object' && rates !== null && !Array.isArray(rates)) return rates
  } catch {
    // Told below, as for JSON that is no object.
  }
  throw new InvalidArgumentError('It must be aws, none, or an object in JSON.')
}

/** What is in a rule, the engine checks. */
function faultRules(text: string): FaultRule[] {
  try {
    const rules: unknown = JSON.parse(text)
    if (Array.isArray(rules)) return rules
  } catch {
    // Told below, as for JSON that is no list.
  }
  throw new InvalidArgumentError('It must be a list in JSON.')
}
