import { CborReader, CborWriter } from './cbor.ts'
import type { PutAnswer, PutEntry } from './kinesis-api.ts'

/** The body of a PutRecords request: {StreamName, Records: [{Data, PartitionKey, ExplicitHashKey?}]}. */
export function writePutRecords(stream: string, entries: readonly PutEntry[]): Buffer {
  const writer = new CborWriter(sizeOf(stream, entries))
  writer.mapHead(2)
  writer.text('StreamName')
  writer.text(stream)
  writer.text('Records')
  writer.arrayHead(entries.length)
  for (const { data, partitionKey, explicitHashKey } of entries) {
    writer.mapHead(explicitHashKey === undefined ? 2 : 3)
    writer.raw(dataName)
    writer.bytes(data)
    writer.raw(partitionKeyName)
    writer.text(partitionKey)
    if (explicitHashKey !== undefined) {
      writer.text('ExplicitHashKey')
      writer.text(explicitHashKey)
    }
  }
  return writer.finish()
}

/** The answer's records, in the order of the request's entries. */
export function readPutAnswers(body: Uint8Array): PutAnswer[] {
  const reader = new CborReader(body)
  const answers: PutAnswer[] = []
  for (let left = reader.mapLength(); reader.hasMore(left); left--) {
    if (reader.name() !== 'Records' || reader.isNull()) reader.skip()
    else for (let more = reader.arrayLength(); reader.hasMore(more); more--) answers.push(readAnswer(reader))
  }
  return answers
}

function readAnswer(reader: CborReader): PutAnswer {
  let sequenceNumber: string | undefined
  let shardId: string | undefined
  let errorCode: string | undefined
  let errorMessage: string | undefined
  for (let left = reader.mapLength(); reader.hasMore(left); left--) {
    const name = reader.name()
    if (reader.isNull()) continue
    if (name === 'SequenceNumber') sequenceNumber = reader.asciiText()
    else if (name === 'ShardId') shardId = reader.name()
    else if (name === 'ErrorCode') errorCode = reader.name()
    else if (name === 'ErrorMessage') errorMessage = reader.text()
    else reader.skip()
  }
  if (shardId !== undefined && sequenceNumber !== undefined) return { shardId, sequenceNumber }
  return { errorCode: errorCode ?? 'InternalFailure', errorMessage: errorMessage ?? 'No reason was given.' }
}

/** A little more than what will be written, so that the buffer is allocated once. */
function sizeOf(stream: string, entries: readonly PutEntry[]): number {
  let size = 64 + stream.length
  for (const entry of entries) size += entry.data.length + entry.partitionKey.length * 3 + 100
  return size
}

const dataName = encodedName('Data')
const partitionKeyName = encodedName('PartitionKey')

function encodedName(name: string): Uint8Array {
  const writer = new CborWriter()
  writer.text(name)
  return writer.finish()
}
