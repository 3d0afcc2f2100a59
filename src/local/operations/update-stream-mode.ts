import { required, streamArn, streamId, streamModeDetails, warmThroughputMiBps } from '../shapes/members.ts'
import { setting } from '../state/pending-change.ts'
import type { StreamSettings } from '../state/stream-state.ts'
import { checkOnDemandLimit, checkOnlyOnDemand } from './check-on-demand.ts'
import { findActiveStream } from './find-stream.ts'
import { operation } from './operation.ts'

/** Shards stay as they are. The mode that the stream has already is right too: Terraform sends it. */
export const updateStreamMode = operation({
  input: {
    type: 'Structure',
    members: {
      StreamARN: required(streamArn),
      StreamId: streamId,
      StreamModeDetails: required(streamModeDetails),
      WarmThroughputMiBps: warmThroughputMiBps,
    },
  },
  run(core, input) {
    const stream = findActiveStream(core, input)
    const { StreamMode: mode } = input.StreamModeDetails
    const warm = input.WarmThroughputMiBps
    const wanted: StreamSettings = { mode, ...(warm !== undefined && { warmThroughputMiBps: warm }) }
    checkOnlyOnDemand(wanted)
    if (mode === stream.state.mode && warm === undefined) return undefined
    if (mode !== stream.state.mode) {
      if (mode === 'ON_DEMAND') checkOnDemandLimit(core)
      core.throttles?.countChange('UpdateStreamMode', stream.state.name)
    }
    const settings = mode === 'ON_DEMAND' ? wanted : provisioned
    core.streams.change(stream, setting(stream.state, settings, core.clock.now() + core.updateStreamMs))
    return undefined
  },
})

/** What only on-demand streams have ends with the mode. */
const provisioned = {
  mode: 'PROVISIONED',
  warmThroughputMiBps: null,
  distribution: 'USER_PARTITION_KEY',
} satisfies StreamSettings
