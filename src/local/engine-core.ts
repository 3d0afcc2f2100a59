import type { Clock } from '../clock.ts'
import type { PageTokens } from './page-tokens.ts'
import type { RecordRefusals } from './record-refusals.ts'
import type { ShardIterators } from './shard-iterators.ts'
import type { Streams } from './state/streams.ts'

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
  readonly streams: Streams
  readonly iterators: ShardIterators
  readonly tokens: PageTokens
  /** Asked for each record before it is written: the fault hook answers, and throttling has its place here. */
  readonly refusals: RecordRefusals
}
