import type { EngineCore } from '../engine-core.ts'

/** That the engine serves, and a little of what; for those who wait for it or watch over it. */
export function healthOf(core: EngineCore): object {
  return {
    status: 'ok',
    account: core.account,
    region: core.region,
    streams: [...core.streams.all()].length,
    openShards: core.streams.openShardCount,
    now: new Date(core.clock.now()).toISOString(),
  }
}
