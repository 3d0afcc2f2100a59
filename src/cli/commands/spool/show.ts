import { type Command, Option } from 'commander'
import { addSpoolFlag, type SpoolFlags } from '../../flags.ts'

export interface SpoolShowFlags extends SpoolFlags {
  format: 'json' | 'lossless'
}

export function define(command: Command): void {
  addSpoolFlag(command)
    .description(
      'Print refused records, one JSON object a line: stream, partitionKey, refusedAt, code, reason, and its data; of one ' +
        'that is no msgpack map its bytes, in base64.',
    )
    .argument('[files...]', 'files that `triton spool list` names; all without any')
    .addOption(
      new Option('--format <format>', 'how data is written: json is for people and jq, lossless keeps everything')
        .choices(['json', 'lossless'])
        .default('json'),
    )
    .addHelpText('after', '\nExample:\n  $ triton spool show --spool /var/lib/tritond | jq .reason\n')
    .action(async (files: string[], flags: SpoolShowFlags) => {
      const { showRefused } = await import('../../spool-refused.ts')
      await showRefused(files, flags)
    })
}
