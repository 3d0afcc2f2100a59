/** How one stream of a running daemon fares just now. */
export interface StreamFacts {
  /** Logical name. */
  streamName: string
  /** Its name in Kinesis. */
  realName: string
  /** Taken over since the daemon started. */
  acceptedCount: number
  /** Waiting: no outcome yet. */
  recordCount: number
  /** What they take, as it counts against the limit. */
  bytes: number
  /** How long the oldest of them has waited, in milliseconds; 0 when none waits. */
  oldestAgeMs: number
  /** The spool takes none of its records just now. */
  isBlocked: boolean
}
