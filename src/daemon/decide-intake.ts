/**
 * What to do with a record that has just come:
 * - `take`: there is room
 * - `drop`: its stream is stuck and has used up its share; taking no notice lets the others go on
 * - `wait`: stop reading until there is room
 */
export type Intake = 'take' | 'drop' | 'wait'

export interface IntakeFacts {
  /** What the record takes. */
  bytes: number
  /** What its stream holds. */
  streamBytes: number
  /** Age of the oldest record of its stream, 0 when none waits. */
  streamAgeMs: number
  /** What all streams hold. */
  totalBytes: number
  /** What all streams hold beyond their own halves: see `shareOf`. */
  pooledBytes: number
  streamCount: number
  limitBytes: number
}

/**
 * Half of the memory is divided among the streams, so that each finds its part free at any time; the other half belongs
 * to those who need more just now. A stream that is stuck can so never take the room of one that is not.
 */
export function decideIntake(facts: IntakeFacts): Intake {
  const { bytes, streamBytes, streamAgeMs, totalBytes, pooledBytes, streamCount, limitBytes } = facts
  if (totalBytes === 0) return 'take'
  if (totalBytes + bytes > limitBytes) return 'wait'
  const share = shareOf(limitBytes, streamCount)
  const pooledAfter = pooledBytes - beyond(share, streamBytes) + beyond(share, streamBytes + bytes)
  if (streamBytes + bytes <= share || pooledAfter <= limitBytes / 2) return 'take'
  return streamAgeMs >= stuckMs ? 'drop' : 'wait'
}

/** What each stream has for itself. */
export function shareOf(limitBytes: number, streamCount: number): number {
  return limitBytes / 2 / Math.max(1, streamCount)
}

/** What a stream takes of the common half. */
export function beyond(share: number, streamBytes: number): number {
  return Math.max(0, streamBytes - share)
}

/** A stream whose oldest record waits so long is stuck: denied, throttled for long, or out of reach. */
export const stuckMs = 5_000
