import type { Command } from 'commander'
import { systemClock } from '../../../clock.ts'
import { type GroupStatus, groupStatus } from '../../../group/group-status.ts'
import { withLeases } from '../../checkpoints.ts'
import { addCheckpointFlags, addPlaceFlags, streamHelp } from '../../flags.ts'
import { type GroupFlags, groupFrom } from '../../group-flags.ts'
import { print } from '../../output.ts'
import { table } from '../../table.ts'
import { tell } from '../../tell.ts'

export function define(command: Command): void {
  addPlaceFlags(addCheckpointFlags(command))
    .description('Print who reads which shard, how far behind it is, and why one stands.')
    .requiredOption('-s, --stream <name>', streamHelp)
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  $ triton workers status -s orders --client-name billing\n')
    .action((flags: GroupFlags & { json?: boolean }) =>
      withLeases(flags, async (store) => {
        const { client, stream } = groupFrom(flags)
        const status = await groupStatus(store, client, stream, systemClock.now())
        if (status.shards.length === 0)
          tell(`no worker of ${client} has ever read ${stream}, or its name is another one`)
        await print(flags.json ? `${JSON.stringify(status)}\n` : tableOf(status))
      }),
    )
}

function tableOf({ shards }: GroupStatus): string {
  return table([
    ['SHARD', 'STATE', 'WORKER', 'BEHIND', 'CHECKPOINT', 'TROUBLE'],
    ...shards.map(({ shardId, state, owner, behindMs, checkpointAgeSeconds, trouble }) => [
      ...[shardId, state, owner || '-'],
      behindMs === undefined ? '-' : `${(behindMs / 1_000).toFixed(1)} s`,
      checkpointAgeSeconds === undefined ? '-' : `${checkpointAgeSeconds} s ago`,
      trouble,
    ]),
  ])
}
