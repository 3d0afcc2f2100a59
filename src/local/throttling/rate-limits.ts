import { ConfigError } from '../../errors.ts'

/** How much the engine serves before it throttles. Whatever is left out is as AWS has it. */
export interface RateLimits {
  /** Records that are put, per shard and second. @default 1000 */
  putRecordsPerSecond?: number
  /** Data and keys that are put, in bytes per shard and second. @default 1048576 */
  putBytesPerSecond?: number
  /** What a record of more than a second's bytes may borrow from the seconds to come, in bytes. @default 10485760 */
  putBorrowBytes?: number
  /** Data and keys that GetRecords reads, in bytes per shard and second. @default 2097152 */
  getBytesPerSecond?: number
  /** Data and keys that SubscribeToShard pushes, in bytes per consumer, shard and second. @default 2097152 */
  pushBytesPerSecond?: number
  /**
   * Calls a second, by operation: of GetRecords and GetShardIterator per shard, of SubscribeToShard per consumer and
   * shard, of ListShards, ListStreamConsumers and DeregisterStreamConsumer per stream, of all others per account.
   * Operations that are not named here keep the rate of AWS; Infinity takes it away.
   */
  callsPerSecond?: Readonly<Record<string, number>>
  /** Changes within 24 hours, by operation and per stream; as above. */
  changesPerDay?: Readonly<Record<string, number>>
}

/** "Quotas and limits" in the Kinesis Data Streams documentation, 2026. */
export const awsRateLimits: Required<RateLimits> = {
  putRecordsPerSecond: 1_000,
  putBytesPerSecond: 1024 * 1024,
  putBorrowBytes: 10 * 1024 * 1024,
  getBytesPerSecond: 2 * 1024 * 1024,
  pushBytesPerSecond: 2 * 1024 * 1024,
  callsPerSecond: {
    GetRecords: 5,
    GetShardIterator: 5,
    SubscribeToShard: 1,
    ListShards: 1_000,
    ListStreamConsumers: 5,
    DeregisterStreamConsumer: 5,
    DescribeStream: 10,
    DescribeStreamSummary: 20,
    DescribeStreamConsumer: 20,
    DescribeLimits: 1,
    ListStreams: 5,
    CreateStream: 5,
    DeleteStream: 5,
    SplitShard: 5,
    MergeShards: 5,
    AddTagsToStream: 5,
    RemoveTagsFromStream: 5,
    ListTagsForStream: 5,
    TagResource: 5,
    UntagResource: 5,
    ListTagsForResource: 5,
    RegisterStreamConsumer: 5,
    IncreaseStreamRetentionPeriod: 5,
    DecreaseStreamRetentionPeriod: 5,
    EnableEnhancedMonitoring: 5,
    DisableEnhancedMonitoring: 5,
    StartStreamEncryption: 5,
    StopStreamEncryption: 5,
  },
  changesPerDay: {
    UpdateShardCount: 10,
    UpdateStreamMode: 2,
    StartStreamEncryption: 25,
    StopStreamEncryption: 25,
  },
}

/** The limits that are in force; undefined when there are none. */
export function resolveRateLimits(limits: 'none' | 'aws' | RateLimits): Required<RateLimits> | undefined {
  if (limits === 'none') return undefined
  const given: unknown = limits === 'aws' ? {} : limits
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new ConfigError(`limits are 'none', 'aws', or an object of rates, not ${JSON.stringify(given)}.`)
  const merged = new Map<string, unknown>(Object.entries(awsRateLimits))
  for (const [name, value] of Object.entries(given)) {
    const present = merged.get(name)
    if (present === undefined)
      throw new ConfigError(`limits have no rate '${name}'. Known are ${[...merged.keys()].join(', ')}.`)
    if (value === undefined) continue
    merged.set(name, typeof present === 'number' ? rateOf(value, name) : ratesOf(value, name, present))
  }
  return Object.fromEntries(merged) as unknown as Required<RateLimits>
}

function ratesOf(value: unknown, name: string, present: unknown): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ConfigError(`limits have ${name} ${JSON.stringify(value)}: it must be an object of operations and rates.`)
  const rates = Object.entries(value).map(([operation, rate]) => [operation, rateOf(rate, `${name}.${operation}`)])
  return { ...(present as object), ...Object.fromEntries(rates) }
}

function rateOf(value: unknown, name: string): number {
  if (typeof value === 'number' && value >= 0) return value
  throw new ConfigError(`limits have ${name} ${JSON.stringify(value)}: it must be a number, 0 or more.`)
}
