import type { Command } from 'commander'
import { addSpoolFlag, type SpoolFlags } from '../../flags.ts'

export interface SpoolListFlags extends SpoolFlags {
  json?: boolean
}

export function define(command: Command): void {
  addSpoolFlag(command)
    .description(
      'Print what Kinesis refused, a line for each file of records that came back together: its name, how many records of ' +
        'how many bytes, when, for which stream, and why. A running daemon is not in the way.',
    )
    .option('--json', 'a JSON object a line instead')
    .addHelpText('after', '\nExample:\n  $ triton spool list --spool /var/lib/tritond\n')
    .action(async (flags: SpoolListFlags) => {
      const { listRefused } = await import('../../spool-refused.ts')
      await listRefused(flags)
    })
}
