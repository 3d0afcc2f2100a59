import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import type { EngineCore } from './engine-core.ts'
import { type FaultRule, Faults } from './faults.ts'
import { openJournalStreamLog } from './journal-stream-log.ts'
import { createMemoryStreamLog } from './memory-stream-log.ts'
import { operations } from './operations/operations.ts'
import { PageTokens } from './page-tokens.ts'
import { withLegacyLimits } from './shapes/shape.ts'
import { ShardIterators } from './shard-iterators.ts'
import { Signer } from './signer.ts'
import { createMemoryStateStore } from './state/memory-state-store.ts'
import { openSqliteStateStore } from './state/sqlite-state-store.ts'
import { type RecordPlace, Streams } from './state/streams.ts'
import { requestAnswerer } from './wire/answer-request.ts'
import { listenOnOnePort } from './wire/one-port-server.ts'

export interface LocalEngineOptions {
  /** 0 takes a free one. @default 0 */
  port?: number
  /** Address to listen on. @default '127.0.0.1' */
  host?: string
  /** Directory that holds everything, made when missing; `memory` keeps nothing. @default 'memory' */
  dataDir?: string
  /** Twelve digits. @default '000000000000' */
  accountId?: string
  /** @default 'us-east-1' */
  region?: string
  /** Open shards of all streams together. @default 500 */
  shardLimit?: number
  /** How long a new stream is CREATING, in milliseconds. @default 500 */
  createStreamMs?: number
  /** How long a changed stream is UPDATING, in milliseconds. @default 500 */
  updateStreamMs?: number
  /** How long a deleted stream is DELETING, in milliseconds. @default 500 */
  deleteStreamMs?: number
  /**
   * When an answered write is on the disk itself: `always` before the answer, `interval` 100 ms later at most, `never`
   * when the system likes. All three survive the end of the process, however sudden. @default 'interval'
   */
  sync?: 'always' | 'interval' | 'never'
  /** The limits of Kinesis as kinesalite knew them. @default false */
  legacyLimits?: boolean
  /** Streams that are there, ACTIVE, when the engine is up; one that exists already stays as it is. */
  streams?: readonly { name: string; shardCount: number }[]
  /** Ways in which the engine misbehaves, for tests of what talks to it. @default none */
  faults?: readonly FaultRule[]
  /** Decides where fault rules leave it to chance. @default 1 */
  faultSeed?: number
  /** @default systemClock */
  clock?: Clock
}

export interface LocalEngine {
  /** `http://host:port`, for `endpoint` and `AWS_ENDPOINT_URL_KINESIS`. */
  readonly endpoint: string
  readonly port: number
  /** Replaces all fault rules; an empty list ends the misbehaviour. The seed is 1 unless given. */
  setFaults(rules: readonly FaultRule[], seed?: number): void
  /** Ends the engine: requests finish, idle connections end at once, files are given back. May be called twice. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

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
  sync: 'interval',
  legacyLimits: false,
  streams: [],
  faults: [],
  faultSeed: 1,
  clock: systemClock,
} satisfies Required<LocalEngineOptions>

/** Starts a Kinesis of your own: any AWS SDK works against its `endpoint`, with any credentials. */
export async function startLocalEngine(options: LocalEngineOptions = {}): Promise<LocalEngine> {
  const settings: Required<LocalEngineOptions> = { ...defaults, ...options }
  const { clock, dataDir } = settings
  const isInMemory = dataDir === 'memory'
  const store = isInMemory ? createMemoryStateStore() : await openSqliteStateStore(dataDir, settings.sync)
  const streams = new Streams(store, isInMemory ? memoryPlace : diskPlace(settings), clock)
  const signer = new Signer(store.secret)
  const faults = new Faults(clock)
  const closing = new AbortController()
  const core: EngineCore = {
    account: settings.accountId,
    region: settings.region,
    shardLimit: settings.shardLimit,
    createStreamMs: settings.createStreamMs,
    updateStreamMs: settings.updateStreamMs,
    deleteStreamMs: settings.deleteStreamMs,
    hasLegacyLimits: settings.legacyLimits,
    clock,
    streams,
    iterators: new ShardIterators(signer, clock),
    tokens: new PageTokens(signer, clock),
    faults,
    refusals: faults,
    closing: closing.signal,
  }
  const served = new Map(
    [...operations].map(([name, operation]) => {
      const input = settings.legacyLimits ? withLegacyLimits(operation.input) : operation.input
      return [name, { name, operation, input }] as const
    }),
  )
  const giveBack = async () => {
    await streams.close()
    store.close()
  }
  try {
    faults.set(settings.faults, settings.faultSeed)
    createStreams(core, settings.streams)
    const server = await listenOnOnePort({
      host: settings.host,
      port: settings.port,
      answer: requestAnswerer(core, served),
    })
    const endpoint = `http://${server.host.includes(':') ? `[${server.host}]` : server.host}:${server.port}`
    report({ type: 'engine-listening', endpoint, dataDir })
    let closed: Promise<void> | undefined
    const close = () => {
      closing.abort()
      closed ??= server.close().then(giveBack)
      return closed
    }
    const setFaults = (rules: readonly FaultRule[], seed = 1) => faults.set(rules, seed)
    return { endpoint, port: server.port, setFaults, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await giveBack()
    throw error
  }
}

function createStreams(core: EngineCore, wanted: Required<LocalEngineOptions>['streams']): void {
  const create = operations.get('CreateStream')
  const immediately = { ...core, createStreamMs: 0 }
  for (const { name, shardCount } of wanted) {
    if (core.streams.get(name) !== undefined) continue
    create?.run(immediately, { StreamName: name, ShardCount: shardCount } as never, 'json')
  }
}

const memoryPlace: RecordPlace = {
  open: async () => createMemoryStreamLog(),
  remove: async () => undefined,
}

function diskPlace({ dataDir, sync, clock }: Required<LocalEngineOptions>): RecordPlace {
  const directoryOf = (serial: number) => join(dataDir, 'streams', String(serial))
  return {
    open: (serial) => openJournalStreamLog({ dir: directoryOf(serial), sync, clock }),
    remove: (serial) => rm(directoryOf(serial), { recursive: true, force: true }),
  }
}
