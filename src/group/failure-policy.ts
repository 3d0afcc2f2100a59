import type { StreamRecord } from '../consumer/stream-record.ts'

/**
 * What becomes of a record that fails for good:
 *
 * - `stop-shard`: its shard halts before it, which is told, and tries it again slowly; other shards go on
 * - `skip`: it is left out, which is told
 * - a dead-letter place: it is put there, with the reason, and then left out; while that fails, the shard halts
 */
export type FailurePolicy = 'stop-shard' | 'skip' | DeadLetterPlace

/** Where records go that could not be handled. */
export interface DeadLetterPlace {
  /** For messages: `stream orders-dead`, `directory /var/dead`. */
  readonly description: string
  /** Resolved: it is kept there. May get the same letter twice. */
  send(letter: DeadLetter): Promise<void>
}

export interface DeadLetter {
  client: string
  stream: string
  shardId: string
  sequenceNumber: string
  subSequenceNumber?: number
  partitionKey: string
  arrivedAt: Date
  /** As they lay in the stream. */
  bytes: Uint8Array
  /** They are not what the stream's format says. */
  isUndecodable?: boolean
  /** What the handler said last. */
  reason: string
  /** How often it was tried. */
  attempts: number
  failedAt: Date
}

export function deadLetterOf(
  record: StreamRecord<unknown>,
  about: Pick<DeadLetter, 'client' | 'stream' | 'reason' | 'attempts' | 'failedAt'>,
): DeadLetter {
  const { shardId, sequenceNumber, subSequenceNumber, partitionKey, arrivedAt, bytes } = record
  return {
    ...about,
    ...{ shardId, sequenceNumber, partitionKey, arrivedAt, bytes },
    ...(subSequenceNumber === undefined ? {} : { subSequenceNumber }),
    ...(record.error === undefined ? {} : { isUndecodable: true }),
  }
}
