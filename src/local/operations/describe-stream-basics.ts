import type { EngineCore } from '../engine-core.ts'
import type { StreamState } from '../state/stream-state.ts'
import { type AnswerObject, Timestamp } from '../wire/encode-answer.ts'
import { arnOf } from './find-stream.ts'

/** As answers about records hold it: absent while nothing is encrypted. */
export function encryptionTypeOf({ keyId }: StreamState): 'KMS' | undefined {
  return typeof keyId === 'string' ? 'KMS' : undefined
}

/** What both descriptions of a stream hold. Answers of old had fewer members, which kinesalite's suite compares. */
export function describeStreamBasics(core: EngineCore, state: StreamState): AnswerObject {
  return {
    StreamName: state.name,
    StreamARN: arnOf(core, state.name),
    StreamStatus: state.status,
    StreamModeDetails: core.hasLegacyLimits ? undefined : { StreamMode: state.mode },
    RetentionPeriodHours: state.retentionHours,
    StreamCreationTimestamp: new Timestamp(state.createdSeconds * 1000),
    EnhancedMonitoring: [{ ShardLevelMetrics: state.shardMetrics ?? [] }],
    EncryptionType: encryptionTypeOf(state) ?? 'NONE',
    KeyId: state.keyId ?? undefined,
  }
}
