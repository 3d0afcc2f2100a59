import type { Command } from 'commander'
import { withDeadLetters } from '../../dead-letters.ts'
import { UsageError } from '../../exit-code.ts'
import { addPlaceFlags, type PlaceFlags, placeOf, streamHelp } from '../../flags.ts'
import { print } from '../../output.ts'
import { addStorePlaceFlags, type StorePlaceFlags } from '../../store-place.ts'

interface ListFlags extends StorePlaceFlags, PlaceFlags {
  stream?: string
  clientName?: string
}

export function define(command: Command): void {
  addPlaceFlags(addStorePlaceFlags(command))
    .option('-s, --stream <name>', `only those of this ${streamHelp}`)
    .option('--client-name <name>', 'only those of this client')
    .addHelpText('after', '\nExample:\n  $ triton dead-letter list --store file:///var/dead -s orders\n')
    .action((flags: ListFlags) =>
      withDeadLetters(flags, async (letters) => {
        if (flags.stream === undefined && flags.clientName !== undefined)
          throw new UsageError('--client-name needs --stream')
        const stream = flags.stream === undefined ? undefined : placeOf(flags.stream, flags).name
        const names = await letters.list(stream, flags.clientName)
        await print(names.map((name) => `${name}\n`).join(''))
      }),
    )
}
