import type { Command } from 'commander'
import { type DescribedArchive, momentText } from '../../../archive/describe-archives.ts'
import { type ArchiveFlags, addArchiveFlags, withArchives } from '../../archives.ts'
import { print } from '../../output.ts'
import { table } from '../../table.ts'
import { tell } from '../../tell.ts'

export function define(command: Command): void {
  addArchiveFlags(command)
    .description(
      'Print which archives there are: by day, stream and client, with size, records, records that are no msgpack map and ' +
        'lie aside, shards that came from, and the time from the first to the last arrival.',
    )
    .addHelpText('after', '\nExample:\n  $ triton archive list -b triton-data -s orders -t 20261101 -e 20261130\n')
    .action((flags: ArchiveFlags) =>
      withArchives(flags, async (_, archives, foreignKeys) => {
        await print(flags.json ? archives.map((each) => `${JSON.stringify(each)}\n`).join('') : rowsText(archives))
        if (foreignKeys.length > 0) tell(`${foreignKeys.length} other keys are no archives, such as ${foreignKeys[0]}`)
      }),
    )
}

function rowsText(archives: readonly DescribedArchive[]): string {
  return table([
    ['KEY', 'STREAM', 'CLIENT', 'BYTES', 'RECORDS', 'ASIDE', 'SHARDS', 'ARRIVED'],
    ...archives.map(({ key, stream, who, bytes, footer }) => [
      ...[key, stream, who, String(bytes)],
      ...(footer === undefined
        ? ['-', '-', '-', '-']
        : [
            String(footer.recordCount),
            String(footer.undecodableCount),
            String(footer.shards.filter(({ count }) => count > 0).length),
            `${momentText(footer.firstArrivedMs)} to ${momentText(footer.lastArrivedMs)}`,
          ]),
    ]),
  ])
}
