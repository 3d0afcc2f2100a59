import type { Command } from 'commander'
import { patientCall } from '../../../stream/patient-call.ts'
import { administer, openShardOf, tellActive, waitUntilActive } from '../../admin.ts'
import { UsageError } from '../../exit-code.ts'
import { addPlaceFlags, type PlaceFlags, streamHelp } from '../../flags.ts'

interface MergeFlags extends PlaceFlags {
  stream: string
  shard: string[]
}

export function define(command: Command): void {
  addPlaceFlags(command.requiredOption('-s, --stream <name>', streamHelp))
    .requiredOption('-d, --shard <number...>', 'numbers or ids of the two open shards, which lie side by side')
    .addHelpText('after', '\nExample:\n  $ triton stream merge -s test_stream -d 0 1\n')
    .action((flags: MergeFlags) =>
      administer(flags.stream, flags, async (admin) => {
        const [first, second, third] = flags.shard
        if (first === undefined || second === undefined || third !== undefined)
          throw new UsageError(`two shards make one: -d takes two numbers, not ${flags.shard.length}`)
        const { shardId } = await openShardOf(admin, first)
        const adjacent = await openShardOf(admin, second)
        await patientCall(
          `merge ${shardId} and ${adjacent.shardId} of stream "${admin.name}"`,
          (signal) => admin.api.mergeShards(admin.name, shardId, adjacent.shardId, signal),
          { isRepeatable: false },
        )
        tellActive(await waitUntilActive(admin))
      }),
    )
}
