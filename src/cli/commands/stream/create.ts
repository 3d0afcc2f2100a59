import type { Command } from 'commander'
import { patientCall } from '../../../stream/patient-call.ts'
import { administer, tellActive, waitUntilActive } from '../../admin.ts'
import { addPlaceFlags, type PlaceFlags, streamHelp, wholeNumber } from '../../flags.ts'
import { tell } from '../../tell.ts'

interface CreateFlags extends PlaceFlags {
  stream: string
  shards: number
  wait: boolean
}

export function define(command: Command): void {
  addPlaceFlags(command.requiredOption('-s, --stream <name>', streamHelp))
    .option('--shards <count>', 'number of shards', wholeNumber(1), 1)
    .option('--no-wait', "don't wait until the stream is ACTIVE")
    .addHelpText('after', '\nExample:\n  $ triton stream create -s test_stream --shards 2\n')
    .action((flags: CreateFlags) =>
      administer(flags.stream, flags, async (admin) => {
        await patientCall(
          `create stream "${admin.name}"`,
          (signal) => admin.api.createStream(admin.name, flags.shards, signal),
          { isRepeatable: false },
        )
        if (flags.wait) tellActive(await waitUntilActive(admin))
        else tell(`stream ${admin.name} is being created`)
      }),
    )
}
