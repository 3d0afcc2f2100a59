import type { Command } from 'commander'
import { TritonError } from '../../../errors.ts'
import type { DeadLetterStore } from '../../../group/dead-letter-store.ts'
import { createAwsKinesisApi } from '../../../kinesis/aws-kinesis-api.ts'
import { patientCall } from '../../../stream/patient-call.ts'
import { confirm } from '../../confirm.ts'
import { withDeadLetters } from '../../dead-letters.ts'
import { FailedError, UsageError } from '../../exit-code.ts'
import { addPlaceFlags, type PlaceFlags, placeOf, streamHelp } from '../../flags.ts'
import { addStorePlaceFlags, type StorePlaceFlags } from '../../store-place.ts'
import { tell } from '../../tell.ts'

interface ResendFlags extends StorePlaceFlags, PlaceFlags {
  to: string
  stream?: string
  clientName?: string
  keep?: boolean
  yes?: boolean
  all?: boolean
}

export function define(command: Command): void {
  addPlaceFlags(addStorePlaceFlags(command))
    .description(
      'Put records that could not be handled into a stream again, byte by byte and under the keys that they had.\n\n' +
        'A letter is removed when Kinesis has its record.',
    )
    .argument('[letters...]', 'names that `triton dead-letter list` prints')
    .requiredOption('--to <name>', streamHelp)
    .option('--all', 'all letters; of one stream, where there are several')
    .option('-s, --stream <name>', `with --all: only those of this ${streamHelp}`)
    .option('--client-name <name>', 'with --all: only those of this client')
    .option('--keep', 'remove none')
    .option('-y, --yes', "don't ask")
    .addHelpText(
      'after',
      '\nExample:\n  $ triton dead-letter resend --store file:///var/dead --to orders --all --yes\n',
    )
    .action((names: string[], flags: ResendFlags) =>
      withDeadLetters(flags, async (letters) => {
        if (names.length > 0 === (flags.all ?? false)) throw new UsageError('name letters, or say --all')
        const place = placeOf(flags.to, flags)
        const chosen = flags.all ? await allOf(letters, flags) : names
        await confirm(`Put ${chosen.length} records into ${place.name}?`, flags)
        const { region, endpoint } = place
        const api = createAwsKinesisApi({
          ...(region !== undefined && { region }),
          ...(endpoint !== undefined && { endpoint }),
        })
        let sentCount = 0
        try {
          for (const name of chosen) {
            const letter = await letters.read(name).catch((error: unknown) => {
              if (!(error instanceof TritonError)) throw error
              tell(`triton: ${error.message}`)
            })
            if (letter === undefined) continue
            const { bytes: data, partitionKey } = letter
            const what = `put the dead letter ${name} into ${place.name}`
            const [answer] = await patientCall(what, (signal) =>
              api.putRecords(place.name, [{ data, partitionKey }], signal),
            )
            if (answer === undefined || answer.errorCode !== undefined) {
              tell(`triton: can't ${what}: ${answer?.errorCode}; it stays where it is`)
              continue
            }
            sentCount += 1
            if (!flags.keep) await letters.remove(name)
          }
        } finally {
          api.close()
        }
        tell(`${sentCount} of ${chosen.length} records put into ${place.name}`)
        if (sentCount < chosen.length) throw new FailedError()
      }),
    )
}

/** Letters of several streams are not put into one by mistake. */
async function allOf(letters: DeadLetterStore, flags: ResendFlags): Promise<string[]> {
  const stream = flags.stream === undefined ? undefined : placeOf(flags.stream, flags).name
  if (stream === undefined && flags.clientName !== undefined) throw new UsageError('--client-name needs --stream')
  const names = await letters.list(stream, flags.clientName)
  const streams = [...new Set(names.map((name) => name.slice(0, name.indexOf('/'))))]
  if (streams.length < 2) return names
  throw new UsageError(`these are letters of ${streams.join(', ')}: say of which, by --stream`)
}
