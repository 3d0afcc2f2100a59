import { spareMemory } from '../spare-memory.ts'
import type { ShardState } from '../state/stream-state.ts'
import type { LogBlock } from '../stream-log.ts'
import { encodeCbor } from '../wire/encode-answer.ts'
import { dataLengthAt, hasKeyAt, keyLengthAt, packedHeaderBytes } from './packed-records.ts'
import { SequenceText, sequenceNumberDigits } from './sequence-text.ts'

/** A GetRecords answer of CBOR; `rest` is the map of its other members. */
export function writeCborPage(
  shard: ShardState,
  blocks: readonly LogBlock[],
  rest: Buffer,
  encryptionType?: 'KMS',
): Buffer {
  const recordHead = encryptionType === undefined ? plainHead : encryptedHead
  let recordCount = 0
  let packedBytes = 0
  for (const block of blocks) {
    recordCount += block.recordCount
    packedBytes += block.bytes.length
  }
  const perRecord = recordHead.length + 5 + keyHead.length + 3
  const out = spareMemory.take(rest.length + 16 + packedBytes + recordCount * perRecord)
  // `rest` is a map with fewer than 24 members: one more is one more in its first byte.
  out[0] = (rest[0] as number) + 1
  let at = 1
  out[at++] = 0x67
  at += out.write('Records', at, 'latin1')
  at = writeHead(out, at, 0x80, recordCount)
  for (const block of blocks) at = writeBlock(out, at, shard, block, recordHead)
  rest.copy(out, at, 1)
  return out.subarray(0, at + rest.length - 1)
}

const plainHead = Buffer.concat([
  Buffer.from([0xa4, 0x6e]),
  Buffer.from('SequenceNumber'),
  Buffer.from([0x78, sequenceNumberDigits]),
  Buffer.alloc(sequenceNumberDigits),
  Buffer.from([0x78, 0x1b]),
  Buffer.from('ApproximateArrivalTimestamp'),
  Buffer.from([0x1b, 0, 0, 0, 0, 0, 0, 0, 0, 0x64]),
  Buffer.from('Data'),
])
const digitsAt = 18
const arrivalAt = digitsAt + sequenceNumberDigits + 2 + 27 + 1
const keyHead = Buffer.from([0x6c, ...Buffer.from('PartitionKey')])

/** With one member more, behind the sequence number and the time, so that these stand where they do without it. */
const encryptedHead = Buffer.concat([
  Buffer.of(0xa5),
  plainHead.subarray(1, plainHead.length - 5),
  encodeCbor({ EncryptionType: 'KMS' }).subarray(1),
  plainHead.subarray(plainHead.length - 5),
])

function writeBlock(out: Buffer, start: number, shard: ShardState, block: LogBlock, recordHead: Buffer): number {
  const { bytes } = block
  const head = Buffer.from(recordHead)
  head.writeBigUInt64BE(BigInt(Math.round(block.arrivalMs)), arrivalAt)
  const digits = head.subarray(digitsAt, digitsAt + sequenceNumberDigits)
  const number = new SequenceText(shard.createdSeconds, shard.index, block.firstSeqIx, block.seqTimeSeconds, digits)
  let at = start
  let from = 0
  for (let left = block.recordCount; left > 0; left--) {
    const keyLength = keyLengthAt(bytes, from)
    const dataLength = dataLengthAt(bytes, from)
    const hasKey = hasKeyAt(bytes, from)
    const keyAt = from + packedHeaderBytes
    const dataAt = keyAt + keyLength
    out.set(head, at)
    if (left > 1) number.advance()
    if (!hasKey) out[at] = (recordHead[0] as number) - 1
    at = writeHead(out, at + head.length, 0x40, dataLength)
    bytes.copy(out, at, dataAt, dataAt + dataLength)
    at += dataLength
    if (hasKey) {
      out.set(keyHead, at)
      at = writeHead(out, at + keyHead.length, 0x60, keyLength)
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
