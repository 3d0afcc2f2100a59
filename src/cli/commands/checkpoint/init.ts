import type { Command } from 'commander'
import { withLeases } from '../../checkpoints.ts'
import { addVerboseFlag } from '../../flags.ts'
import { tell } from '../../tell.ts'

interface InitFlags {
  checkpointDb?: string
  verbose: number
}

export function define(command: Command): void {
  addVerboseFlag(command.option('--checkpoint-db <address>', 'checkpoint database; default TRITON_DB'))
    .description('Create the tables of checkpoints and leases where they are missing; safe to repeat.')
    .addHelpText('after', '\nExample:\n  $ triton checkpoint init --checkpoint-db sqlite://triton.db\n')
    .action((flags: InitFlags) =>
      withLeases(flags, async (store) => {
        await store.init()
        tell('the checkpoint tables are ready')
      }),
    )
}
