import type { FormatError } from '../errors.ts'
import type { EncodedRecord } from '../kinesis/kinesis-api.ts'

/**
 * One record as it is handed to the application: what Kinesis says about it, and what it says.
 * `error` tells the two kinds apart: without it `data` is there.
 */
export type StreamRecord<T> = DecodedRecord<T> | UndecodedRecord

export interface DecodedRecord<T> extends RecordFacts {
  data: T
  error?: undefined
}

/** The bytes are not what the stream's format says; they stand in `bytes` as they came. */
export interface UndecodedRecord extends RecordFacts {
  data: undefined
  error: FormatError
}

export interface RecordFacts {
  shardId: string
  sequenceNumber: string
  /** Place inside an aggregate, when the record came in one. */
  subSequenceNumber?: number
  partitionKey: string
  /** When Kinesis accepted it (ApproximateArrivalTimestamp). */
  arrivedAt: Date
  /** As they lie in the stream. A view into a buffer of some 32 KiB that its neighbours share: copy what is kept for long. */
  bytes: Uint8Array
}

/** Bytes into a value. Never throws: bad bytes are an answer. */
export type Decode<T> = (bytes: Uint8Array) => { data: T; error?: undefined } | { data?: undefined; error: FormatError }

export function toStreamRecord<T>(shardId: string, encoded: EncodedRecord, decode: Decode<T>): StreamRecord<T> {
  const outcome = decode(encoded.bytes)
  if (outcome.error !== undefined) {
    return {
      shardId,
      sequenceNumber: encoded.sequenceNumber,
      partitionKey: encoded.partitionKey,
      arrivedAt: new Date(encoded.arrivedAtMs),
      data: undefined,
      error: outcome.error,
      bytes: encoded.bytes,
    }
  }
  return {
    shardId,
    sequenceNumber: encoded.sequenceNumber,
    partitionKey: encoded.partitionKey,
    arrivedAt: new Date(encoded.arrivedAtMs),
    data: outcome.data,
    bytes: encoded.bytes,
  }
}
