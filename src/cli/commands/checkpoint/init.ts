import type { Command } from 'commander'
import { withCheckpoints } from '../../checkpoints.ts'
import { addVerboseFlag } from '../../flags.ts'
import { tell } from '../../tell.ts'

interface InitFlags {
  checkpointDb?: string
  verbose: number
}

export function define(command: Command): void {
  addVerboseFlag(command.option('--checkpoint-db <address>', 'checkpoint database; default TRITON_DB'))
    .description('Create the checkpoint table where it is missing; safe to repeat.')
    .addHelpText('after', '\nExample:\n  $ triton checkpoint init --checkpoint-db sqlite://triton.db\n')
    .action((flags: InitFlags) =>
      withCheckpoints(flags, async (store) => {
        await store.init()
        tell('the checkpoint table is ready')
      }),
    )
}
