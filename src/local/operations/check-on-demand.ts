import { invalidArgument, limitExceeded } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import type { StreamSettings } from '../state/stream-state.ts'

/** On-demand streams of an account (AWS: CreateStream). */
export const mostOnDemandStreams = 50

export function countOnDemandStreams(core: EngineCore): number {
  return [...core.streams.all()].filter((stream) => stream.state.mode === 'ON_DEMAND').length
}

/** Whether the account may have one more. */
export function checkOnDemandLimit(core: EngineCore): void {
  if (countOnDemandStreams(core) >= mostOnDemandStreams)
    throw limitExceeded(
      `No more than ${mostOnDemandStreams} streams may be in On-Demand mode under account ${core.account}.`,
    )
}

/** Refuses what only on-demand streams can have. */
export function checkOnlyOnDemand({ mode, warmThroughputMiBps, distribution }: StreamSettings): void {
  if (mode === 'ON_DEMAND') return
  if (warmThroughputMiBps !== undefined && warmThroughputMiBps !== null)
    throw invalidArgument('WarmThroughputMiBps is only supported for streams in On-Demand mode.')
  if (distribution === 'AUTO')
    throw invalidArgument('RecordDistributionStrategy AUTO is only supported for streams in On-Demand mode.')
}
