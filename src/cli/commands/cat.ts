import { type Command, Option } from 'commander'
import { defaultConfigPath } from '../../config.ts'
import { UsageError } from '../exit-code.ts'
import { addVerboseFlag } from '../flags.ts'
import { addStorePlaceFlags, type StorePlaceFlags } from '../store-place.ts'

export interface CatFlags extends StorePlaceFlags {
  config?: string
  stream?: string
  startDate?: string
  endDate?: string
  clientName?: string
  format: 'json' | 'lossless'
  salvage?: boolean
  tritondOutput?: string
  verbose: number
}

export function define(command: Command): void {
  addVerboseFlag(
    addStorePlaceFlags(
      command
        .description(
          'Print archived records, one JSON object a line: those of a stream in a store, of files, or of stdin.\n\n' +
            'What can not be read ends it with an error that names the file and the place, after everything before it was\n' +
            'printed.',
        )
        .argument('[files...]', '.tri files; without any and without --stream, stdin is one')
        .option('-s, --stream <name>', 'stream, by its name in triton.yaml or else in Kinesis'),
    )
      .option('-t, --start-date <day>', 'first day, YYYYMMDD (UTC)')
      .option('-e, --end-date <day>', 'last day, included; default: the first')
      .option('--client-name <name>', "whose archives, where there are several clients'; default TRITON_CLIENT")
      .addOption(
        new Option('--format <format>', 'json is for people and jq; lossless keeps everything')
          .choices(['json', 'lossless'])
          .default('json'),
      )
      .option('--salvage', 'read on behind what is damaged, and tell what was lost')
      .option(
        '--tritond-output <file>',
        'print what tritond --skip-kinesis wrote instead, with each stream, or of --stream',
      )
      .option('-c, --config <file>', `triton.yaml; default TRITON_CONFIG, else ${defaultConfigPath}`)
      .option('--region <region>', 'AWS region of the bucket'),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ triton cat -b triton-data -s orders -t 20261124 | jq .total
  $ triton cat --store file:///var/triton -s orders -t 20261101 -e 20261130
  $ triton cat < orders-store-1795398313.tri
  $ triton cat --tritond-output skipped.bin | jq .data
`,
    )
    .action(async (files: string[], flags: CatFlags) => {
      const { tritondOutput } = flags
      if (tritondOutput !== undefined) {
        if (files.length > 0) throw new UsageError('files and --tritond-output both say what to print: choose one')
        const { catTritondOutput } = await import('../cat-tritond-output.ts')
        return catTritondOutput({ ...flags, tritondOutput })
      }
      const { catArchives } = await import('../cat-archives.ts')
      await catArchives(files, flags)
    })
}
