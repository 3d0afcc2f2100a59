import type { LiveStream } from '../state/live-stream.ts'
import type { AppendBlock } from '../stream-log.ts'
import { SequenceText } from './sequence-text.ts'

/** Gives out the sequence numbers of a request's blocks, record by record. */
export class WrittenNumbers {
  readonly #texts = new Map<number, SequenceText>()

  constructor(stream: LiveStream, blocks: readonly AppendBlock[]) {
    for (const { shardIndex, firstSeqIx, seqTimeSeconds } of blocks) {
      const createdSeconds = stream.shard(shardIndex)?.createdSeconds ?? 0
      this.#texts.set(shardIndex, new SequenceText(createdSeconds, shardIndex, firstSeqIx, seqTimeSeconds))
    }
  }

  /** The number of the shard's next record in request order. */
  next(shardIndex: number): string {
    const text = this.#texts.get(shardIndex)
    if (text === undefined) throw new Error(`no record was written to shard ${shardIndex}`)
    const number = text.toString()
    text.advance()
    return number
  }
}
