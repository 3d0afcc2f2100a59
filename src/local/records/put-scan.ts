import { maxPartitionKeyLength } from '../../kinesis/limits.ts'

/** Records in one PutRecords request. */
export const mostScanned = 500

/**
 * Where the records of a PutRecords body, or the one of a PutRecord, lie, found without decoding it. Only plain bodies
 * are scanned: the members that nearly every client sends (StreamName, and Records of Data and PartitionKey), each once,
 * keys of ASCII that need no escape. Of anything else the scan answers false, and then the ordinary way decides what it
 * is.
 */
export abstract class PutScan {
  streamName = ''
  count = 0
  readonly keyAt = new Int32Array(mostScanned)
  readonly keyLength = new Int32Array(mostScanned)
  /** Where Data lies in the body, and how many bytes it takes there. */
  readonly dataAt = new Int32Array(mostScanned)
  readonly dataLength = new Int32Array(mostScanned)

  /** Whether the body is plain. The scan's findings hold until the next one. */
  scan(body: Buffer, operation: 'PutRecord' | 'PutRecords'): boolean {
    this.streamName = ''
    this.count = 0
    const isPlain = operation === 'PutRecord' ? this.findOne(body) : this.find(body)
    return isPlain && this.streamName !== '' && this.count > 0
  }

  protected abstract find(body: Buffer): boolean

  protected abstract findOne(body: Buffer): boolean

  /** How many bytes of data a record has, or -1 when that can't be told. */
  abstract dataBytes(body: Buffer, record: number): number

  /** Writes a record's data; false when the body does not hold what it should. */
  abstract copyData(body: Buffer, record: number, target: Buffer, at: number): boolean
}

/** Whether the bytes are a partition key of ASCII letters, which is as long as it has bytes. */
export function isPlainKey(body: Buffer, start: number, length: number): boolean {
  if (length < 1 || length > maxPartitionKeyLength || start + length > body.length) return false
  for (let at = start; at < start + length; at++) if ((body[at] as number) > 0x7f) return false
  return true
}

export function isAt(body: Buffer, at: number, word: Uint8Array): boolean {
  if (at + word.length > body.length) return false
  for (let index = 0; index < word.length; index++) if (body[at + index] !== word[index]) return false
  return true
}
