import { limitExceeded } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'

/** Refuses what would lead to more open shards than the account may have. */
export function checkShardLimit(core: EngineCore, additional: number): void {
  const present = core.streams.openShardCount
  if (present + additional <= core.shardLimit) return
  throw limitExceeded(
    `This request would exceed the shard limit for the account ${core.account} in ${core.region}. Current shard count for the account: ${present}. Limit: ${core.shardLimit}. Number of additional shards that would have resulted from this request: ${additional}. Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits.`,
  )
}
