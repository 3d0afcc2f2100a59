import { recordDistribution, required, streamArn, streamId } from '../shapes/members.ts'
import { checkOnlyOnDemand } from './check-on-demand.ts'
import { findStream } from './find-stream.ts'
import { operation } from './operation.ts'

/** At once, for records to come. */
export const updateStreamRecordDistributionStrategy = operation({
  input: {
    type: 'Structure',
    members: {
      StreamARN: required(streamArn),
      StreamId: streamId,
      RecordDistributionStrategy: required(recordDistribution),
    },
  },
  run(core, input) {
    const stream = findStream(core, input)
    const distribution = input.RecordDistributionStrategy
    checkOnlyOnDemand({ mode: stream.state.mode, distribution })
    core.streams.change(stream, { ...stream.state, distribution })
    return undefined
  },
})
