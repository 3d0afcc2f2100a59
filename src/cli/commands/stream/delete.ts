import type { Command } from 'commander'
import { patientCall } from '../../../stream/patient-call.ts'
import { administer, summaryOf, waitUntilGone } from '../../admin.ts'
import { confirm } from '../../confirm.ts'
import { addPlaceFlags, type PlaceFlags, streamHelp } from '../../flags.ts'
import { tell } from '../../tell.ts'

interface DeleteFlags extends PlaceFlags {
  stream: string
  yes?: boolean
  wait: boolean
}

export function define(command: Command): void {
  addPlaceFlags(command.requiredOption('-s, --stream <name>', streamHelp))
    .option('-y, --yes', "don't ask")
    .option('--no-wait', "don't wait until the stream is gone")
    .addHelpText('after', '\nExample:\n  $ triton stream delete -s test_stream --yes\n')
    .action((flags: DeleteFlags) =>
      administer(flags.stream, flags, async (admin) => {
        await summaryOf(admin)
        await confirm(`Delete stream ${admin.name} and all its records?`, flags)
        await patientCall(`delete stream "${admin.name}"`, (signal) => admin.api.deleteStream(admin.name, signal), {
          isRepeatable: false,
        })
        if (flags.wait) await waitUntilGone(admin)
        tell(`stream ${admin.name} is ${flags.wait ? 'deleted' : 'being deleted'}`)
      }),
    )
}
