import type { StateStore } from './state-store.ts'

/** How long a commitment lasts at least, in milliseconds (AWS: on-demand streams with committed throughput). */
const leastCommitmentMs = 24 * 3_600_000

const settingName = 'minimum throughput billing commitment'

/**
 * The account's promise to pay for a minimum of throughput: kept and told, without any effect.
 *
 *     DISABLED                              enabled                      ENABLED
 *     ENABLED                               disabled within a day        ENABLED_UNTIL_EARLIEST_ALLOWED_END
 *     ENABLED                               disabled later               DISABLED
 *     ENABLED_UNTIL_EARLIEST_ALLOWED_END    enabled                      ENABLED
 *     ENABLED_UNTIL_EARLIEST_ALLOWED_END    a day after its start        DISABLED
 */
export class AccountSettings {
  readonly #store: StateStore
  #commitment: Commitment

  constructor(store: StateStore) {
    this.#store = store
    this.#commitment = JSON.parse(store.setting(settingName) ?? '{}') as Commitment
  }

  commitment(nowMs: number): CommitmentNow {
    const { startedMs, endsMs } = this.#commitment
    if (startedMs === undefined) return { status: 'DISABLED' }
    if (endsMs !== undefined && endsMs <= nowMs) return { status: 'DISABLED', startedMs, endedMs: endsMs }
    const status = endsMs === undefined ? 'ENABLED' : 'ENABLED_UNTIL_EARLIEST_ALLOWED_END'
    return { status, startedMs, earliestEndMs: startedMs + leastCommitmentMs }
  }

  setCommitment(wanted: 'ENABLED' | 'DISABLED', nowMs: number): void {
    const { status, startedMs = nowMs } = this.commitment(nowMs)
    if (wanted === 'ENABLED') this.#keep({ startedMs: status === 'DISABLED' ? nowMs : startedMs })
    else if (status === 'ENABLED') this.#keep({ startedMs, endsMs: Math.max(nowMs, startedMs + leastCommitmentMs) })
  }

  #keep(commitment: Commitment): void {
    this.#store.saveSetting(settingName, JSON.stringify(commitment))
    this.#commitment = commitment
  }
}

/** All in epoch milliseconds. Empty: there never was one. */
interface Commitment {
  readonly startedMs?: number
  /** When it ended or will end. */
  readonly endsMs?: number
}

export interface CommitmentNow {
  readonly status: 'ENABLED' | 'DISABLED' | 'ENABLED_UNTIL_EARLIEST_ALLOWED_END'
  readonly startedMs?: number
  readonly endedMs?: number
  readonly earliestEndMs?: number
}
