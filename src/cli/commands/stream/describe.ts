import type { Command } from 'commander'
import { isOpen } from '../../../kinesis/shard.ts'
import { administer, shardsOf, summaryOf } from '../../admin.ts'
import { addPlaceFlags, type PlaceFlags, streamHelp } from '../../flags.ts'
import { print } from '../../output.ts'

interface DescribeFlags extends PlaceFlags {
  stream: string
  json?: boolean
}

export function define(command: Command): void {
  addPlaceFlags(command.requiredOption('-s, --stream <name>', streamHelp))
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  $ triton stream describe -s test_stream\n')
    .action((flags: DescribeFlags) =>
      administer(flags.stream, flags, async (admin) => {
        const summary = await summaryOf(admin)
        const shards = await shardsOf(admin)
        const facts = {
          name: summary.name,
          arn: summary.arn,
          status: summary.status,
          openShards: summary.openShardCount,
          closedShards: shards.filter((shard) => !isOpen(shard)).length,
          retentionHours: summary.retentionHours,
          maxRecordBytes: summary.maxRecordBytes,
          createdAt: new Date(summary.createdAtMs).toISOString(),
        }
        if (flags.json) return print(`${JSON.stringify(facts)}\n`)
        const width = Math.max(...Object.keys(facts).map((key) => key.length))
        return print(
          Object.entries(facts)
            .map(([key, value]) => `${key.padEnd(width)}  ${value}\n`)
            .join(''),
        )
      }),
    )
}
