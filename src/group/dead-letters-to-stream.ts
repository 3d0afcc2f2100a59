import type { DeadLetter, DeadLetterPlace } from './failure-policy.ts'

/** What a stream must be able to do to take dead letters; `getStream` gives such. */
export interface LetterStream {
  readonly definition: { readonly streamName: string }
  put(record: never, keys: { partitionKey: string }): Promise<unknown>
}

/**
 * Dead letters as records of another stream, under the partition key that they had: maps of all that a letter says, the
 * record's own bytes in `bytes`. The stream's format must be msgpack.
 */
export function deadLettersTo(stream: LetterStream): DeadLetterPlace {
  return {
    description: `the stream ${stream.definition.streamName}`,
    async send(letter: DeadLetter): Promise<void> {
      const { arrivedAt, failedAt, ...rest } = letter
      const record = { ...rest, arrivedAt: arrivedAt.toISOString(), failedAt: failedAt.toISOString() }
      await stream.put(record as never, { partitionKey: letter.partitionKey })
    },
  }
}
