import { FormatError } from '../errors.ts'
import { CborReader } from './cbor.ts'
import { CborRecords } from './cbor-records.ts'
import { type ChildShard, type EncodedRecord, noRecords, type Page } from './kinesis-api.ts'

/**
 * A GetRecords answer. The records' bytes are views into it; or copies where the body goes back, by `giveBack`, when its
 * records are released.
 */
export function readPage(body: Uint8Array, giveBack?: () => void): Page {
  const reader = new CborReader(body)
  const page: Page = { records: noRecords, millisBehindLatest: 0 }
  for (let left = reader.mapLength(); reader.hasMore(left); left--) {
    const name = reader.name()
    if (reader.isNull()) continue
    if (name === 'Records') page.records = readRecords(reader, body, giveBack)
    else if (name === 'NextShardIterator') page.nextShardIterator = reader.text()
    else if (name === 'MillisBehindLatest') page.millisBehindLatest = reader.number()
    else if (name === 'ChildShards') page.childShards = readChildShards(reader)
    else reader.skip()
  }
  // Without this, an answer of something else, an empty map above all, would look like the end of the shard.
  if (page.records === noRecords) throw new FormatError('an answer without Records', reader.offset)
  return page
}

function readRecords(reader: CborReader, body: Uint8Array, giveBack: (() => void) | undefined): CborRecords {
  const count = reader.arrayLength()
  const records = new CborRecords(body, count < 0 ? 1_000 : count, giveBack)
  for (let left = count; reader.hasMore(left); left--) {
    const end = records.addPlain(reader.offset)
    if (end > 0) reader.moveTo(end)
    else records.addOdd(readRecord(reader))
  }
  return records
}

function readRecord(reader: CborReader): EncodedRecord {
  let sequenceNumber = ''
  // A stream with AUTO distribution has records that were put, and are read, without a key.
  let partitionKey = ''
  let arrivedAtMs = 0
  let bytes: Uint8Array | undefined
  for (let left = reader.mapLength(); reader.hasMore(left); left--) {
    const name = reader.name()
    if (reader.isNull()) continue
    if (name === 'SequenceNumber') sequenceNumber = reader.text()
    else if (name === 'ApproximateArrivalTimestamp') arrivedAtMs = reader.timestamp()
    else if (name === 'Data') bytes = reader.bytes()
    else if (name === 'PartitionKey') partitionKey = reader.text()
    else reader.skip()
  }
  if (sequenceNumber === '' || bytes === undefined) {
    throw new FormatError('a record without SequenceNumber or Data', reader.offset)
  }
  return { sequenceNumber, partitionKey, arrivedAtMs, bytes }
}

function readChildShards(reader: CborReader): ChildShard[] {
  const children: ChildShard[] = []
  for (let more = reader.arrayLength(); reader.hasMore(more); more--) {
    const child: ChildShard = { shardId: '', parentShardIds: [] }
    for (let left = reader.mapLength(); reader.hasMore(left); left--) {
      const name = reader.name()
      if (name === 'ShardId') child.shardId = reader.text()
      else if (name === 'ParentShards') {
        for (let parents = reader.arrayLength(); reader.hasMore(parents); parents--) {
          child.parentShardIds.push(reader.text())
        }
      } else reader.skip()
    }
    children.push(child)
  }
  return children
}
