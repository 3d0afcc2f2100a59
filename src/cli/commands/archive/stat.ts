import type { Command } from 'commander'
import { type ArchiveSummary, momentText, summarizeArchives } from '../../../archive/describe-archives.ts'
import { type ArchiveFlags, addArchiveFlags, withArchives } from '../../archives.ts'
import { print } from '../../output.ts'
import { table } from '../../table.ts'

export function define(command: Command): void {
  addArchiveFlags(command)
    .description('Print the sums of the archives, by stream and client.')
    .addHelpText('after', '\nExample:\n  $ triton archive stat -b triton-data\n')
    .action((flags: ArchiveFlags) =>
      withArchives(flags, async (_, archives) => {
        const summaries = summarizeArchives(archives)
        await print(flags.json ? summaries.map((each) => `${JSON.stringify(each)}\n`).join('') : rowsText(summaries))
      }),
    )
}

function rowsText(summaries: readonly ArchiveSummary[]): string {
  return table([
    ['STREAM', 'CLIENT', 'DAYS', 'OBJECTS', 'BYTES', 'RECORDS', 'ASIDE', 'SHARDS', 'ARRIVED'],
    ...summaries.map((each) => [
      ...[each.stream, each.client],
      each.firstDay === each.lastDay ? each.firstDay : `${each.firstDay} to ${each.lastDay}`,
      ...[each.objectCount, each.bytes].map(String),
      // Of archives of older programs nobody knows it without reading them.
      `${each.recordCount}${each.uncountedObjects > 0 ? ` and those of ${each.uncountedObjects} objects` : ''}`,
      ...[each.undecodableCount, each.shardCount].map(String),
      each.firstArrivedMs === undefined || each.lastArrivedMs === undefined
        ? '-'
        : `${momentText(each.firstArrivedMs)} to ${momentText(each.lastArrivedMs)}`,
    ]),
  ])
}
