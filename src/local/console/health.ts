import type { EngineCore } from '../engine-core.ts'

/**
 * That the engine serves, and a little of what; for those who wait for it or watch over it. It is troubled while changes
 * of streams that are due can't be kept, for example because the disk is full.
 */
export function healthOf(core: EngineCore): object {
  const { troubles } = core.streams
  return {
    status: troubles.length === 0 ? 'ok' : 'troubled',
    ...(troubles.length > 0 && { troubles }),
    account: core.account,
    region: core.region,
    streams: [...core.streams.all()].length,
    openShards: core.streams.openShardCount,
    now: new Date(core.clock.now()).toISOString(),
  }
}
