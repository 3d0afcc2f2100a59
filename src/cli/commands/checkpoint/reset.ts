import type { Command } from 'commander'
import { shardIdOf } from '../../../kinesis/shard.ts'
import { clientFrom, withCheckpoints } from '../../checkpoints.ts'
import { confirm } from '../../confirm.ts'
import { UsageError } from '../../exit-code.ts'
import {
  addCheckpointFlags,
  addPlaceFlags,
  type CheckpointFlags,
  type PlaceFlags,
  placeOf,
  streamHelp,
  wholeNumbers,
} from '../../flags.ts'
import { tell } from '../../tell.ts'

interface ResetFlags extends CheckpointFlags, PlaceFlags {
  stream: string
  shard?: number[]
  yes?: boolean
}

export function define(command: Command): void {
  addPlaceFlags(addCheckpointFlags(command))
    .description("Forget a client's checkpoints on a stream: it starts anew.")
    .requiredOption('-s, --stream <name>', streamHelp)
    .option('-d, --shard <number...>', 'only these shards', wholeNumbers)
    .option('-y, --yes', "don't ask")
    .addHelpText('after', '\nExample:\n  $ triton checkpoint reset -s test_stream --client-name billing --yes\n')
    .action((flags: ResetFlags) =>
      withCheckpoints(flags, async (store) => {
        const client = clientFrom(flags)
        if (!client) throw new UsageError('whose checkpoints? Give --client-name, or set TRITON_CLIENT_NAME')
        const { name } = placeOf(flags.stream, flags)
        const shardIds = flags.shard?.map(shardIdOf)
        await confirm(`Forget ${shardIds?.join(', ') ?? 'all checkpoints'} of ${client} on ${name}?`, flags)
        const count = await store.reset(client, name, shardIds)
        tell(`${count} ${count === 1 ? 'checkpoint' : 'checkpoints'} of ${client} on ${name} forgotten`)
      }),
    )
}
