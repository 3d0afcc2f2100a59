import type { EngineCore } from '../engine-core.ts'
import type { StreamState } from '../state/stream-state.ts'
import { type AnswerObject, Timestamp } from '../wire/encode-answer.ts'
import { arnOf } from './find-stream.ts'

/** What both descriptions of a stream hold. */
export function describeStreamBasics(core: EngineCore, state: StreamState): AnswerObject {
  return {
    StreamName: state.name,
    StreamARN: arnOf(core, state.name),
    StreamStatus: state.status,
    StreamModeDetails: { StreamMode: state.mode },
    RetentionPeriodHours: state.retentionHours,
    StreamCreationTimestamp: new Timestamp(state.createdSeconds * 1000),
    EnhancedMonitoring: [{ ShardLevelMetrics: [] }],
    EncryptionType: 'NONE',
  }
}
