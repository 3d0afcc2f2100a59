import { maxHashKey } from '../../kinesis/hash-key.ts'
import { maxBatchBytes } from '../../kinesis/limits.ts'
import { invalidArgument } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import { violationsError, violationText } from '../shapes/check-constraints.ts'
import { maxRecordBytes, type StreamState } from '../state/stream-state.ts'

/** What a PutRecords could hold when kinesalite's suite was written. */
const legacyMaxBatchBytes = 5 * 1024 * 1024

export function readExplicitHashKey(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined
  const hashKey = BigInt(text)
  if (hashKey > maxHashKey)
    throw invalidArgument(
      `Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was ${text}`,
    )
  return hashKey
}

/** `path` names the data in messages. */
export function checkRecordSize(stream: StreamState, data: Buffer, keyBytes: number, path: string): void {
  const mostBytes = maxRecordBytes(stream)
  if (data.length + keyBytes <= mostBytes) return
  const printed = `java.nio.HeapByteBuffer[pos=0 lim=${data.length} cap=${data.length}]`
  const constraint = `Member must have length less than or equal to ${mostBytes}`
  throw violationsError([violationText(printed, path, constraint)])
}

export function checkBatchSize(core: EngineCore, bytes: number): void {
  if (bytes > maxBatchBytesOf(core))
    throw invalidArgument(`Records size exceeds ${maxBatchBytesOf(core) / 1024 / 1024} MB limit`)
}

export function maxBatchBytesOf(core: EngineCore): number {
  return core.hasLegacyLimits ? legacyMaxBatchBytes : maxBatchBytes
}
