import { type Clock, sleep, systemClock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { LeaseError, TritonCheckpointError } from '../errors.ts'
import { checkNames } from './checkpoint-row.ts'
import { holderName, isHolderGone } from './lease-holder.ts'
import { type OpenCheckpointStoreOptions, openDatabase } from './open-checkpoint-store.ts'
import type { SqlDatabase, SqlQuery } from './sql-database.ts'

/**
 * The right of one process at a time to write for a client on a stream, in a table beside the checkpoints:
 *
 *     triton_write_lease  client, stream, holder, renewal (a counter), lease_ms
 *
 * Who holds it counts `renewal` up. Who wants it and finds a holder watches that counter by his own clock: when it stood
 * still for `lease_ms` the holder is dead and the lease is taken over, so no two clocks are ever compared. A holder on
 * this machine whose process is gone needs no watching.
 *
 *     wanted -> held -> lost (somebody took it over) or released
 *
 * A lease alone fences nothing: a holder that stood still for a while learns that it lost it when it asks, and has to ask
 * (`confirm`) between the steps that could do harm.
 */
export class WriteLease implements AsyncDisposable {
  readonly #database: SqlDatabase | undefined
  readonly #place: { client: string; stream: string }
  readonly #options: Required<Pick<WriteLeaseOptions, 'leaseMs' | 'clock'>>
  readonly #holder = holderName()
  readonly #losing = new AbortController()
  readonly #closing = new AbortController()
  #renewing: Promise<void> = Promise.resolve()

  private constructor(database: SqlDatabase | undefined, client: string, stream: string, options: WriteLeaseOptions) {
    this.#database = database
    this.#place = { client, stream }
    this.#options = { leaseMs: options.leaseMs ?? 10_000, clock: options.clock ?? systemClock }
  }

  /**
   * Waits no longer than the present holder's lease, if there is one. Rejects with a `LeaseError` when that one lives.
   * `address` is the checkpoint database's; one in memory knows no others.
   */
  static async take(
    address: string,
    client: string,
    stream: string,
    options: WriteLeaseOptions = {},
  ): Promise<WriteLease> {
    checkNames(client, stream)
    const isMemory = address === 'memory:' || address === 'sqlite://:memory:'
    const database = isMemory ? undefined : openDatabase(address, options)
    const lease = new WriteLease(database, client, stream, options)
    try {
      await lease.#take(options.signal)
    } catch (error) {
      await database?.close()
      throw error
    }
    lease.#renewing = lease.#keepRenewing()
    return lease
  }

  /** Fires when somebody else has taken it over. */
  get lost(): AbortSignal {
    return this.#losing.signal
  }

  /** Resolves while the lease is ours, which it then is for `leaseMs` more; rejects with a `LeaseError` else. */
  async confirm(): Promise<void> {
    if (!this.#losing.signal.aborted && (await this.#renew())) return
    this.#losing.abort()
    const { client, stream } = this.#place
    throw new LeaseError(
      `another process took over storing ${stream} as client ${client}: this one stood still for too long, and ends`,
    )
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    await this.#renewing
    const { client, stream } = this.#place
    try {
      await this.#change('release', (query) =>
        query('DELETE FROM triton_write_lease WHERE client = $1 AND stream = $2 AND holder = $3', [
          client,
          stream,
          this.#holder,
        ]),
      )
    } catch (error) {
      // Who comes next finds that this process is gone, or waits until the lease has run out.
      if (!(error instanceof TritonCheckpointError)) throw error
    } finally {
      await this.#database?.close()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #take(signal?: AbortSignal): Promise<void> {
    const { clock } = this.#options
    let seen: Holding | undefined
    let seenMs = 0
    for (;;) {
      const isRunOut = seen !== undefined && clock.monotonic() - seenMs >= seen.leaseMs
      const holding = await this.#tryTake(isRunOut ? seen : undefined)
      if (holding === undefined) return
      if (
        (seen !== undefined && (holding.holder !== seen.holder || holding.renewal !== seen.renewal)) ||
        signal?.aborted
      )
        throw this.#refused(holding)
      if (seen === undefined) seenMs = clock.monotonic()
      seen = holding
      await sleep(clock, Math.max(10, Math.min(holding.leaseMs / 10, 1_000)), signal)
    }
  }

  /** Undefined when it is ours; else who has it. `stale`: a holding that stood still for as long as it lasts. */
  async #tryTake(stale: Holding | undefined): Promise<Holding | undefined> {
    if (this.#database === undefined) return undefined
    const { client, stream } = this.#place
    const { leaseMs } = this.#options
    const database = this.#database
    let takenFrom: string | undefined
    const left = await this.#change('take', async (query) => {
      const found = await database.findTables(query, ['triton_write_lease'])
      if (!found.has('triton_write_lease')) await query(createTable)
      await query(
        `INSERT INTO triton_write_lease (client, stream, holder, renewal, lease_ms) VALUES ($1, $2, $3, 1, $4)
         ON CONFLICT (client, stream) DO NOTHING`,
        [client, stream, this.#holder, leaseMs],
      )
      const { rows } = await query(
        `SELECT holder, renewal, lease_ms FROM triton_write_lease WHERE client = $1 AND stream = $2${database.forUpdate}`,
        [client, stream],
      )
      const holding = holdingOf(rows[0])
      if (holding.holder === this.#holder) return undefined
      const isStale = stale?.holder === holding.holder && stale.renewal === holding.renewal
      if (!isStale && !isHolderGone(holding.holder)) return holding
      takenFrom = holding.holder
      await query(
        `UPDATE triton_write_lease SET holder = $3, renewal = renewal + 1, lease_ms = $4
         WHERE client = $1 AND stream = $2`,
        [client, stream, this.#holder, leaseMs],
      )
      return undefined
    })
    if (takenFrom !== undefined) report({ type: 'lease-taken-over', client, stream, from: takenFrom })
    return left
  }

  async #renew(): Promise<boolean> {
    if (this.#database === undefined) return true
    const { client, stream } = this.#place
    const { changedCount } = await this.#change('renew', (query) =>
      query('UPDATE triton_write_lease SET renewal = renewal + 1 WHERE client = $1 AND stream = $2 AND holder = $3', [
        client,
        stream,
        this.#holder,
      ]),
    )
    return changedCount > 0
  }

  async #keepRenewing(): Promise<void> {
    const { leaseMs, clock } = this.#options
    for (;;) {
      await sleep(clock, leaseMs / 4, this.#closing.signal)
      if (this.#closing.signal.aborted || this.#losing.signal.aborted) return
      try {
        if (!(await this.#renew())) this.#losing.abort()
      } catch (error) {
        // A database that is away takes the lease from nobody; who writes asks before he does.
        if (!(error instanceof TritonCheckpointError)) throw error
      }
    }
  }

  #refused({ holder }: Holding): LeaseError {
    const { client, stream } = this.#place
    return new LeaseError(
      `client ${client} is already storing ${stream}, in the process ${holder}: stop that one, or take another client name`,
    )
  }

  async #change<T>(act: string, work: (query: SqlQuery) => Promise<T>): Promise<T> {
    const { client, stream } = this.#place
    if (this.#database === undefined) return work(async () => ({ rows: [], changedCount: 0 }))
    return this.#database.transaction(
      {
        purpose: `${act} the lease of client ${client} on stream ${stream}`,
        mode: 'write',
        onRetry: (errorCode, attempt, delayMs) =>
          report({ type: 'checkpoint-retry', client, stream, errorCode, attempt, delayMs }),
      },
      work,
    )
  }
}

export interface WriteLeaseOptions extends OpenCheckpointStoreOptions {
  /** After how long without a sign of life others may take it over, in milliseconds. @default 10_000 */
  leaseMs?: number
  /** Ends the waiting for a holder that may be dead. */
  signal?: AbortSignal
  /** @default systemClock */
  clock?: Clock
}

interface Holding {
  holder: string
  renewal: number
  leaseMs: number
}

function holdingOf(row: Record<string, unknown> | undefined): Holding {
  return {
    holder: String(row?.['holder']),
    renewal: Number(row?.['renewal']),
    leaseMs: Number(row?.['lease_ms']),
  }
}

const createTable = `CREATE TABLE IF NOT EXISTS triton_write_lease (
	client VARCHAR(255) NOT NULL,
	stream VARCHAR(255) NOT NULL,
	holder VARCHAR(255) NOT NULL,
	renewal BIGINT NOT NULL,
	lease_ms INTEGER NOT NULL,
	PRIMARY KEY (client, stream))`
