import type { Command } from 'commander'
import { patientCall } from '../../../stream/patient-call.ts'
import { administer } from '../../admin.ts'
import { addPlaceFlags, type PlaceFlags } from '../../flags.ts'
import { print } from '../../output.ts'

export function define(command: Command): void {
  addPlaceFlags(command)
    .addHelpText('after', '\nExample:\n  $ triton stream list --endpoint http://127.0.0.1:4567\n')
    .action((flags: PlaceFlags) =>
      administer('', flags, async ({ api }) => {
        const names = await patientCall('list the streams', (signal) => api.listStreams(signal))
        await print(names.map((name) => `${name}\n`).join(''))
      }),
    )
}
