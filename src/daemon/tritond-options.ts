import { type Clock, systemClock } from '../clock.ts'
import { ConfigError } from '../errors.ts'
import { given } from '../given.ts'
import type { KinesisApi } from '../kinesis/kinesis-api.ts'
import { type Random, systemRandom } from '../random.ts'
import type { StatsdPlace } from './statsd-reporter.ts'

export interface TritondOptions {
  /** Path of triton.yaml, which need not exist yet. @default TRITON_CONFIG, else /etc/triton.yaml */
  config?: string
  /** Address to listen at. @default TRITON_ZMQ_HOST, else '127.0.0.1' */
  host?: string
  /** Port for records; 0 takes a free one. @default TRITON_ZMQ_PORT, else 3515 */
  port?: number
  /** How long a record waits for company, in milliseconds. @default 100 */
  flushMs?: number
  /** Memory that waiting records may take, their bookkeeping included, in bytes. @default 268435456 */
  memoryMaxBytes?: number
  /** How long a record is tried before it is given up, in milliseconds. @default 600000 */
  recordTtlMs?: number
  /** Directory that keeps accepted records until Kinesis has them; absent: they wait in memory. */
  spoolDir?: string
  /** What the spool may take, in bytes. @default 10737418240 */
  spoolMaxBytes?: number
  /** When a record counts as kept: `always`: it is on the device; `interval`: within 100 ms it will be. @default 'interval' */
  sync?: 'interval' | 'always'
  /** Port of `putDurable`; 0 takes a free one. @default the port after `port` */
  durablePort?: number
  /** Records go to this file descriptor, in the old daemon's format, and none to Kinesis. */
  outputDescriptor?: number
  /** Where `/metrics`, `/healthz` and `/readyz` are answered; absent: nowhere. Port 0 takes a free one. */
  metrics?: { host?: string; port: number }
  /** Where the old daemon's counters go by UDP; absent: nowhere. @default STATSD_HOST, STATSD_PORT (8125), STATSD_PREFIX */
  statsd?: StatsdPlace
  /** How often the file of streams is looked at for a change, in milliseconds. @default 1000 */
  configPollMs?: number
  /** Kinesis for a stream, which its maker closes. @default the AWS SDK's, at the definition's region and endpoint */
  api?: KinesisApi
  /** @default systemClock */
  clock?: Clock
  /** @default systemRandom */
  random?: Random
}

export type ResolvedTritondOptions = TritondOptions &
  Required<
    Omit<TritondOptions, 'config' | 'spoolDir' | 'outputDescriptor' | 'durablePort' | 'metrics' | 'statsd' | 'api'>
  >

export const defaultHost = '127.0.0.1'
export const defaultPort = 3515

const defaults = {
  flushMs: 100,
  memoryMaxBytes: 256 * 1024 * 1024,
  recordTtlMs: 600_000,
  spoolMaxBytes: 10 * 1024 ** 3,
  sync: 'interval',
  configPollMs: 1_000,
  clock: systemClock,
  random: systemRandom,
} satisfies TritondOptions

/** Less could not hold a segment of a stream beside the one that is written. */
export const leastSpoolBytes = 64 * 1024 * 1024

/** Of the memory for records, what those may hold of which a part is still to come. */
export function unfinishedShareOf(memoryMaxBytes: number): number {
  return Math.min(memoryMaxBytes / 4, 64 * 1024 * 1024)
}

/** Less could not hold one record of the largest kind. */
export const leastMemoryBytes = 16 * 1024 * 1024

/** Defaults filled in and every number in its range, or a `ConfigError` that says which is not. */
export function resolveTritondOptions(options: TritondOptions, environment: NodeJS.ProcessEnv): ResolvedTritondOptions {
  const resolved: ResolvedTritondOptions = {
    host: environment['TRITON_ZMQ_HOST'] || defaultHost,
    port: portFrom('TRITON_ZMQ_PORT', environment['TRITON_ZMQ_PORT'], defaultPort),
    ...statsdFrom(environment),
    ...defaults,
    ...given(options),
  }
  check('port', resolved.port, 0, 65_535)
  check('flushMs', resolved.flushMs, 0, 60_000)
  check('memoryMaxBytes', resolved.memoryMaxBytes, leastMemoryBytes, Number.MAX_SAFE_INTEGER)
  check('spoolMaxBytes', resolved.spoolMaxBytes, leastSpoolBytes, Number.MAX_SAFE_INTEGER)
  if (resolved.durablePort !== undefined) check('durablePort', resolved.durablePort, 0, 65_535)
  checkPorts(resolved)
  if (resolved.metrics !== undefined) check('metrics.port', resolved.metrics.port, 0, 65_535)
  if (resolved.statsd !== undefined) check('statsd.port', resolved.statsd.port, 1, 65_535)
  check('recordTtlMs', resolved.recordTtlMs, 1, 2 ** 31 - 1)
  check('configPollMs', resolved.configPollMs, 1, 2 ** 31 - 1)
  return resolved
}

function checkPorts({ port, durablePort, spoolDir }: ResolvedTritondOptions): void {
  if (durablePort === undefined && spoolDir !== undefined && port === 65_535)
    throw new ConfigError('no port is left after 65535 for putDurable: choose one with durablePort (--durable-port)')
  if (durablePort === port && port !== 0)
    throw new ConfigError(`port and durablePort must differ (--port, --durable-port); both are ${port}`)
}

/** As the old daemon had it, except that without STATSD_HOST nothing is told. */
function statsdFrom(environment: NodeJS.ProcessEnv): { statsd?: StatsdPlace } {
  const { STATSD_HOST: host, STATSD_PORT: port, STATSD_PREFIX: prefix } = environment
  return host ? { statsd: { host, port: portFrom('STATSD_PORT', port, 8125), ...(prefix && { prefix }) } } : {}
}

function portFrom(name: string, text: string | undefined, otherwise: number): number {
  if (!text) return otherwise
  if (/^\d{1,5}$/.test(text) && Number(text) < 65_536) return Number(text)
  throw new ConfigError(`${name} must be a port number, 0 to 65535; it is ${JSON.stringify(text)}`)
}

function check(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new ConfigError(`tritond's option ${name} must be a whole number from ${least} to ${most}; it is ${value}`)
}
