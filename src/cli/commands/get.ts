import { type Command, InvalidArgumentError, Option } from 'commander'
import { systemClock } from '../../clock.ts'
import type { StartPosition } from '../../consumer/read-settings.ts'
import {
  addCheckpointFlags,
  addStreamFlags,
  type CheckpointFlags,
  definitionFrom,
  type StreamFlags,
  wholeNumbers,
} from '../flags.ts'
import { parseTime } from '../start-time.ts'

export interface GetFlags extends StreamFlags, CheckpointFlags {
  shard?: number[]
  from: StartPosition
  untilCaughtUp?: boolean
  format: 'text' | 'json' | 'lossless'
  json?: boolean
  meta?: boolean
}

export function define(command: Command): void {
  addCheckpointFlags(
    addStreamFlags(command)
      .description(
        "Print a stream's records: as text the old form, <Record SHARD SEQ>, the data, an empty line; else one line each.\n\n" +
          'Ctrl-C stops it: what was fetched is still printed. Records that do not decode are told on stderr.',
      )
      .option('-d, --shard <number...>', 'only these shards and what becomes of them', wholeNumbers)
      .addOption(
        new Option(
          '--from <start>',
          'latest, all, checkpoint, or a time: 2026-11-23T10:00:00Z, epoch seconds, or 10m (ago)',
        )
          .argParser(startOf)
          .default({ from: 'latest' } satisfies StartPosition, 'latest'),
      )
      .option('--until-caught-up', 'end at the tip instead of waiting for more')
      .addOption(
        new Option('--format <format>', 'json is for people and jq; lossless goes back in through put unchanged')
          .choices(['text', 'json', 'lossless'])
          .default('text'),
      )
      .option('--json', 'short for --format json')
      .option('--meta', 'wrap each line: shardId, sequenceNumber, partitionKey, arrivedAt, data'),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ triton get -s test_stream
  $ triton get -s test_stream --from all --until-caught-up --json | jq .msg
  $ triton get -s test_stream --from checkpoint --client-name billing --checkpoint-db sqlite://triton.db
`,
    )
    .action(async (flags: GetFlags) => {
      const definition = definitionFrom(flags)
      const { getRecords } = await import('../get-records.ts')
      await getRecords(definition, flags.json ? { ...flags, format: 'json' } : flags)
    })
}

function startOf(text: string): StartPosition {
  if (text === 'latest' || text === 'checkpoint') return { from: text }
  if (text === 'all') return { from: 'oldest' }
  const at = parseTime(text, systemClock.now())
  if (at) return { from: 'timestamp', at }
  throw new InvalidArgumentError(
    'It must be latest, all, checkpoint, a time such as 2026-11-23T10:00:00Z, epoch seconds, or how long ago, such as 10m.',
  )
}
