import { sleep, systemClock } from '../clock.ts'
import { NotFoundError, UnavailableError } from '../errors.ts'
import { createAwsKinesisApi } from '../kinesis/aws-kinesis-api.ts'
import type { KinesisApi, StreamSummary } from '../kinesis/kinesis-api.ts'
import { isOpen, type Shard, shardIdOf, shardIndexOf } from '../kinesis/shard.ts'
import { patientCall } from '../stream/patient-call.ts'
import { troubleAt } from './engine-trouble.ts'
import { type PlaceFlags, placeOf } from './flags.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { tell } from './tell.ts'

/** One stream, for the commands that look at it and change it. */
export interface StreamAdmin {
  /** Its name in Kinesis. */
  name: string
  api: KinesisApi
  /** Where Kinesis is asked for, when that is not AWS. */
  endpoint?: string
}

/** Runs `act` on the stream that the flags mean; connections and log are given back afterwards. */
export async function administer<T>(
  streamName: string,
  flags: PlaceFlags,
  act: (admin: StreamAdmin) => Promise<T>,
): Promise<T> {
  const { name, region, endpoint } = placeOf(streamName, flags)
  const stopLog = logDiagnostics(flags.verbose)
  const api = createAwsKinesisApi({
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
  })
  try {
    // As the AWS SDK looks for it, but for profiles: those are not how a local engine is told of.
    const asked = endpoint ?? process.env['AWS_ENDPOINT_URL_KINESIS'] ?? process.env['AWS_ENDPOINT_URL']
    return await act({ name, api, ...(asked !== undefined && { endpoint: asked }) })
  } finally {
    api.close()
    stopLog()
  }
}

export function shardsOf({ name, api }: StreamAdmin): Promise<Shard[]> {
  return patientCall(`list the shards of stream "${name}"`, (signal) => api.listShards(name, signal))
}

export function summaryOf({ name, api }: StreamAdmin): Promise<StreamSummary> {
  return patientCall(`describe stream "${name}"`, (signal) => api.describeStreamSummary(name, signal))
}

/** The open shard with this number or id. */
export async function openShardOf(admin: StreamAdmin, numberOrId: string): Promise<Shard> {
  const wanted = /^\d{1,12}$/.test(numberOrId) ? shardIdOf(Number(numberOrId)) : numberOrId
  const shards = await shardsOf(admin)
  const shard = shards.find(({ shardId }) => shardId === wanted)
  if (shard && isOpen(shard)) return shard
  const numbers = shards.filter(isOpen).map(({ shardId }) => shardIndexOf(shardId) ?? shardId)
  throw new NotFoundError(
    `${shard ? `${wanted} of stream "${admin.name}" is closed already` : `stream "${admin.name}" has no shard ${wanted}`}; ` +
      `its open shards are ${numbers.slice(0, 20).join(', ')}${numbers.length > 20 ? ', ...' : ''}`,
  )
}

/** Waits until the stream is ACTIVE and answers what it is like then; a change of shards takes AWS up to minutes. */
export async function waitUntilActive(admin: StreamAdmin): Promise<StreamSummary> {
  const patience = new Patience(admin)
  for (;;) {
    const summary = await summaryOf(admin)
    if (summary.status === 'ACTIVE') return summary
    await patience.wait(summary.status)
  }
}

export async function waitUntilGone(admin: StreamAdmin): Promise<void> {
  const patience = new Patience(admin)
  for (;;) {
    const status = await summaryOf(admin).then(
      (summary) => summary.status,
      (error) => {
        if (error instanceof NotFoundError) return undefined
        throw error
      },
    )
    if (status === undefined) return
    await patience.wait(status)
  }
}

export function tellActive({ name, openShardCount }: StreamSummary): void {
  tell(`stream ${name} is ACTIVE with ${openShardCount} open ${openShardCount === 1 ? 'shard' : 'shards'}`)
}

const longestChangeMs = 15 * 60_000

/** A change that takes longer is worth a word, in milliseconds. */
const quickChangeMs = 3_000

/** How long we wait between two looks, and when no longer. */
class Patience {
  readonly #admin: StreamAdmin
  readonly #startedMs = systemClock.monotonic()
  #delayMs = 50
  #hasTold = false

  constructor(admin: StreamAdmin) {
    this.#admin = admin
  }

  async wait(status: string): Promise<void> {
    const waitedMs = systemClock.monotonic() - this.#startedMs
    if (waitedMs > longestChangeMs) throw notInTime(this.#admin, status)
    if (waitedMs > quickChangeMs) {
      await this.#askEngine(status)
      if (!this.#hasTold) tell(`stream ${this.#admin.name} is still ${status}; waiting`)
      this.#hasTold = true
    }
    await sleep(systemClock, this.#delayMs)
    this.#delayMs = Math.min(2 * this.#delayMs, 2_000)
  }

  /** AWS gets done what it began; a local engine may be out of disk, and says so where it is asked for its health. */
  async #askEngine(status: string): Promise<void> {
    const { name, endpoint } = this.#admin
    const trouble = endpoint === undefined ? undefined : await troubleAt(endpoint)
    if (trouble === undefined) return
    throw new UnavailableError(
      `stream "${name}" is still ${status}, because the engine at ${endpoint} is in trouble: ${trouble.replace(/\.$/, '')}. It goes on trying; \`triton stream describe -s ${name}\` tells when it is done`,
    )
  }
}

function notInTime({ name }: StreamAdmin, status: string): UnavailableError {
  return new UnavailableError(
    `stream "${name}" is still ${status} after ${longestChangeMs / 60_000} minutes. \`triton stream describe -s ${name}\` tells when it is done`,
  )
}
