import { type Command, InvalidArgumentError, Option } from 'commander'
import type { FieldTest } from '../../archive/record-cut.ts'
import { systemClock } from '../../clock.ts'
import { defaultConfigPath } from '../../config.ts'
import { UsageError } from '../exit-code.ts'
import { addVerboseFlag } from '../flags.ts'
import { parseTime } from '../start-time.ts'
import { addStorePlaceFlags, type StorePlaceFlags } from '../store-place.ts'

export interface CatFlags extends StorePlaceFlags {
  config?: string
  stream?: string
  startDate?: string
  endDate?: string
  clientName?: string
  format: 'json' | 'lossless'
  salvage?: boolean
  fromTime?: Date
  toTime?: Date
  where?: FieldTest[]
  tritondOutput?: string
  verbose: number
}

export function define(command: Command): void {
  addVerboseFlag(
    addStorePlaceFlags(
      command
        .description(
          'Print archived records, one JSON object a line: those of a stream in a store, of files, or of stdin.\n\n' +
            'What can not be read ends it with an error that names the file and the place, after everything before it was ' +
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
      .option(
        '--from-time <time>',
        'only what arrived at this time or later: 2026-11-23T10:00:00Z, epoch seconds, 10m',
        time,
      )
      .option('--to-time <time>', 'only what arrived earlier', time)
      .option('--where <field=value>', 'only records whose field says so; again for more of them', fieldTest)
      .option('--salvage', 'read on behind what is damaged or can not be printed, and tell what was lost')
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

function time(text: string): Date {
  const at = parseTime(text, systemClock.now())
  if (at) return at
  throw new InvalidArgumentError(
    'It must be a time such as 2026-11-23T10:00:00Z, epoch seconds, or how long ago, such as 10m.',
  )
}

function fieldTest(text: string, sofar: FieldTest[] = []): FieldTest[] {
  const at = text.indexOf('=')
  if (at > 0) return [...sofar, { path: text.slice(0, at).split('.'), text: text.slice(at + 1) }]
  throw new InvalidArgumentError('It must be a field, "=" and the text of its value, such as customer.city=Berlin.')
}
