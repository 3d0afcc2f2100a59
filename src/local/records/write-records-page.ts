import type { BodyFormat } from '../shapes/read-input.ts'
import type { ShardState } from '../state/stream-state.ts'
import type { LogBlock } from '../stream-log.ts'
import { type AnswerObject, encodeAnswer } from '../wire/encode-answer.ts'
import { writeCborPage } from './cbor-records-page.ts'
import { writeJsonPage } from './json-records-page.ts'

/**
 * Records and the members beside them, of which there must be some: straight from the packed records into one buffer,
 * no object is made for a record. The buffer is of the spare memory, to be given back when it was sent.
 */
export function writeRecordsPage(
  shard: ShardState,
  blocks: readonly LogBlock[],
  members: AnswerObject,
  format: BodyFormat,
  encryptionType?: 'KMS',
): Buffer {
  const rest = encodeAnswer(members, format)
  return format === 'cbor'
    ? writeCborPage(shard, blocks, rest, encryptionType)
    : writeJsonPage(shard, blocks, rest, encryptionType)
}
