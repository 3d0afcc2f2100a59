import type { Command } from 'commander'
import { releaseShard } from '../../../group/seize-shards.ts'
import { withLeases } from '../../checkpoints.ts'
import { confirm } from '../../confirm.ts'
import { UsageError } from '../../exit-code.ts'
import { addCheckpointFlags, addPlaceFlags, streamHelp } from '../../flags.ts'
import { type GroupFlags, groupFrom, operatorName, shardArgument } from '../../group-flags.ts'
import { tell } from '../../tell.ts'

export function define(command: Command): void {
  addPlaceFlags(addCheckpointFlags(command))
    .description('Take a shard from the worker that reads it; another one goes on from its last checkpoint.')
    .argument('<shard>', "the shard's id, or the number that it ends in", shardArgument)
    .requiredOption('-s, --stream <name>', streamHelp)
    .option('-y, --yes', "don't ask")
    .addHelpText('after', '\nExample:\n  $ triton workers release 3 -s orders --client-name billing --yes\n')
    .action((shardId: string, flags: GroupFlags & { yes?: boolean }) =>
      withLeases(flags, async (store) => {
        const { client, stream } = groupFrom(flags)
        await confirm(`Take ${shardId} of ${stream} from its worker?`, flags)
        const owner = await releaseShard({ store, client, stream, by: operatorName() }, shardId)
        if (owner === undefined) throw new UsageError(`${client} has no lease of ${shardId} on ${stream}`)
        tell(`${shardId} of ${stream} taken from ${owner || 'nobody'}`)
      }),
    )
}
