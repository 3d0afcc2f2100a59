import type { Command } from 'commander'
import { systemClock } from '../../clock.ts'
import { withCheckpoints } from '../checkpoints.ts'
import { addCheckpointFlags, addVerboseFlag, type CheckpointFlags } from '../flags.ts'
import { print } from '../output.ts'

interface StatsFlags extends CheckpointFlags {
  verbose: number
}

/** The form that old monitoring reads: `client.stream.shard.age SECONDS NOW`. */
export function define(command: Command): void {
  addVerboseFlag(addCheckpointFlags(command))
    .description("Print every checkpoint's age: client.stream.shard.age SECONDS NOW.")
    .addHelpText(
      'after',
      '\nExample:\n  $ triton stats --checkpoint-db sqlite://triton.db\n  store.my_stream.shardId-000000000000.age 4 1795398321\n',
    )
    .action((flags: StatsFlags) =>
      withCheckpoints(flags, async (store) => {
        const rows = await store.list(flags.clientName ? { client: flags.clientName } : {})
        const now = Math.floor(systemClock.now() / 1000)
        await print(
          rows
            .map((row) => `${row.client}.${row.stream}.${row.shardId}.age ${now - row.updatedSeconds} ${now}\n`)
            .join(''),
        )
      }),
    )
}
