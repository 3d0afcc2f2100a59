import type { Command } from 'commander'
import { patientCall } from '../../../stream/patient-call.ts'
import { administer, tellActive, waitUntilActive } from '../../admin.ts'
import { addPlaceFlags, type PlaceFlags, streamHelp, wholeNumber } from '../../flags.ts'

interface ResizeFlags extends PlaceFlags {
  stream: string
  shards: number
}

export function define(command: Command): void {
  addPlaceFlags(command.requiredOption('-s, --stream <name>', streamHelp))
    .requiredOption('--shards <count>', 'number of open shards to have', wholeNumber(1))
    .addHelpText('after', '\nExample:\n  $ triton stream resize -s test_stream --shards 4\n')
    .action((flags: ResizeFlags) =>
      administer(flags.stream, flags, async (admin) => {
        await patientCall(
          `resize stream "${admin.name}" to ${flags.shards} shards`,
          (signal) => admin.api.updateShardCount(admin.name, flags.shards, signal),
          { isRepeatable: false },
        )
        tellActive(await waitUntilActive(admin))
      }),
    )
}
