import type { Command } from 'commander'
import { isDay } from '../archive/archive-key.ts'
import type { ArchiveStore } from '../archive/archive-store.ts'
import { type DescribedArchive, describeArchives } from '../archive/describe-archives.ts'
import { defaultConfigPath } from '../config.ts'
import { UsageError } from './exit-code.ts'
import { addVerboseFlag, placeOf, streamHelp } from './flags.ts'
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
  return addShared(
    addStorePlaceFlags(command)
      .option('-s, --stream <name>', "only this stream's, by its name in triton.yaml or else in Kinesis")
      .option('-t, --start-date <day>', 'first day, YYYYMMDD; default: all days')
      .option('-e, --end-date <day>', 'last day, included; default: the newest, or the first that was named')
      .option('--client-name <name>', "only this client's"),
  ).option('--json', 'one JSON object a line')
}

/** Of the commands that make tables: of one stream's records, of one client. */
export function addTableFlags(command: Command): Command {
  return addShared(
    addStorePlaceFlags(command)
      .requiredOption('-s, --stream <name>', streamHelp)
      .requiredOption('-t, --start-date <day>', 'first day, YYYYMMDD (UTC)')
      .option('-e, --end-date <day>', 'last day, included; default: the first')
      .option('--client-name <name>', "whose archives, where there are several clients'; default TRITON_CLIENT"),
  )
}

function addShared(command: Command): Command {
  return addVerboseFlag(
    command
      .option('-c, --config <file>', `triton.yaml; default TRITON_CONFIG, else ${defaultConfigPath}`)
      .option('--region <region>', 'AWS region of the bucket'),
  )
}

/** Throws a UsageError where the days make no sense. */
export function checkDays({ startDate, endDate }: { startDate?: string; endDate?: string }): void {
  for (const [name, day] of Object.entries({ '--start-date': startDate, '--end-date': endDate }))
    if (day !== undefined && !isDay(day))
      throw new UsageError(`${name} "${day}" is no day: YYYYMMDD is expected, such as 20261125`)
  if (startDate !== undefined && endDate !== undefined && endDate < startDate)
    throw new UsageError(`the end, ${endDate}, is before the start, ${startDate}`)
}

/** Runs `act` on the archives that the flags name. */
export async function withArchives(
  flags: ArchiveFlags,
  act: (store: ArchiveStore, archives: DescribedArchive[], foreignKeys: string[]) => Promise<void>,
): Promise<void> {
  const { stream, startDate, endDate, clientName, config } = flags
  checkDays(flags)
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
