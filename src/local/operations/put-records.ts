import { shardIdOf } from '../../kinesis/shard.ts'
import type { EngineCore } from '../engine-core.ts'
import type { RecordRefusal } from '../record-refusals.ts'
import { type IncomingRecord, type PutBatch, putBatch } from '../records/put-batch.ts'
import { putScanned } from '../records/put-scanned.ts'
import { writePutAnswer } from '../records/write-put-answer.ts'
import { WrittenNumbers } from '../records/written-numbers.ts'
import { data, hashKey, partitionKey, required, streamReference } from '../shapes/members.ts'
import type { StringShape } from '../shapes/shape.ts'
import type { LiveStream } from '../state/live-stream.ts'
import type { AnswerObject } from '../wire/encode-answer.ts'
import { distributesItself, neededKey } from './auto-distribution.ts'
import { encryptionTypeOf } from './describe-stream-basics.ts'
import { dryRun, endDryRun } from './dry-run.ts'
import { findServingStream } from './find-stream.ts'
import { operation } from './operation.ts'
import { checkBatchSize, checkRecordSize, readExplicitHashKey } from './put-limits.ts'
import { rateExceededText } from './rate-exceeded.ts'

const putRecordsInput = inputWithKey(neededKey)
const keylessInput = inputWithKey(partitionKey)

function inputWithKey<const K extends StringShape>(key: K) {
  return {
    type: 'Structure',
    members: {
      Records: {
        type: 'List',
        required: true,
        minLength: 1,
        maxLength: 500,
        memberText: 'com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310',
        member: {
          type: 'Structure',
          members: { PartitionKey: key, ExplicitHashKey: hashKey, Data: required(data) },
        },
      },
      ...streamReference,
      DryRun: dryRun,
    },
  } as const
}

export const putRecords = operation({
  input: putRecordsInput,
  inputFor: (core, input) => (distributesItself(core, input) ? keylessInput : undefined),
  runOnBody: putScanned,
  async run(core, input, format) {
    const stream = findServingStream(core, input)
    const isAuto = stream.state.distribution === 'AUTO'
    const records = input.Records.map(({ PartitionKey, ExplicitHashKey, Data }): IncomingRecord => {
      const explicitHashKey = isAuto ? undefined : readExplicitHashKey(ExplicitHashKey)
      const key = PartitionKey === undefined ? undefined : Buffer.from(PartitionKey)
      return { key, partitionKey: PartitionKey, explicitHashKey, data: Data }
    })
    checkSizes(core, stream, records)
    endDryRun(input)
    const batch = await putBatch(core, stream, records, 'PutRecords')
    if (batch.refusals.length === 0) return writePutAnswer(stream, batch.written.blocks, batch.shardIndexes, format)
    return describe(core, stream, batch)
  },
})

function checkSizes(core: EngineCore, stream: LiveStream, records: readonly IncomingRecord[]): void {
  let bytes = 0
  for (const [at, { key, data }] of records.entries()) {
    checkRecordSize(stream.state, data, key?.length ?? 0, `records.${at + 1}.member.data`)
    bytes += data.length + (key?.length ?? 0)
  }
  checkBatchSize(core, bytes)
}

function describe(core: EngineCore, stream: LiveStream, { shardIndexes, refusals, written }: PutBatch): AnswerObject {
  const numbers = new WrittenNumbers(stream, written.blocks)
  const answers = Array.from(shardIndexes, (shardIndex, at): AnswerObject => {
    const refusal = refusals[at]
    if (refusal !== undefined) return describeRefusal(core, stream, shardIndex, refusal)
    return { SequenceNumber: numbers.next(shardIndex), ShardId: shardIdOf(shardIndex) }
  })
  return {
    FailedRecordCount: refusals.filter((refusal) => refusal !== undefined).length,
    Records: answers,
    EncryptionType: encryptionTypeOf(stream.state),
  }
}

function describeRefusal(
  core: EngineCore,
  stream: LiveStream,
  shardIndex: number,
  refusal: RecordRefusal,
): AnswerObject {
  if (refusal === 'internal-failure') return { ErrorCode: 'InternalFailure', ErrorMessage: 'Internal Service Failure.' }
  return {
    ErrorCode: 'ProvisionedThroughputExceededException',
    ErrorMessage: rateExceededText(core, stream.state.name, shardIdOf(shardIndex)),
  }
}
