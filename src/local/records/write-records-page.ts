import type { BodyFormat } from '../shapes/read-input.ts'
import type { ShardState } from '../state/stream-state.ts'
import type { LogBlock } from '../stream-log.ts'
import { type AnswerObject, encodeAnswer } from '../wire/encode-answer.ts'
import { writeCborPage } from './cbor-records-page.ts'
import { writeJsonPage } from './json-records-page.ts'

/** What a GetRecords answer holds beside its records. */
export interface PageTail {
  millisBehindLatest: number
  nextShardIterator?: string
  childShards?: AnswerObject[]
}

/** A GetRecords answer, written straight from the packed records into one buffer: no object is made for a record. */
export function writeRecordsPage(
  shard: ShardState,
  blocks: readonly LogBlock[],
  tail: PageTail,
  format: BodyFormat,
): Buffer {
  const rest = encodeAnswer(
    {
      MillisBehindLatest: tail.millisBehindLatest,
      NextShardIterator: tail.nextShardIterator,
      ChildShards: tail.childShards,
    },
    format,
  )
  return format === 'cbor' ? writeCborPage(shard, blocks, rest) : writeJsonPage(shard, blocks, rest)
}
