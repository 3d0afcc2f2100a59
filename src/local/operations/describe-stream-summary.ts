import { consumersAt } from '../consumers/consumer-state.ts'
import { streamReference } from '../shapes/members.ts'
import { maxRecordBytes, openShards, type StreamState } from '../state/stream-state.ts'
import type { AnswerObject } from '../wire/encode-answer.ts'
import { describeStreamBasics } from './describe-stream-basics.ts'
import { describeWarmThroughput } from './describe-warm-throughput.ts'
import { findStream } from './find-stream.ts'
import { operation } from './operation.ts'

export const describeStreamSummary = operation({
  input: { type: 'Structure', members: streamReference },
  run(core, input) {
    const { state } = findStream(core, input)
    return {
      StreamDescriptionSummary: {
        ...describeStreamBasics(core, state),
        OpenShardCount: openShards(state).length,
        ConsumerCount: consumersAt(state, core.clock.now()).length,
        ...(core.hasLegacyLimits ? {} : newerMembers(state)),
      },
    }
  },
})

function newerMembers(state: StreamState): AnswerObject {
  return {
    MaxRecordSizeInKiB: maxRecordBytes(state) / 1024,
    WarmThroughput: describeWarmThroughput(state),
    // The KPL asks again and again while this is absent.
    RecordDistributionStrategy: state.distribution ?? 'USER_PARTITION_KEY',
  }
}
