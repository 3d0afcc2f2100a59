import { spareMemory } from '../spare-memory.ts'
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
  const out = spareMemory.take(rest.length + pageStart.length + 2 + mostBytes(blocks))
  const memory = memoryOf(out)
  let at = pageStart.copy(out)
  for (const block of blocks) at = writeBlock(memory, at, shard, block, encryptionType)
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
  memory: Memory,
  start: number,
  shard: ShardState,
  block: LogBlock,
  encryptionType: 'KMS' | undefined,
): number {
  const { bytes: out } = memory
  const { bytes } = block
  const packed = memoryOf(bytes)
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
    if (left > 1) number.advance()
    at = writeBase64(memory, at + head.length, packed, dataAt, end)
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

/** By twelve bits: the two characters that they become. */
const pairs = Uint16Array.from(
  { length: 4096 },
  (_, bits) => ((alphabet[bits >> 6] as number) << 8) | (alphabet[bits & 63] as number),
)

/** Short data is quicker encoded here than by a string that is made and copied. */
const longestByHand = 320

function writeBase64(out: Memory, start: number, from: Memory, dataAt: number, end: number): number {
  if (end - dataAt > longestByHand)
    return start + out.bytes.write(from.bytes.toString('base64', dataAt, end), start, 'latin1')
  let at = start
  let read = dataAt
  // Four bytes are read for the sake of three: one access instead of three.
  for (; read + 3 < end; read += 3) {
    const three = from.view.getUint32(read) >>> 8
    out.view.setUint32(at, ((pairs[three >> 12] as number) << 16) | (pairs[three & 0xfff] as number))
    at += 4
  }
  if (read === end) return at
  const { bytes } = from
  const left = end - read
  const second = left > 1 ? (bytes[read + 1] as number) : 0
  const third = left > 2 ? (bytes[read + 2] as number) : 0
  const rest = ((bytes[read] as number) << 16) | (second << 8) | third
  out.bytes[at] = alphabet[rest >> 18] as number
  out.bytes[at + 1] = alphabet[(rest >> 12) & 63] as number
  out.bytes[at + 2] = left > 1 ? (alphabet[(rest >> 6) & 63] as number) : padding
  out.bytes[at + 3] = left > 2 ? (alphabet[rest & 63] as number) : padding
  return at + 4
}

const padding = 0x3d

/** Bytes, and the way to several of them at once. */
interface Memory {
  readonly bytes: Buffer
  readonly view: DataView
}

function memoryOf(bytes: Buffer): Memory {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) }
}
