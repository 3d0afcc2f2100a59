import { FormatError } from '../errors.ts'

/*
 * How `putDurable` hands records to tritond and hears that they are in its spool: DEALER (client) to ROUTER (daemon),
 * one frame a message, batches both ways. docs/durable-protocol.md is the page for those who write a client of their
 * own. All numbers are big-endian; texts are UTF-8.
 *
 *   every message   'T' 'D', version (1), kind, then in kind 1 the batch number (u32), in kind 2 the count of answers (u32)
 *   kind 1, put     u32 record count; each record: u16 bytes of stream name, u16 bytes of partition key, u32 bytes of
 *                   body, then the three
 *   kind 2, answer  each answer: u32 batch number, u32 refusal count; each refusal: u32 index of the record in its batch
 *                   (0xffffffff: the whole batch), u8 reason, u16 bytes of text, then the text. What no refusal names is in the spool.
 *
 * The first eight bytes stay what they are in every version, so that a put of an unknown one can be refused by its number.
 */

export const durableVersion = 1
/** A client closes a batch at this many records or bytes; one larger record travels alone. */
export const maxDurableBatchRecords = 1000
export const maxDurableBatchBytes = 1024 * 1024
/** What the daemon takes in one message: more, however small, would only cost it memory. */
export const mostDurableBatchRecords = 65_536
/** What the daemon takes as one message: the largest record of Kinesis, its key and its name fit. */
export const maxDurableMessageBytes = 16 * 1024 * 1024

/** One record of a batch. */
export interface DurableRecord {
  /** The key in triton.yaml. At most 65,535 bytes of UTF-8, as has the partition key. */
  readonly streamName: string
  readonly partitionKey: string
  readonly body: Uint8Array
}

export interface DurablePut {
  /** The client's own; an answer repeats it. A batch that is sent again keeps it. */
  readonly batchNumber: number
  readonly records: readonly (DurableRecord & { readonly body: Buffer })[]
  readonly problem?: undefined
}

/** A put that can't be read. With its number, when there is one, it is to be answered by a refusal of the whole batch. */
export interface UnreadablePut {
  readonly problem: string
  readonly reason: 'unknown-version' | 'malformed'
  readonly batchNumber?: number
}

/** What became of one batch: records that no refusal names are in the spool, synced as the daemon's `--sync` says. */
export interface DurableAnswer {
  readonly batchNumber: number
  readonly refusals: readonly DurableRefusal[]
}

export interface DurableRefusal {
  /** Index of the record in its batch. */
  readonly index: number | 'all'
  readonly reason: DurableRefusalReason
  /** For people. */
  readonly text: string
}

export type DurableRefusalReason = (typeof durableRefusalReasons)[number]

/** A reason's place is its number on the wire: new ones go to the end. */
export const durableRefusalReasons = [
  /** A number that this version does not know. */
  'other',
  /** The daemon runs without `--spool`. */
  'no-spool',
  /** Not in the daemon's triton.yaml. */
  'unknown-stream',
  /** Kinesis takes no such partition key. */
  'partition-key-refused',
  /** The stream takes no such size. */
  'record-too-large',
  /** The stream's share of `--spool-max` is taken: later. */
  'spool-full',
  /** The disk refused: later. */
  'spool-failed',
  'unknown-version',
  'malformed',
] as const

/** Whether the same record may be taken later without anybody changing anything. */
export function isPassing(reason: DurableRefusalReason): boolean {
  return reason === 'spool-full' || reason === 'spool-failed'
}

export function encodeDurablePut(batchNumber: number, records: readonly DurableRecord[]): Buffer {
  let length = putHeadBytes
  for (const { streamName, partitionKey, body } of records)
    length += recordHeadBytes + Buffer.byteLength(streamName) + Buffer.byteLength(partitionKey) + body.length
  const frame = Buffer.allocUnsafe(length)
  let at = writeHead(frame, putKind, batchNumber)
  at = frame.writeUInt32BE(records.length, at)
  for (const { streamName, partitionKey, body } of records) {
    const start = at + recordHeadBytes
    const nameBytes = frame.write(streamName, start)
    const keyBytes = frame.write(partitionKey, start + nameBytes)
    frame.writeUInt16BE(nameBytes, at)
    frame.writeUInt16BE(keyBytes, at + 2)
    frame.writeUInt32BE(body.length, at + 4)
    frame.set(body, start + nameBytes + keyBytes)
    at = start + nameBytes + keyBytes + body.length
  }
  return frame
}

/** Never throws. The bodies are views of the frame. */
export function decodeDurablePut(frame: Buffer): DurablePut | UnreadablePut {
  if (frame.length < headBytes || frame[0] !== magic0 || frame[1] !== magic1)
    return malformed('it does not begin as a message of this protocol')
  const batchNumber = frame.readUInt32BE(4)
  const version = frame[2] as number
  if (version !== durableVersion)
    return {
      problem: `it is of version ${version} of the protocol; this daemon speaks version ${durableVersion}`,
      reason: 'unknown-version',
      batchNumber,
    }
  if (frame[3] !== putKind) return malformed(`it is of kind ${frame[3]}, which is no put`)
  if (frame.length < putHeadBytes) return malformed('it ends inside its head', batchNumber)
  const records: DurablePut['records'][number][] = []
  const count = frame.readUInt32BE(8)
  if (count > mostDurableBatchRecords)
    return malformed(`it tells of ${count} records, where ${mostDurableBatchRecords} are the most`, batchNumber)
  let at = putHeadBytes
  for (let index = 0; index < count; index++) {
    const start = at + recordHeadBytes
    if (start > frame.length) return malformed(`it ends inside record ${index} of ${count}`, batchNumber)
    const nameEnd = start + frame.readUInt16BE(at)
    const keyEnd = nameEnd + frame.readUInt16BE(at + 2)
    const end = keyEnd + frame.readUInt32BE(at + 4)
    if (end > frame.length) return malformed(`it ends inside record ${index} of ${count}`, batchNumber)
    records.push({
      streamName: frame.toString('utf8', start, nameEnd),
      partitionKey: frame.toString('utf8', nameEnd, keyEnd),
      body: frame.subarray(keyEnd, end),
    })
    at = end
  }
  if (at !== frame.length)
    return malformed(`${frame.length - at} bytes follow the last of ${count} records`, batchNumber)
  return { batchNumber, records }
}

/** One message for everything that became clear at the same time, such as by one sync of the spool. */
export function encodeDurableAnswers(answers: readonly DurableAnswer[]): Buffer {
  let length = headBytes
  for (const { refusals } of answers) {
    length += answerHeadBytes
    for (const { text } of refusals) length += refusalHeadBytes + textBytes(text)
  }
  const frame = Buffer.allocUnsafe(length)
  let at = writeHead(frame, answerKind, answers.length)
  for (const { batchNumber, refusals } of answers) {
    at = frame.writeUInt32BE(batchNumber, at)
    at = frame.writeUInt32BE(refusals.length, at)
    for (const { index, reason, text } of refusals) {
      at = frame.writeUInt32BE(index === 'all' ? wholeBatch : index, at)
      at = frame.writeUInt8(durableRefusalReasons.indexOf(reason), at)
      at = frame.writeUInt16BE(textBytes(text), at)
      at += Buffer.from(text).copy(frame, at, 0, textBytes(text))
    }
  }
  return frame
}

/** Throws a FormatError for bytes that are no answers. */
export function decodeDurableAnswers(frame: Buffer): DurableAnswer[] {
  let at = headBytes
  const take = (bytes: number): number => {
    if (at + bytes > frame.length) throw new FormatError("the daemon's answer ends too early", at)
    at += bytes
    return at - bytes
  }
  if (frame.length < headBytes || frame[0] !== magic0 || frame[1] !== magic1 || frame[3] !== answerKind)
    throw new FormatError(
      'it does not begin as an answer of tritond: is it tritond that listens at the durable port?',
      0,
    )
  if (frame[2] !== durableVersion)
    throw new FormatError(`the daemon answers in version ${frame[2]} of the protocol, not ${durableVersion}`, 2)
  const answers: DurableAnswer[] = []
  for (let left = frame.readUInt32BE(4); left > 0; left--) {
    const batchNumber = frame.readUInt32BE(take(4))
    const refusals: DurableRefusal[] = []
    for (let count = frame.readUInt32BE(take(4)); count > 0; count--) {
      const index = frame.readUInt32BE(take(4))
      const reason = durableRefusalReasons[frame.readUInt8(take(1))] ?? 'other'
      const textLength = frame.readUInt16BE(take(2))
      const start = take(textLength)
      const text = frame.toString('utf8', start, start + textLength)
      refusals.push({ index: index === wholeBatch ? 'all' : index, reason, text })
    }
    answers.push({ batchNumber, refusals })
  }
  if (at !== frame.length) throw new FormatError("bytes follow the daemon's answers", at)
  return answers
}

const magic0 = 0x54
const magic1 = 0x44
const putKind = 1
const answerKind = 2
const headBytes = 8
const putHeadBytes = 12
const recordHeadBytes = 8
const answerHeadBytes = 8
const refusalHeadBytes = 7
const wholeBatch = 0xffff_ffff
const maxRefusalTextBytes = 1000

function writeHead(frame: Buffer, kind: number, number: number): number {
  frame[0] = magic0
  frame[1] = magic1
  frame[2] = durableVersion
  frame[3] = kind
  return frame.writeUInt32BE(number, 4)
}

function malformed(problem: string, batchNumber?: number): UnreadablePut {
  return { problem, reason: 'malformed', ...(batchNumber !== undefined && { batchNumber }) }
}

/** A longer text is cut: nobody reads it, and it may hold what a client sent. */
function textBytes(text: string): number {
  return Math.min(maxRefusalTextBytes, Buffer.byteLength(text))
}
