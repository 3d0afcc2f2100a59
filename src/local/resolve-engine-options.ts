import { systemClock } from '../clock.ts'
import { ConfigError } from '../errors.ts'
import { given } from '../given.ts'
import { systemDisk } from '../journal/disk.ts'
import type { LocalEngineOptions } from './local-engine.ts'

export type EngineSettings = Required<LocalEngineOptions>

const defaults = {
  port: 0,
  host: '127.0.0.1',
  dataDir: 'memory',
  accountId: '000000000000',
  region: 'us-east-1',
  shardLimit: 500,
  createStreamMs: 500,
  updateStreamMs: 500,
  deleteStreamMs: 500,
  subscriptionLifeMs: 300_000,
  resubscribeAfterMs: 5_000,
  idleEventMs: 5_000,
  sync: 'interval',
  legacyLimits: false,
  limits: 'none',
  streams: [],
  faults: [],
  faultSeed: 1,
  tls: false,
  testControls: false,
  metrics: false,
  clock: systemClock,
  disk: systemDisk,
} satisfies EngineSettings

const syncs = ['always', 'interval', 'never']

const milliseconds = [
  'createStreamMs',
  'updateStreamMs',
  'deleteStreamMs',
  'subscriptionLifeMs',
  'resubscribeAfterMs',
  'idleEventMs',
] as const

/** Defaults filled in; what no engine could be is a `ConfigError`. Limits and faults are checked where they are used. */
export function resolveEngineOptions(options: LocalEngineOptions): EngineSettings {
  const settings: EngineSettings = { ...defaults, ...given(options) }
  const { port, host, dataDir, accountId, region, shardLimit, sync, streams, faultSeed } = settings
  check('port', port, Number.isInteger(port) && port >= 0 && port <= 65_535, 'a port number, 0 to 65535')
  check('host', host, isText(host), 'an address to listen on, such as 127.0.0.1')
  check('dataDir', dataDir, isText(dataDir), "a directory, or 'memory'")
  check('accountId', accountId, /^\d{12}$/.test(accountId), 'twelve digits, as text')
  check('region', region, /^[a-z0-9-]+$/.test(region), 'an AWS region such as us-east-1')
  check('shardLimit', shardLimit, Number.isInteger(shardLimit) && shardLimit >= 0, 'a whole number, 0 or more')
  check('faultSeed', faultSeed, Number.isInteger(faultSeed), 'a whole number')
  // A word that is not understood must not become a promise that is not kept.
  check('sync', sync, syncs.includes(sync), "'always', 'interval' or 'never'")
  for (const name of milliseconds)
    check(name, settings[name], settings[name] >= 0 && settings[name] < 2 ** 31, 'a number of milliseconds, 0 or more')
  for (const { name, shardCount } of streams)
    check(`streams (${name})`, shardCount, Number.isInteger(shardCount), 'a whole number of shards')
  return settings
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function check(name: string, value: unknown, isRight: boolean, wanted: string): void {
  if (isRight) return
  const told = typeof value === 'string' ? `'${value}'` : String(value)
  throw new ConfigError(`the engine's option ${name} must be ${wanted}; it is ${told}`)
}
