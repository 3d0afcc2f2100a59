import type { Command } from 'commander'
import { addPlaceFlags, addSpoolFlag, type PlaceFlags, type SpoolFlags } from '../../flags.ts'

export type SpoolResendFlags = SpoolFlags & PlaceFlags & { stream?: string }

export function define(command: Command): void {
  addPlaceFlags(addSpoolFlag(command))
    .description(
      'Put refused records into their streams again, and forget those that Kinesis took. The others stay, under their new ' +
        'reasons, and the exit code is 1. Whoever does not want them any more removes their files.',
    )
    .argument('[files...]', 'files that `triton spool list` names; all without any')
    .option('-s, --stream <name>', 'only records of this stream')
    .addHelpText('after', '\nExample:\n  $ triton spool resend --spool /var/lib/tritond -s orders\n')
    .action(async (files: string[], flags: SpoolResendFlags) => {
      const { resendAll } = await import('../../spool-resend.ts')
      await resendAll(files, flags)
    })
}
