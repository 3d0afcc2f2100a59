import { type Clock, systemClock } from '../clock.ts'
import type { Producer, PutFailed } from '../producer/producer.ts'
import { type RefusedFile, readBodies, refusedDirOf, removeRefused } from './refused-files.ts'
import { RefusedRecords } from './refused-records.ts'

export interface ResendResult {
  sentCount: number
  /** They are kept as before, when none was sent, or else in a new file under their new reasons. */
  failed: PutFailed[]
}

/**
 * Puts the records of one file into their stream again, past the daemon's queue. Whoever dies in between sends them again
 * next time.
 */
export async function resendRefused(
  spoolDir: string,
  file: RefusedFile,
  producer: Producer,
  clock: Clock = systemClock,
): Promise<ResendResult> {
  const bodies = await readBodies(spoolDir, file)
  const entries = file.records.map(({ partitionKey }, at) => ({ data: bodies[at] as Buffer, partitionKey }))
  const outcomes = await producer.putMany(entries)
  const failed = outcomes.filter((outcome): outcome is PutFailed => !outcome.ok)
  const sentCount = outcomes.length - failed.length
  const stream = file.records[0]?.stream ?? ''
  if (sentCount > 0 && failed.length > 0) await new RefusedRecords(refusedDirOf(spoolDir), clock).keep(stream, failed)
  if (sentCount > 0 || outcomes.length === 0) await removeRefused(spoolDir, file.name)
  return { sentCount, failed }
}
