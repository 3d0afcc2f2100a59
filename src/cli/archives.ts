import type { Command } from 'commander'
import { isDay } from '../archive/archive-key.ts'
import type { ArchiveStore } from '../archive/archive-store.ts'
import { type DescribedArchive, describeArchives } from '../archive/describe-archives.ts'
import { UsageError } from './exit-code.ts'
import { addVerboseFlag, placeOf } from './flags.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { addStorePlaceFlags, requiredStoreFrom, type StorePlaceFlags } from './store-place.ts'

/** Flags of the commands that look at archives. */
export interface ArchiveFlags extends StorePlaceFlags {
  stream?: string
  startDate?: string
  endDate?: string
  clientName?: string
  config?: string
  json?: boolean
  verbose: number
}

export function addArchiveFlags(command: Command): Command {
  return addVerboseFlag(
    addStorePlaceFlags(command)
      .option('-s, --stream <name>', "only this stream's, by its name in triton.yaml or else in Kinesis")
      .option('-t, --start-date <day>', 'first day, YYYYMMDD; default: all days')
      .option('-e, --end-date <day>', 'last day, included; default: the newest, or the first that was named')
      .option('--client-name <name>', "only this client's")
      .option('-c, --config <file>', 'triton.yaml; default TRITON_CONFIG')
      .option('--region <region>', 'AWS region of the bucket')
      .option('--json', 'one JSON object a line'),
  )
}

/** Runs `act` on the archives that the flags name. */
export async function withArchives(
  flags: ArchiveFlags,
  act: (store: ArchiveStore, archives: DescribedArchive[], foreignKeys: string[]) => Promise<void>,
): Promise<void> {
  const { stream, startDate, endDate, clientName, config } = flags
  for (const [name, day] of Object.entries({ '--start-date': startDate, '--end-date': endDate }))
    if (day !== undefined && !isDay(day)) throw new UsageError(`${name} "${day}" is no day: YYYYMMDD is expected`)
  if (startDate !== undefined && endDate !== undefined && endDate < startDate)
    throw new UsageError(`the end, ${endDate}, is before the start, ${startDate}`)
  const place = { verbose: 0, ...(config !== undefined && { config }) }
  const stopLog = logDiagnostics(flags.verbose)
  const foreignKeys: string[] = []
  try {
    await using store = requiredStoreFrom(flags)
    const archives = await describeArchives(
      store,
      {
        ...(stream !== undefined && { stream: placeOf(stream, place).name }),
        ...(startDate !== undefined && { start: startDate, end: endDate ?? startDate }),
        ...(startDate === undefined && endDate !== undefined && { end: endDate }),
        ...(clientName !== undefined && { client: clientName }),
      },
      (key) => foreignKeys.push(key),
    )
    await act(store, archives, foreignKeys)
  } finally {
    stopLog()
  }
}
