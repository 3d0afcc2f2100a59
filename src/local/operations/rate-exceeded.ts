import { ApiError } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'

/** The refusal of a call that wants more of a shard than it may. */
export function rateExceeded(core: Pick<EngineCore, 'account'>, streamName: string, shardId: string): ApiError {
  return new ApiError('ProvisionedThroughputExceededException', rateExceededText(core, streamName, shardId))
}

/** The same for one record of a PutRecords. */
export function rateExceededText(core: Pick<EngineCore, 'account'>, streamName: string, shardId: string): string {
  return `Rate exceeded for shard ${shardId} in stream ${streamName} under account ${core.account}.`
}
