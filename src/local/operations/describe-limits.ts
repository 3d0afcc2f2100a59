import { countOnDemandStreams, mostOnDemandStreams } from './check-on-demand.ts'
import { operation } from './operation.ts'

export const describeLimits = operation({
  input: { type: 'Structure', members: {} },
  run(core) {
    const shards = { ShardLimit: core.shardLimit, OpenShardCount: core.streams.openShardCount }
    if (core.hasLegacyLimits) return shards
    return {
      ...shards,
      OnDemandStreamCount: countOnDemandStreams(core),
      OnDemandStreamCountLimit: mostOnDemandStreams,
      ChannelCount: 0,
      ChannelCountLimit: 0,
    }
  },
})
