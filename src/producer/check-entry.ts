import { RecordError } from '../errors.ts'
import { maxHashKey } from '../kinesis/hash-key.ts'
import type { PutEntry } from '../kinesis/kinesis-api.ts'
import { maxPartitionKeyLength } from '../kinesis/limits.ts'

/** Data and key as Kinesis counts them against a record's size. */
export function sizeOfEntry(entry: PutEntry): number {
  return entry.data.length + utf8Length(entry.partitionKey)
}

/** Keys are short ASCII nearly always: then a loop beats the call into native code. */
function utf8Length(text: string): number {
  if (text.length > 64) return Buffer.byteLength(text)
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return Buffer.byteLength(text)
  return text.length
}

/**
 * What Kinesis would refuse a whole request for, found before anything is sent: one bad record must not take 499 good
 * ones with it. Size is checked apart, because the stream decides about it.
 */
export function checkEntry(entry: PutEntry): RecordError | undefined {
  const { data, partitionKey, explicitHashKey } = entry
  if (!(data instanceof Uint8Array)) return new RecordError('A record needs data: a Uint8Array, possibly empty.')
  if (typeof partitionKey !== 'string' || partitionKey === '') {
    return new RecordError(`A record needs a partition key of 1 to ${maxPartitionKeyLength} characters; this has none.`)
  }
  // Code points never outnumber code units, so the count is needed only for the longest keys.
  if (partitionKey.length > maxPartitionKeyLength && [...partitionKey].length > maxPartitionKeyLength) {
    return new RecordError(
      `A partition key has at most ${maxPartitionKeyLength} characters; "${partitionKey.slice(0, 20)}..." has ${[...partitionKey].length}.`,
    )
  }
  if (explicitHashKey !== undefined && !isHashKey(explicitHashKey)) {
    return new RecordError(
      `An explicit hash key is a decimal number from 0 to 2^128-1; "${String(explicitHashKey).slice(0, 50)}" is not.`,
    )
  }
  return undefined
}

export function tooLargeError(sentBytes: number, limitBytes: number, stream: string, note = ''): RecordError {
  return new RecordError(
    `A record of ${sentBytes} bytes (data and partition key) is larger than the ${limitBytes} bytes that stream ${stream} takes${note}. Split it, or raise the stream's MaxRecordSizeInKiB (10 MiB at most).`,
  )
}

function isHashKey(text: unknown): boolean {
  return typeof text === 'string' && /^(0|[1-9]\d{0,38})$/.test(text) && BigInt(text) <= maxHashKey
}
