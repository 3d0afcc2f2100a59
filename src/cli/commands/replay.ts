import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ReplayRate } from '../../replay/replay-pace.ts'
import { addStreamFlags, type StreamFlags } from '../flags.ts'
import { addStorePlaceFlags, type StorePlaceFlags } from '../store-place.ts'

export interface ReplayFlags extends StreamFlags, StorePlaceFlags {
  startDate: string
  endDate?: string
  toStream?: string
  rate?: ReplayRate
  then: 'stop' | 'live'
  clientName?: string
  checkpointDb?: string
  checkpointClient?: string
  untilCaughtUp?: boolean
  skipUndecodable?: boolean
  format: 'json' | 'lossless'
}

export function define(command: Command): void {
  addStorePlaceFlags(
    addStreamFlags(command).description(
      'Play archived records again, as lines on stdout or into a stream, and then go on live if that is asked for.\n\n' +
        'Into a stream, each record goes as it was put, with its own partition key.',
    ),
  )
    .requiredOption('-t, --start-date <day>', 'first day, YYYYMMDD (UTC)')
    .option('-e, --end-date <day>', 'last day, included; default: the first')
    .option('--to-stream <name>', 'put the records into this stream of triton.yaml, instead of printing them')
    .option('--rate <rate>', 'records a second, 500/s, or a multiple of the original pace, 10x', rate)
    .addOption(
      new Option('--then <what>', 'live: go on with what came to the stream since')
        .choices(['stop', 'live'])
        .default('stop'),
    )
    .option('--client-name <name>', "whose archives, where there are several clients'; default TRITON_CLIENT")
    .option('--checkpoint-client <name>', 'keep positions under this name, and go on behind them the next time')
    .option('--checkpoint-db <address>', 'checkpoint database; default TRITON_DB')
    .option('--until-caught-up', 'with --then live: end at the tip')
    .option('--skip-undecodable', 'leave out archived records that are no msgpack map, and tell how many')
    .addOption(new Option('--format <format>', 'of the lines').choices(['json', 'lossless']).default('json'))
    .addHelpText(
      'after',
      `
Examples:
  $ triton replay -b triton-data -s orders -t 20261124 --to-stream orders_test --rate 10x
  $ triton replay -b triton-data -s orders -t 20261124 --then live | jq .total
`,
    )
    .action(async (flags: ReplayFlags) => {
      const { replayRecords } = await import('../replay-records.ts')
      await replayRecords(flags)
    })
}

function rate(text: string): ReplayRate {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(\/s|x)$/.exec(text) ?? []
  if (number !== undefined && Number(number) > 0)
    return unit === 'x' ? { timesOriginal: Number(number) } : { recordsPerSecond: Number(number) }
  throw new InvalidArgumentError('It must be records a second, such as 500/s, or a multiple such as 10x.')
}
