/**
 * A consumer of a stream as it is kept. What it is at a moment follows from the moment alone, so no timer moves it:
 *
 *     -            RegisterStreamConsumer      CREATING
 *     CREATING     at `dueMs`                  ACTIVE
 *     any          DeregisterStreamConsumer    DELETING
 *     DELETING     at `dueMs`                  gone
 */
export interface ConsumerState {
  readonly name: string
  /** Epoch seconds; part of the ARN. */
  readonly createdSeconds: number
  readonly phase: 'CREATING' | 'DELETING'
  /** When the phase is over. */
  readonly dueMs: number
  readonly tags?: Readonly<Record<string, string>>
}

export type ConsumerStatus = 'CREATING' | 'ACTIVE' | 'DELETING'

/** The consumers that are there at this moment, by name. */
export function consumersAt(state: { readonly consumers?: readonly ConsumerState[] }, nowMs: number): ConsumerState[] {
  return (state.consumers ?? [])
    .filter((consumer) => consumer.phase !== 'DELETING' || consumer.dueMs > nowMs)
    .sort((left, right) => (left.name < right.name ? -1 : 1))
}

export function consumerStatus(consumer: ConsumerState, nowMs: number): ConsumerStatus {
  if (consumer.phase === 'DELETING') return 'DELETING'
  return consumer.dueMs > nowMs ? 'CREATING' : 'ACTIVE'
}
