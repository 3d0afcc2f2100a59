import { type Clock, systemClock } from '../clock.ts'
import { ConfigError } from '../errors.ts'
import type { RecordCodecOptions } from '../record/record-codec.ts'

export interface NonblockingStreamOptions {
  /** Where tritond listens. @default TRITON_ZMQ_HOST, else '127.0.0.1' */
  host?: string
  /** @default TRITON_ZMQ_PORT, else 3515 */
  port?: number
  /** Where `putDurable` goes. @default the port after `port` */
  durablePort?: number
  /** Records that wait for the socket, of `put` and of `putDurable` each; a further one is dropped or refused. @default 4000 */
  highWaterMark?: number
  /** Bytes that wait for the socket, of `put` and of `putDurable` each. @default 67108864 */
  queueBytes?: number
  /** Longest time `close` takes to send what waits, in milliseconds. @default 3000 */
  lingerMs?: number
  /** Longest time `putDurable` waits for tritond's answer, in milliseconds. @default 30000 */
  durableTimeoutMs?: number
  record?: RecordCodecOptions
  /** @default systemClock */
  clock?: Clock
}

export type NonblockingSettings = Required<Omit<NonblockingStreamOptions, 'record'>>

const defaults = {
  highWaterMark: 4000,
  queueBytes: 64 * 1024 * 1024,
  lingerMs: 3000,
  durableTimeoutMs: 30_000,
  clock: systemClock,
} satisfies NonblockingStreamOptions

/** Defaults filled in and every value in its range, or a `ConfigError` that says which is not. */
export function nonblockingSettings(
  options: NonblockingStreamOptions,
  environment: NodeJS.ProcessEnv,
): NonblockingSettings {
  const host = options.host ?? (environment['TRITON_ZMQ_HOST'] || '127.0.0.1')
  const port = options.port ?? portIn(environment['TRITON_ZMQ_PORT']) ?? 3515
  const settings = {
    host,
    port,
    durablePort: options.durablePort ?? port + 1,
    highWaterMark: options.highWaterMark ?? defaults.highWaterMark,
    queueBytes: options.queueBytes ?? defaults.queueBytes,
    lingerMs: options.lingerMs ?? defaults.lingerMs,
    durableTimeoutMs: options.durableTimeoutMs ?? defaults.durableTimeoutMs,
    clock: options.clock ?? defaults.clock,
  }
  if (!/^[\w.:%-]+$/.test(host))
    throw new ConfigError(
      `tritond's host must be a name or an address, such as 127.0.0.1; it is ${JSON.stringify(host)}`,
    )
  check('port', settings.port, 1, 65_535)
  // With port 65535 and no durablePort there is nowhere for `putDurable`, which then says so.
  if (options.durablePort !== undefined) check('durablePort', settings.durablePort, 1, 65_535)
  check('highWaterMark', settings.highWaterMark, 1, 10_000_000)
  check('queueBytes', settings.queueBytes, 1, Number.MAX_SAFE_INTEGER)
  check('lingerMs', settings.lingerMs, 0, 2 ** 31 - 1)
  check('durableTimeoutMs', settings.durableTimeoutMs, 1, 2 ** 31 - 1)
  return settings
}

/** As ZeroMQ writes it: an IPv6 address stands in brackets. */
export function zmqEndpoint(host: string, port: number | '*'): string {
  return `tcp://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function portIn(text: string | undefined): number | undefined {
  if (!text) return undefined
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port >= 1 && port <= 65_535) return port
  throw new ConfigError(`TRITON_ZMQ_PORT must be a port number, 1 to 65535; it is ${JSON.stringify(text)}`)
}

function check(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new ConfigError(
    `the option ${name} of a non-blocking stream must be a whole number from ${least} to ${most}; it is ${value}`,
  )
}
