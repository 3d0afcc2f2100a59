import { sleep, systemClock } from '../clock.ts'
import { NotFoundError, UnavailableError } from '../errors.ts'
import { createAwsKinesisApi } from '../kinesis/aws-kinesis-api.ts'
import type { KinesisApi, StreamSummary } from '../kinesis/kinesis-api.ts'
import { isOpen, type Shard, shardIdOf, shardIndexOf } from '../kinesis/shard.ts'
import { patientCall } from '../stream/patient-call.ts'
import { type PlaceFlags, placeOf } from './flags.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { tell } from './tell.ts'

/** One stream, for the commands that look at it and change it. */
export interface StreamAdmin {
  /** Its name in Kinesis. */
  name: string
  api: KinesisApi
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
    return await act({ name, api })
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
  const deadlineMs = systemClock.monotonic() + longestChangeMs
  for (let delayMs = 50; ; delayMs = Math.min(2 * delayMs, 2_000)) {
    const summary = await summaryOf(admin)
    if (summary.status === 'ACTIVE') return summary
    if (systemClock.monotonic() > deadlineMs) throw notInTime(admin, summary.status)
    await sleep(systemClock, delayMs)
  }
}

export async function waitUntilGone(admin: StreamAdmin): Promise<void> {
  const deadlineMs = systemClock.monotonic() + longestChangeMs
  for (let delayMs = 50; ; delayMs = Math.min(2 * delayMs, 2_000)) {
    const status = await summaryOf(admin).then(
      (summary) => summary.status,
      (error) => {
        if (error instanceof NotFoundError) return undefined
        throw error
      },
    )
    if (status === undefined) return
    if (systemClock.monotonic() > deadlineMs) throw notInTime(admin, status)
    await sleep(systemClock, delayMs)
  }
}

export function tellActive({ name, openShardCount }: StreamSummary): void {
  tell(`stream ${name} is ACTIVE with ${openShardCount} open ${openShardCount === 1 ? 'shard' : 'shards'}`)
}

const longestChangeMs = 15 * 60_000

function notInTime({ name }: StreamAdmin, status: string): UnavailableError {
  return new UnavailableError(
    `stream "${name}" is still ${status} after ${longestChangeMs / 60_000} minutes. \`triton stream describe -s ${name}\` tells when it is done`,
  )
}
