import { parseSequenceNumber } from '../../kinesis/sequence-number.ts'
import { shardIdOf } from '../../kinesis/shard.ts'
import { internalFailure, invalidArgument } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import { putBatch } from '../records/put-batch.ts'
import { describeOne, putOneScanned } from '../records/put-scanned.ts'
import { data, hashKey, partitionKey, required, sequenceNumber, streamReference } from '../shapes/members.ts'
import type { LiveStream } from '../state/live-stream.ts'
import { distributesItself, neededKey } from './auto-distribution.ts'
import { dryRun, endDryRun } from './dry-run.ts'
import { findServingStream } from './find-stream.ts'
import { operation } from './operation.ts'
import { checkRecordSize, readExplicitHashKey } from './put-limits.ts'
import { rateExceeded } from './rate-exceeded.ts'

const putRecordInput = {
  type: 'Structure',
  members: {
    SequenceNumberForOrdering: sequenceNumber,
    PartitionKey: neededKey,
    ExplicitHashKey: hashKey,
    Data: required(data),
    ...streamReference,
    DryRun: dryRun,
  },
} as const

const keylessInput = { ...putRecordInput, members: { ...putRecordInput.members, PartitionKey: partitionKey } } as const

export const putRecord = operation({
  input: putRecordInput,
  inputFor: (core, input) => (distributesItself(core, input) ? keylessInput : undefined),
  runOnBody: putOneScanned,
  async run(core, input) {
    const stream = findServingStream(core, input)
    const isAuto = stream.state.distribution === 'AUTO'
    const explicitHashKey = isAuto ? undefined : readExplicitHashKey(input.ExplicitHashKey)
    if (isAuto) checkNoOrdering(input.SequenceNumberForOrdering)
    else checkOrdering(core, stream, input.SequenceNumberForOrdering)
    const key = input.PartitionKey === undefined ? undefined : Buffer.from(input.PartitionKey)
    checkRecordSize(stream.state, input.Data, key?.length ?? 0, 'data')
    endDryRun(input)
    const record = { key, partitionKey: input.PartitionKey, explicitHashKey, data: input.Data }
    const { shardIndexes, refusals, written } = await putBatch(core, stream, [record], 'PutRecord')
    const shardIndex = shardIndexes[0] as number
    if (refusals[0] === 'throttled') throw rateExceeded(core, stream.state.name, shardIdOf(shardIndex))
    if (refusals[0] !== undefined) throw internalFailure()
    return describeOne(stream, shardIndex, written)
  },
})

function checkNoOrdering(text: string | undefined): void {
  if (text !== undefined)
    throw invalidArgument('SequenceNumberForOrdering is not supported with RecordDistributionStrategy AUTO.')
}

function checkOrdering(core: EngineCore, stream: LiveStream, text: string | undefined): void {
  if (text === undefined) return
  const number = parseSequenceNumber(text)
  const latestSeconds = Math.max(core.clock.now() / 1000, stream.latestSeqSeconds())
  if (number === undefined || number.seqTimeSeconds > latestSeconds)
    throw invalidArgument(
      `ExclusiveMinimumSequenceNumber ${text} used in PutRecord on stream ${stream.state.name} under account ${core.account} is invalid.`,
    )
}
