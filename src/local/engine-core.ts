import type { Clock } from '../clock.ts'
import type { Faults } from './faults.ts'
import type { PageTokens } from './page-tokens.ts'
import type { RecordRefusals } from './record-refusals.ts'
import type { ShardIterators } from './shard-iterators.ts'
import type { AccountSettings } from './state/account-settings.ts'
import type { Streams } from './state/streams.ts'
import type { Subscriptions } from './subscriptions/subscriptions.ts'
import type { Throttles } from './throttling/throttles.ts'

/** What operations work on. */
export interface EngineCore {
  /** Twelve digits. */
  readonly account: string
  readonly region: string
  /** Open shards of all streams together. */
  readonly shardLimit: number
  readonly createStreamMs: number
  readonly updateStreamMs: number
  readonly deleteStreamMs: number
  /** The limits of Kinesis as they were when kinesalite's suite was written. */
  readonly hasLegacyLimits: boolean
  readonly clock: Clock
  readonly accountSettings: AccountSettings
  readonly streams: Streams
  readonly iterators: ShardIterators
  readonly tokens: PageTokens
  readonly subscriptions: Subscriptions
  /** Whole requests and records that fail on purpose. */
  readonly faults: Faults
  /** Says no to too many calls; absent when as many are served as the machine can. */
  readonly throttles: Throttles | undefined
  /** Asked before records are written. */
  readonly refusals: RecordRefusals
  /** Fires when the engine ends: what waits on purpose waits no longer. */
  readonly closing: AbortSignal
}
