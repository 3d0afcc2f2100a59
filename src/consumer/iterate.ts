import { type IterateOptions, resolveSettings, type StartPosition, type StreamSource } from './read-settings.ts'
import { StreamIterator } from './stream-iterator.ts'

/**
 * Reads a stream from `start` on; every named iterator is a call of this. The start is taken at once, in the
 * background; records are fetched from the first `next` on.
 */
export function iterate<T>(
  source: StreamSource<T>,
  start: StartPosition,
  options: IterateOptions = {},
): StreamIterator<T> {
  return new StreamIterator(resolveSettings(source, start, options), source.decode)
}

/** The start behind one record of one shard; goes with `shardNumbers: [shardNumber]`. */
export function afterSequenceNumber(shardId: string, sequenceNumber: string): StartPosition {
  return { from: 'positions', positions: new Map([[shardId, { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber }]]) }
}
