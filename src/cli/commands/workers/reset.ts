import type { Command } from 'commander'
import { resetShards, withDescendants } from '../../../group/seize-shards.ts'
import { administer, shardsOf } from '../../admin.ts'
import { withLeases } from '../../checkpoints.ts'
import { confirm } from '../../confirm.ts'
import { UsageError } from '../../exit-code.ts'
import { addCheckpointFlags, addPlaceFlags, streamHelp } from '../../flags.ts'
import { type GroupFlags, groupFrom, operatorName, shardArgument } from '../../group-flags.ts'
import { tell } from '../../tell.ts'

export function define(command: Command): void {
  addPlaceFlags(addCheckpointFlags(command))
    .description(
      'Forget how far a shard was read, and have it read anew: from where the group was told to begin. The shards that came of ' +
        'it are read anew, too: they hold the later records of its keys.',
    )
    .argument('<shard>', "the shard's id, or the number that it ends in", shardArgument)
    .requiredOption('-s, --stream <name>', streamHelp)
    .option('-y, --yes', "don't ask")
    .addHelpText('after', '\nExample:\n  $ triton workers reset 3 -s orders --client-name billing --yes\n')
    .action((shardId: string, flags: GroupFlags & { yes?: boolean }) =>
      withLeases(flags, async (store) => {
        const { client, stream } = groupFrom(flags)
        const leases = await store.list(client, stream)
        const meant = withDescendants(shardId, await administer(flags.stream, flags, shardsOf), leases)
        if (meant.length === 0) throw new UsageError(`${stream} has no ${shardId}, and ${client} no lease of it`)
        const names = meant.map((shard) => shard.shardId).join(', ')
        await confirm(`Have ${client} read ${names} of ${stream} anew?`, flags)
        await resetShards({ store, client, stream, by: operatorName() }, meant)
        tell(`${names} of ${stream} will be read anew`)
      }),
    )
}
