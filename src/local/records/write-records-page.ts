import type { BodyFormat } from '../shapes/read-input.ts'
import type { ShardState } from '../state/stream-state.ts'
import type { LogBlock } from '../stream-log.ts'
import { type AnswerObject, encodeAnswer } from '../wire/encode-answer.ts'
import { dataLengthAt, hasKeyAt, keyLengthAt, packedHeaderBytes } from './packed-records.ts'
import { SequenceText, sequenceNumberDigits } from './sequence-text.ts'

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
  return format === 'cbor' ? writeCbor(shard, blocks, rest) : writeJson(shard, blocks, rest)
}

const cborRecordHead = Buffer.concat([
  Buffer.from([0xa4, 0x6e]),
  Buffer.from('SequenceNumber'),
  Buffer.from([0x78, sequenceNumberDigits]),
  Buffer.alloc(sequenceNumberDigits),
  Buffer.from([0x78, 0x1b]),
  Buffer.from('ApproximateArrivalTimestamp'),
  Buffer.from([0x1b, 0, 0, 0, 0, 0, 0, 0, 0, 0x64]),
  Buffer.from('Data'),
])
const cborDigitsAt = 18
const cborArrivalAt = cborDigitsAt + sequenceNumberDigits + 2 + 27 + 1
const cborKeyHead = Buffer.from([0x6c, ...Buffer.from('PartitionKey')])

function writeCbor(shard: ShardState, blocks: readonly LogBlock[], rest: Buffer): Buffer {
  let recordCount = 0
  let packedBytes = 0
  for (const block of blocks) {
    recordCount += block.recordCount
    packedBytes += block.bytes.length
  }
  const perRecord = cborRecordHead.length + 5 + cborKeyHead.length + 3
  const out = Buffer.allocUnsafe(rest.length + 16 + packedBytes + recordCount * perRecord)
  // `rest` is a map with fewer than 24 members: one more is one more in its first byte.
  out[0] = (rest[0] as number) + 1
  let at = 1
  out[at++] = 0x67
  at += out.write('Records', at, 'latin1')
  at = writeHead(out, at, 0x80, recordCount)
  for (const block of blocks) at = writeCborBlock(out, at, shard, block)
  rest.copy(out, at, 1)
  return out.subarray(0, at + rest.length - 1)
}

function writeCborBlock(out: Buffer, start: number, shard: ShardState, block: LogBlock): number {
  const { bytes } = block
  const head = Buffer.from(cborRecordHead)
  head.writeBigUInt64BE(BigInt(Math.round(block.arrivalMs)), cborArrivalAt)
  const number = new SequenceText(shard.createdSeconds, shard.index, block.firstSeqIx, block.seqTimeSeconds)
  let at = start
  let from = 0
  for (let left = block.recordCount; left > 0; left--) {
    const keyLength = keyLengthAt(bytes, from)
    const dataLength = dataLengthAt(bytes, from)
    const hasKey = hasKeyAt(bytes, from)
    const keyAt = from + packedHeaderBytes
    const dataAt = keyAt + keyLength
    head.set(number.digits, cborDigitsAt)
    number.advance()
    out.set(head, at)
    if (!hasKey) out[at] = 0xa3
    at = writeHead(out, at + head.length, 0x40, dataLength)
    bytes.copy(out, at, dataAt, dataAt + dataLength)
    at += dataLength
    if (hasKey) {
      out.set(cborKeyHead, at)
      at = writeHead(out, at + cborKeyHead.length, 0x60, keyLength)
      bytes.copy(out, at, keyAt, dataAt)
      at += keyLength
    }
    from = dataAt + dataLength
  }
  return at
}

function writeHead(out: Buffer, at: number, kind: number, argument: number): number {
  if (argument < 24) {
    out[at] = kind | argument
    return at + 1
  }
  if (argument < 0x100) {
    out[at] = kind | 24
    out[at + 1] = argument
    return at + 2
  }
  if (argument < 0x1_0000) {
    out[at] = kind | 25
    out[at + 1] = argument >>> 8
    out[at + 2] = argument
    return at + 3
  }
  out[at] = kind | 26
  out.writeUInt32BE(argument, at + 1)
  return at + 5
}

function writeJson(shard: ShardState, blocks: readonly LogBlock[], rest: Buffer): Buffer {
  const parts: string[] = []
  for (const block of blocks) {
    const { bytes } = block
    const number = new SequenceText(shard.createdSeconds, shard.index, block.firstSeqIx, block.seqTimeSeconds)
    const arrival = `","ApproximateArrivalTimestamp":${block.arrivalMs / 1000},"Data":"`
    let from = 0
    for (let left = block.recordCount; left > 0; left--) {
      const keyAt = from + packedHeaderBytes
      const dataAt = keyAt + keyLengthAt(bytes, from)
      const end = dataAt + dataLengthAt(bytes, from)
      const key = hasKeyAt(bytes, from)
        ? `,"PartitionKey":${JSON.stringify(bytes.toString('utf8', keyAt, dataAt))}`
        : ''
      parts.push(`{"SequenceNumber":"${number}${arrival}${bytes.toString('base64', dataAt, end)}"${key}}`)
      number.advance()
      from = end
    }
  }
  return Buffer.from(`{"Records":[${parts.join(',')}],${rest.toString('utf8', 1)}`)
}
