import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { ConfigError } from '../errors.ts'
import type { Disk } from '../journal/disk.ts'
import { ApiError } from './api-error.ts'
import { consoleAnswerer, isForConsole } from './console/answer-console.ts'
import { EngineMetrics } from './console/engine-metrics.ts'
import { TestControls } from './console/test-controls.ts'
import type { EngineCore } from './engine-core.ts'
import type { FaultRule } from './fault-rule.ts'
import { Faults } from './faults.ts'
import { openJournalStreamLog } from './journal-stream-log.ts'
import { createMemoryStreamLog } from './memory-stream-log.ts'
import { MovableClock } from './movable-clock.ts'
import { createStream } from './operations/create-stream.ts'
import { operations } from './operations/operations.ts'
import { PageTokens } from './page-tokens.ts'
import { bothRefusals } from './record-refusals.ts'
import { type EngineSettings, resolveEngineOptions } from './resolve-engine-options.ts'
import { checkConstraints } from './shapes/check-constraints.ts'
import { withLegacyLimits } from './shapes/shape.ts'
import { ShardIterators } from './shard-iterators.ts'
import { Signer } from './signer.ts'
import { AccountSettings } from './state/account-settings.ts'
import { createMemoryStateStore } from './state/memory-state-store.ts'
import { openSqliteStateStore } from './state/sqlite-state-store.ts'
import type { StateStore } from './state/state-store.ts'
import { type RecordPlace, Streams } from './state/streams.ts'
import { Subscriptions, type SubscriptionTimes } from './subscriptions/subscriptions.ts'
import { type RateLimits, resolveRateLimits } from './throttling/rate-limits.ts'
import { Throttles } from './throttling/throttles.ts'
import { type Certificate, type CertificateFiles, openCertificate } from './tls/open-certificate.ts'
import { type ApiRequest, requestAnswerer, type ServedOperation } from './wire/answer-request.ts'
import { listenOnOnePort, type OnePortServer } from './wire/one-port-server.ts'

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
  /** How long a SubscribeToShard goes on, in milliseconds. @default 300000 */
  subscriptionLifeMs?: number
  /** How long the place of a subscription is kept from a second one, in milliseconds. @default 5000 */
  resubscribeAfterMs?: number
  /** How often a subscription tells that there is nothing new, in milliseconds. @default 5000 */
  idleEventMs?: number
  /**
   * When an answered write is on the disk itself: `always` before the answer, `interval` 100 ms later at most, `never`
   * when the system likes. All three survive the end of the process, however sudden. @default 'interval'
   */
  sync?: 'always' | 'interval' | 'never'
  /** The limits of Kinesis as kinesalite knew them. @default false */
  legacyLimits?: boolean
  /**
   * `aws`: the engine throttles as Kinesis does; an object: so too, with rates of its own. @default 'none'
   */
  limits?: 'none' | 'aws' | RateLimits
  /** Streams that are there, ACTIVE, when the engine is up; one that exists already stays as it is. */
  streams?: readonly { name: string; shardCount: number }[]
  /** Ways in which the engine misbehaves, for tests of what talks to it. @default none */
  faults?: readonly FaultRule[]
  /** Decides where fault rules leave it to chance. @default 1 */
  faultSeed?: number
  /**
   * Speaks TLS too, on the same port: `true` with a certificate for localhost that is made at the first start and kept
   * with the data, or with PEM files of your own. Plain HTTP goes on working. @default false
   */
  tls?: boolean | CertificateFiles
  /**
   * Takes orders of tests over HTTP, from this machine only: `POST /_triton/faults` replaces the fault rules,
   * `POST /_triton/clock` moves time ahead. Never with data that somebody needs. @default false
   */
  testControls?: boolean
  /** `GET /_triton/metrics` answers Prometheus. @default false */
  metrics?: boolean
  /** A `MovableClock` lets a test in this process move time ahead. @default systemClock */
  clock?: Clock
  /** Holds the records, not the state; tests pass one that is full. @default systemDisk */
  disk?: Disk
}

export interface LocalEngine {
  /** `http://host:port`, with `tls` `https://host:port`, for `endpoint` and `AWS_ENDPOINT_URL_KINESIS`. */
  readonly endpoint: string
  readonly port: number
  /** What clients must trust when TLS is spoken, in PEM, and the file that holds it when there is one. */
  readonly certificate?: { readonly pem: string; readonly file?: string }
  /** Replaces all fault rules; an empty list ends the misbehaviour. The seed is 1 unless given. */
  setFaults(rules: readonly FaultRule[], seed?: number): void
  /** Ends the engine: requests finish, idle connections end at once, files are given back. May be called twice. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts a Kinesis of your own: any AWS SDK works against its `endpoint`, with any credentials. */
export async function startLocalEngine(options: LocalEngineOptions = {}): Promise<LocalEngine> {
  const settings = resolveEngineOptions(options)
  const isInMemory = settings.dataDir === 'memory'
  const store = isInMemory ? createMemoryStateStore() : await openSqliteStateStore(settings.dataDir, settings.sync)
  try {
    return await startWith(store, settings)
  } catch (error) {
    store.close()
    throw error
  }
}

async function startWith(store: StateStore, given: EngineSettings): Promise<LocalEngine> {
  const movable = given.testControls ? movableClock(given.clock) : undefined
  const settings = { ...given, clock: movable ?? given.clock }
  const { clock, dataDir, host, port } = settings
  const streams = new Streams(store, dataDir === 'memory' ? memoryPlace : diskPlace(settings), clock)
  const closing = new AbortController()
  try {
    const core = coreOf(settings, store, streams, closing.signal)
    core.faults.set(settings.faults, settings.faultSeed)
    createStreams(core, settings.streams)
    const certificate = settings.tls === false ? undefined : openCertificate(settings.tls, dataDir)
    const metrics = settings.metrics ? await EngineMetrics.open(core) : undefined
    const answerUncounted = requestAnswerer(core, servedOperations(settings))
    const answerApi = metrics?.counting(answerUncounted) ?? answerUncounted
    const controls = movable && new TestControls(core, movable)
    const answerConsole = consoleAnswerer(core, { host, controls, metrics, certificate: certificate?.certificate })
    const answer = (request: ApiRequest) => (isForConsole(request.url) ? answerConsole : answerApi)(request)
    const server = await listenOnOnePort({ host, port, answer, certificate })
    const endpoint = endpointOf(server, certificate)
    report({ type: 'engine-listening', endpoint, dataDir })
    let closed: Promise<void> | undefined
    const close = () => {
      closing.abort()
      closed ??= server.close().then(async () => {
        try {
          await streams.close()
        } finally {
          store.close()
        }
      })
      return closed
    }
    const setFaults = (rules: readonly FaultRule[], seed = 1) => core.faults.set(rules, seed)
    return {
      endpoint,
      port: server.port,
      ...(certificate !== undefined && { certificate: trusted(certificate) }),
      setFaults,
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await streams.close()
    throw error
  }
}

function movableClock(clock: Clock): MovableClock {
  return clock instanceof MovableClock ? clock : new MovableClock(clock)
}

function coreOf(settings: EngineSettings, store: StateStore, streams: Streams, closing: AbortSignal): EngineCore {
  const { clock } = settings
  const faults = new Faults(clock, new Set(operations.keys()))
  const limits = resolveRateLimits(settings.limits)
  const throttles = limits && new Throttles(limits, clock, settings.accountId)
  return {
    account: settings.accountId,
    region: settings.region,
    shardLimit: settings.shardLimit,
    createStreamMs: settings.createStreamMs,
    updateStreamMs: settings.updateStreamMs,
    deleteStreamMs: settings.deleteStreamMs,
    hasLegacyLimits: settings.legacyLimits,
    clock,
    accountSettings: new AccountSettings(store),
    streams,
    iterators: new ShardIterators(new Signer(store.secret, 'iterator'), clock),
    tokens: new PageTokens(new Signer(store.secret, 'token'), clock),
    subscriptions: new Subscriptions(subscriptionTimes(settings), clock, closing),
    faults,
    throttles,
    refusals: throttles === undefined ? faults : bothRefusals(faults, throttles),
    closing,
  }
}

function subscriptionTimes(settings: EngineSettings): SubscriptionTimes {
  const { subscriptionLifeMs: lifeMs, resubscribeAfterMs: replaceAfterMs, idleEventMs } = settings
  return { lifeMs, replaceAfterMs, idleEventMs }
}

function servedOperations({ legacyLimits }: EngineSettings): Map<string, ServedOperation> {
  return new Map(
    [...operations].map(([name, operation]) => {
      const input = legacyLimits ? withLegacyLimits(operation.input) : operation.input
      return [name, { name, operation, input }]
    }),
  )
}

/** An engine that listens on all addresses is reached on the loopback one. */
function endpointOf({ host, port }: OnePortServer, certificate: Certificate | undefined): string {
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  const scheme = certificate === undefined ? 'http' : 'https'
  return `${scheme}://${reached.includes(':') ? `[${reached}]` : reached}:${port}`
}

/** Of the pair, what others may see. */
function trusted({ certificate, file }: Certificate): NonNullable<LocalEngine['certificate']> {
  return { pem: certificate, ...(file !== undefined && { file }) }
}

function createStreams(core: EngineCore, wanted: EngineSettings['streams']): void {
  const immediately = { ...core, createStreamMs: 0 }
  for (const { name, shardCount } of wanted) {
    if (core.streams.get(name) !== undefined) continue
    const input = { StreamName: name, ShardCount: shardCount }
    try {
      checkConstraints(createStream.input, input)
      createStream.run(immediately, input as never, 'json')
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      throw new ConfigError(`cannot create the stream '${name}' with ${shardCount} shards: ${error.message}`, {
        cause: error,
      })
    }
  }
}

const memoryPlace: RecordPlace = {
  open: async () => createMemoryStreamLog(),
  remove: async () => undefined,
}

function diskPlace({ dataDir, sync, clock, disk }: EngineSettings): RecordPlace {
  const directoryOf = (serial: number) => join(dataDir, 'streams', String(serial))
  return {
    open: (serial) => openJournalStreamLog({ dir: directoryOf(serial), sync, clock, disk }),
    remove: (serial) => rm(directoryOf(serial), { recursive: true, force: true }),
  }
}
