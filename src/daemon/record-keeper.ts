import type { Config } from '../config.ts'
import type { Message } from './message-frames.ts'

/** Where accepted records go: to Kinesis by way of memory or a spool, or to a file. */
export interface RecordKeeper {
  /** Streams that a configuration names. Waits until they are ready. */
  configure(config: Config): Promise<void>
  /**
   * Takes the message over, or has counted why not. A promise says that there was no room: the record was taken when it
   * resolves, and no other may be offered before.
   */
  take(message: Message): Promise<void> | undefined
  readonly waitingCount: number
  /**
   * Brings everything that waits to where it belongs. When `signal` fires it ends as it is; answers how many records are
   * lost then.
   */
  finish(signal: AbortSignal): Promise<number>
}
