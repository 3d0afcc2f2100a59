import { parseSequenceNumber } from '../../kinesis/sequence-number.ts'
import { shardIdOf } from '../../kinesis/shard.ts'
import { internalFailure, invalidArgument } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import { putBatch } from '../records/put-batch.ts'
import { WrittenNumbers } from '../records/written-numbers.ts'
import { data, hashKey, partitionKey, required, sequenceNumber, streamReference } from '../shapes/members.ts'
import type { LiveStream } from '../state/live-stream.ts'
import { encryptionTypeOf } from './describe-stream-basics.ts'
import { findServingStream } from './find-stream.ts'
import { operation } from './operation.ts'
import { checkRecordSize, readExplicitHashKey } from './put-limits.ts'
import { rateExceeded } from './rate-exceeded.ts'

export const putRecord = operation({
  input: {
    type: 'Structure',
    members: {
      SequenceNumberForOrdering: sequenceNumber,
      PartitionKey: required(partitionKey),
      ExplicitHashKey: hashKey,
      Data: required(data),
      ...streamReference,
    },
  },
  async run(core, input) {
    const stream = findServingStream(core, input)
    const explicitHashKey = readExplicitHashKey(input.ExplicitHashKey)
    checkOrdering(core, stream, input.SequenceNumberForOrdering)
    const key = Buffer.from(input.PartitionKey)
    checkRecordSize(stream.state, input.Data, key.length, 'data')
    const record = { key, partitionKey: input.PartitionKey, explicitHashKey, data: input.Data }
    const { shardIndexes, refusals, written } = await putBatch(core, stream, [record], 'PutRecord')
    const shardIndex = shardIndexes[0] as number
    if (refusals[0] === 'throttled') throw rateExceeded(core, stream.state.name, shardIdOf(shardIndex))
    if (refusals[0] !== undefined) throw internalFailure()
    return {
      ShardId: shardIdOf(shardIndex),
      SequenceNumber: new WrittenNumbers(stream, written.blocks).next(shardIndex),
      EncryptionType: encryptionTypeOf(stream.state),
    }
  },
})

function checkOrdering(core: EngineCore, stream: LiveStream, text: string | undefined): void {
  if (text === undefined) return
  const number = parseSequenceNumber(text)
  const latestSeconds = Math.max(core.clock.now() / 1000, stream.latestSeqSeconds())
  if (number === undefined || number.seqTimeSeconds > latestSeconds)
    throw invalidArgument(
      `ExclusiveMinimumSequenceNumber ${text} used in PutRecord on stream ${stream.state.name} under account ${core.account} is invalid.`,
    )
}
