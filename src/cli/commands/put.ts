import { type Command, Option } from 'commander'
import { addStreamFlags, definitionFrom, type StreamFlags } from '../flags.ts'

interface PutFlags extends StreamFlags {
  format: 'text' | 'json' | 'lossless'
  partitionKey?: string
}

export function define(command: Command): void {
  addStreamFlags(command)
    .description(
      'Put the lines of stdin into a stream.\n\n' +
        'As text, a line becomes {msg: the line with its newline, ts: unix seconds}; as json or lossless, it is the record.\n' +
        "A line that can't be put is told on stderr with its number, the others are put all the same, and the exit code is 1.",
    )
    .addOption(new Option('--format <format>', 'what a line is').choices(['text', 'json', 'lossless']).default('text'))
    .option('--partition-key <key>', "partition key of all lines, instead of the record's field")
    .addHelpText(
      'after',
      `
Examples:
  $ echo hi | triton put -s test_stream
  $ triton put -s orders --format json < orders.jsonl
`,
    )
    .action(async (flags: PutFlags) => {
      const definition = definitionFrom(flags)
      const { putLines } = await import('../put-lines.ts')
      await putLines(definition, flags)
    })
}
