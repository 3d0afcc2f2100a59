/** Where reading of a shard begins, in the API's own words. */
export type Position =
  | { type: 'TRIM_HORIZON' }
  | { type: 'LATEST' }
  | { type: 'AT_TIMESTAMP' /** Epoch milliseconds. */; timestampMs: number }
  | {
      type: 'AT_SEQUENCE_NUMBER'
      sequenceNumber: string /** First sub-sequence number to read. */
      subSequenceNumber?: number
    }
  | {
      type: 'AFTER_SEQUENCE_NUMBER'
      sequenceNumber: string
      /** Within an aggregate, the last user record that was read; the aggregate is read again and cut behind it. */
      subSequenceNumber?: number
    }

/** One line for people: `after 4957...`, `from the oldest record`. */
export function describePosition(position: Position): string {
  switch (position.type) {
    case 'TRIM_HORIZON':
      return 'the oldest record'
    case 'LATEST':
      return 'the latest record'
    case 'AT_TIMESTAMP':
      return `the first record at or after ${new Date(position.timestampMs).toISOString()}`
    case 'AT_SEQUENCE_NUMBER':
      return `sequence number ${position.sequenceNumber}`
    case 'AFTER_SEQUENCE_NUMBER':
      return `after sequence number ${position.sequenceNumber}`
  }
}
