import { TritonCheckpointError } from '../errors.ts'
import { formatSequenceNumber, looksLikeSequenceNumber, parseSequenceNumber } from '../kinesis/sequence-number.ts'
import { shardIdOf, shardIndexOf } from '../kinesis/shard.ts'
import type { Checkpoint, CheckpointRow } from './checkpoint-store.ts'

/**
 * Whether a row's `seq_num` is a place in that shard. py-triton stores `None` or another shard's number when a
 * checkpoint follows an empty poll; such a row is no position.
 *
 * A number that Kinesis could not have issued (stand-ins for Kinesis make up their own) says nothing about its shard
 * and is kept: if it is wrong, Kinesis refuses it loudly, while dropping it would silently read everything again.
 */
export function isPositionOf(shardId: string, sequenceNumber: string): boolean {
  if (!looksLikeSequenceNumber(sequenceNumber)) return false
  const named = shardIndexOf(shardId)
  const encoded = encodedShardIndex(sequenceNumber)
  return named === undefined || encoded === undefined || named === encoded
}

/** Refuses what the table can't hold or what would not be a position when read again. */
export function checkCheckpoint(shardId: string, checkpoint: Checkpoint): void {
  checkText('shard id', shardId)
  const { sequenceNumber, subSequenceNumber } = checkpoint
  if (!looksLikeSequenceNumber(sequenceNumber)) {
    throw new TritonCheckpointError(
      `can't checkpoint ${shardId} at ${JSON.stringify(sequenceNumber)}: that is no sequence number (at most 129 decimal digits)`,
    )
  }
  if (!isPositionOf(shardId, sequenceNumber)) {
    const owner = shardIdOf(encodedShardIndex(sequenceNumber) ?? 0)
    throw new TritonCheckpointError(
      `can't checkpoint ${shardId} at ${sequenceNumber}: that is a sequence number of ${owner}`,
    )
  }
  if (subSequenceNumber !== undefined && !(Number.isSafeInteger(subSequenceNumber) && subSequenceNumber >= 0)) {
    throw new TritonCheckpointError(
      `can't checkpoint ${shardId} at ${sequenceNumber}, sub-sequence number ${subSequenceNumber}: it must be a whole number from 0`,
    )
  }
}

export function checkNames(client: string, stream: string): void {
  checkText('client name', client)
  checkText('stream name', stream)
}

/** The columns are VARCHAR(255): characters, not bytes. SQLite would take more, and then the row could never move on. */
export const maxTextLength = 255

export function checkText(what: string, text: string): void {
  const length = [...text].length
  if (length < 1 || length > maxTextLength) {
    throw new TritonCheckpointError(
      `the ${what} has ${length} characters: the checkpoint table takes 1 to ${maxTextLength}`,
    )
  }
  if (/[\0\p{Surrogate}]/u.test(text)) {
    throw new TritonCheckpointError(
      `the ${what} ${JSON.stringify(text)} holds a NUL or half a surrogate pair: no database stores that as text`,
    )
  }
}

/** By code units, the same in every database: what PostgreSQL sorts by depends on its collation. */
export function byClientStreamShard(left: CheckpointRow, right: CheckpointRow): number {
  return (
    compare(left.client, right.client) || compare(left.stream, right.stream) || compare(left.shardId, right.shardId)
  )
}

const compare = (left: string, right: string) => (left < right ? -1 : left > right ? 1 : 0)

/** The shard that a number belongs to, when it is exactly as Kinesis writes them. */
function encodedShardIndex(sequenceNumber: string): number | undefined {
  const parts = parseSequenceNumber(sequenceNumber)
  if (parts?.version !== 2 || formatSequenceNumber(parts) !== sequenceNumber) return undefined
  return parts.shardIndex
}
