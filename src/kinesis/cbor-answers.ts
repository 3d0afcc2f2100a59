import { FormatError } from '../errors.ts'
import { type CborMap, CborReader, type CborValue, timestampMs } from './cbor.ts'
import type { StreamSummary } from './kinesis-api.ts'
import { defaultMaxRecordBytes } from './limits.ts'
import type { Shard } from './shard.ts'

/** Operations without output answer with an empty body. */
export function readEmpty(): void {}

export function readShardIterator(body: Uint8Array): string {
  return textOf(mapOf(new CborReader(body).value()), 'ShardIterator')
}

export function readShards(body: Uint8Array): { shards: Shard[]; nextToken?: string } {
  const answer = mapOf(new CborReader(body).value())
  const shards = listOf(answer, 'Shards').map((value) => shardOf(mapOf(value)))
  const nextToken = optionalTextOf(answer, 'NextToken')
  return nextToken === undefined ? { shards } : { shards, nextToken }
}

export function readStreamNames(body: Uint8Array): { names: string[]; hasMore: boolean } {
  const answer = mapOf(new CborReader(body).value())
  const names = listOf(answer, 'StreamNames').map((name) => {
    if (typeof name !== 'string') throw unexpected('StreamNames', 'texts')
    return name
  })
  return { names, hasMore: answer['HasMoreStreams'] === true }
}

export function readStreamSummary(body: Uint8Array): StreamSummary {
  const summary = mapOf(mapOf(new CborReader(body).value())['StreamDescriptionSummary'])
  const maxRecordKib = summary['MaxRecordSizeInKiB']
  return {
    name: textOf(summary, 'StreamName'),
    arn: textOf(summary, 'StreamARN'),
    status: textOf(summary, 'StreamStatus'),
    openShardCount: numberOf(summary, 'OpenShardCount'),
    retentionHours: numberOf(summary, 'RetentionPeriodHours'),
    maxRecordBytes: typeof maxRecordKib === 'number' ? maxRecordKib * 1024 : defaultMaxRecordBytes,
    createdAtMs: timestampMs(numberOf(summary, 'StreamCreationTimestamp')),
  }
}

function shardOf(value: CborMap): Shard {
  const hashKeyRange = mapOf(value['HashKeyRange'])
  const sequenceNumberRange = mapOf(value['SequenceNumberRange'])
  const shard: Shard = {
    shardId: textOf(value, 'ShardId'),
    hashKeyRange: {
      start: integerOf(hashKeyRange, 'StartingHashKey'),
      end: integerOf(hashKeyRange, 'EndingHashKey'),
    },
    startingSequenceNumber: textOf(sequenceNumberRange, 'StartingSequenceNumber'),
  }
  const endingSequenceNumber = optionalTextOf(sequenceNumberRange, 'EndingSequenceNumber')
  const parentShardId = optionalTextOf(value, 'ParentShardId')
  const adjacentParentShardId = optionalTextOf(value, 'AdjacentParentShardId')
  if (endingSequenceNumber !== undefined) shard.endingSequenceNumber = endingSequenceNumber
  if (parentShardId !== undefined) shard.parentShardId = parentShardId
  if (adjacentParentShardId !== undefined) shard.adjacentParentShardId = adjacentParentShardId
  return shard
}

function mapOf(value: CborValue | undefined): CborMap {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw unexpected('the answer', 'a map')
  }
  return value
}

function listOf(map: CborMap, name: string): CborValue[] {
  const value = map[name]
  if (!Array.isArray(value)) throw unexpected(name, 'a list')
  return value
}

function textOf(map: CborMap, name: string): string {
  const value = map[name]
  if (typeof value !== 'string') throw unexpected(name, 'a text')
  return value
}

function optionalTextOf(map: CborMap, name: string): string | undefined {
  const value = map[name]
  return value === undefined || value === null ? undefined : textOf(map, name)
}

function numberOf(map: CborMap, name: string): number {
  const value = map[name]
  if (typeof value !== 'number') throw unexpected(name, 'a number')
  return value
}

function integerOf(map: CborMap, name: string): bigint {
  const value = textOf(map, name)
  if (!/^\d{1,39}$/.test(value)) throw unexpected(name, 'decimal digits')
  return BigInt(value)
}

function unexpected(name: string, wanted: string): FormatError {
  return new FormatError(`expected ${wanted} in ${name}`, 0)
}
