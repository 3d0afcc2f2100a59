import type { Config } from '../config.ts'
import type { DurableRefusalReason } from './durable-protocol.ts'
import type { Message } from './message-frames.ts'
import type { OnKept } from './record-queue.ts'
import type { StreamFacts } from './stream-facts.ts'

/** Where accepted records go: to Kinesis by way of memory or a spool, or to a file. */
export interface RecordKeeper {
  /** Streams that a configuration names. Resolves when they are ready. */
  configure(config: Config): Promise<void>
  /**
   * Takes the message over, or has counted why not. A promise says that there was no room: the record was taken when it
   * resolves, and no other may be offered before.
   */
  take(message: Message): Promise<void> | undefined
  readonly waitingCount: number
  /** Taken over so far. */
  readonly acceptedCount: number
  /** How each stream fares; none where all names are taken. */
  streams(): StreamFacts[]
  /**
   * Brings everything that waits to where it belongs. When `signal` fires it ends as it is; answers how many records are
   * lost then.
   */
  finish(signal: AbortSignal): Promise<number>
}

/** A keeper that can answer for what it keeps. */
export interface DurableKeeper extends RecordKeeper {
  /** Takes the record over, to call `onKept` when it is safe; or answers at once why not. */
  takeDurable(record: Omit<Message, 'isKeyRepaired'>, onKept: OnKept): Refusal | undefined
}

export interface Refusal {
  reason: DurableRefusalReason
  /** For people. */
  text: string
}
