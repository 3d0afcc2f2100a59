import type { Command } from 'commander'
import { isOpen, parentShardIdsOf, type Shard } from '../../kinesis/shard.ts'
import { administer, shardsOf } from '../admin.ts'
import { addStreamFlags, definitionFrom, type StreamFlags } from '../flags.ts'
import { print } from '../output.ts'

interface ShardsFlags extends StreamFlags {
  json?: boolean
}

export function define(command: Command): void {
  addStreamFlags(command)
    .option('--json', 'one JSON object a line: id, hash key range, sequence numbers, parents')
    .addHelpText(
      'after',
      '\nExample:\n  $ triton shards -s test_stream\n  shardId-000000000000\n  shardId-000000000001\n',
    )
    .action((flags: ShardsFlags) => {
      definitionFrom(flags)
      return administer(flags.stream, flags, async (admin) => {
        const shards = await shardsOf(admin)
        await print(shards.map((shard) => `${flags.json ? JSON.stringify(describe(shard)) : shard.shardId}\n`).join(''))
      })
    })
}

/** Hash keys are text: they have up to 39 digits. */
function describe(shard: Shard): object {
  return {
    shardId: shard.shardId,
    isOpen: isOpen(shard),
    hashKeyRange: { start: String(shard.hashKeyRange.start), end: String(shard.hashKeyRange.end) },
    startingSequenceNumber: shard.startingSequenceNumber,
    ...(shard.endingSequenceNumber !== undefined && { endingSequenceNumber: shard.endingSequenceNumber }),
    parents: parentShardIdsOf(shard),
  }
}
