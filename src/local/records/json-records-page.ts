import type { ShardState } from '../state/stream-state.ts'
import type { LogBlock } from '../stream-log.ts'
import { dataLengthAt, hasKeyAt, keyLengthAt, packedHeaderBytes } from './packed-records.ts'
import { SequenceText, sequenceNumberDigits } from './sequence-text.ts'

/** A GetRecords answer of JSON; `rest` is the object with its other members. */
export function writeJsonPage(
  shard: ShardState,
  blocks: readonly LogBlock[],
  rest: Buffer,
  encryptionType?: 'KMS',
): Buffer {
  const out = Buffer.allocUnsafe(rest.length + pageStart.length + 2 + mostBytes(blocks))
  let at = pageStart.copy(out)
  for (const block of blocks) at = writeBlock(out, at, shard, block, encryptionType)
  // The comma behind the last record becomes the end of the list.
  if (blocks.length > 0) at--
  out[at++] = 0x5d
  out[at++] = 0x2c
  at += rest.copy(out, at, 1)
  return out.subarray(0, at)
}

const pageStart = Buffer.from('{"Records":[')
const numberStart = '{"SequenceNumber":"'
const keyStart = Buffer.from('","PartitionKey":')

/** Of a time in seconds with three decimals, and of what stands around it. */
const mostHeadBytes = numberStart.length + sequenceNumberDigits + 105

function mostBytes(blocks: readonly LogBlock[]): number {
  let most = 0
  // A byte of data takes 4/3 of one, a byte of a key at most six (an escape such as \u0000).
  for (const { bytes, recordCount } of blocks) most += bytes.length * 2 + recordCount * (mostHeadBytes + 40)
  for (const { bytes } of blocks)
    for (let from = 0; from < bytes.length; from = nextRecord(bytes, from)) most += keyLengthAt(bytes, from) * 5
  return most
}

function nextRecord(bytes: Buffer, from: number): number {
  return from + packedHeaderBytes + keyLengthAt(bytes, from) + dataLengthAt(bytes, from)
}

function writeBlock(
  out: Buffer,
  start: number,
  shard: ShardState,
  block: LogBlock,
  encryptionType: 'KMS' | undefined,
): number {
  const { bytes } = block
  const encryption = encryptionType === undefined ? '' : `","EncryptionType":"${encryptionType}`
  const arrival = `${encryption}","ApproximateArrivalTimestamp":${block.arrivalMs / 1000},"Data":"`
  const head = Buffer.from(`${numberStart}${'0'.repeat(sequenceNumberDigits)}${arrival}`)
  const digits = head.subarray(numberStart.length, numberStart.length + sequenceNumberDigits)
  const number = new SequenceText(shard.createdSeconds, shard.index, block.firstSeqIx, block.seqTimeSeconds, digits)
  let at = start
  let from = 0
  for (let left = block.recordCount; left > 0; left--) {
    const keyAt = from + packedHeaderBytes
    const dataAt = keyAt + keyLengthAt(bytes, from)
    const end = dataAt + dataLengthAt(bytes, from)
    out.set(head, at)
    number.advance()
    at = writeBase64(out, at + head.length, bytes, dataAt, end)
    if (hasKeyAt(bytes, from)) {
      out.set(keyStart, at)
      at = writeText(out, at + keyStart.length, bytes, keyAt, dataAt)
    } else out[at++] = 0x22
    out[at++] = 0x7d
    out[at++] = 0x2c
    from = end
  }
  return at
}

function writeText(out: Buffer, start: number, bytes: Buffer, from: number, to: number): number {
  let at = start
  out[at++] = 0x22
  for (let read = from; read < to; read++) {
    const byte = bytes[read] as number
    if (byte < 0x20 || byte > 0x7e || byte === 0x22 || byte === 0x5c)
      return start + out.write(JSON.stringify(bytes.toString('utf8', from, to)), start)
    out[at++] = byte
  }
  out[at++] = 0x22
  return at
}

const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')

/** Short data is quicker encoded here than by a string that is made and copied. */
const longestByHand = 512

function writeBase64(out: Buffer, start: number, bytes: Buffer, from: number, to: number): number {
  if (to - from > longestByHand) return start + out.write(bytes.toString('base64', from, to), start, 'latin1')
  let at = start
  let read = from
  for (; read + 2 < to; read += 3) {
    const three = ((bytes[read] as number) << 16) | ((bytes[read + 1] as number) << 8) | (bytes[read + 2] as number)
    out[at] = alphabet[three >> 18] as number
    out[at + 1] = alphabet[(three >> 12) & 63] as number
    out[at + 2] = alphabet[(three >> 6) & 63] as number
    out[at + 3] = alphabet[three & 63] as number
    at += 4
  }
  if (read === to) return at
  const hasTwo = read + 1 < to
  const rest = ((bytes[read] as number) << 16) | (hasTwo ? (bytes[read + 1] as number) << 8 : 0)
  out[at] = alphabet[rest >> 18] as number
  out[at + 1] = alphabet[(rest >> 12) & 63] as number
  out[at + 2] = hasTwo ? (alphabet[(rest >> 6) & 63] as number) : 0x3d
  out[at + 3] = 0x3d
  return at + 4
}
