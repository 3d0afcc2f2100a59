import { type Command, InvalidArgumentError } from 'commander'
import { maxHashKey } from '../../../kinesis/hash-key.ts'
import { patientCall } from '../../../stream/patient-call.ts'
import { administer, openShardOf, tellActive, waitUntilActive } from '../../admin.ts'
import { addPlaceFlags, type PlaceFlags, streamHelp } from '../../flags.ts'

interface SplitFlags extends PlaceFlags {
  stream: string
  shard: string
  at?: bigint
}

export function define(command: Command): void {
  addPlaceFlags(command.requiredOption('-s, --stream <name>', streamHelp))
    .requiredOption('-d, --shard <number>', 'number or id of an open shard')
    .option('--at <hash key>', 'first hash key of the upper half; default: the middle', hashKey)
    .addHelpText('after', '\nExample:\n  $ triton stream split -s test_stream -d 0\n')
    .action((flags: SplitFlags) =>
      administer(flags.stream, flags, async (admin) => {
        const { shardId, hashKeyRange } = await openShardOf(admin, flags.shard)
        const middle = (hashKeyRange.start + hashKeyRange.end + 1n) / 2n
        await patientCall(
          `split ${shardId} of stream "${admin.name}"`,
          (signal) => admin.api.splitShard(admin.name, shardId, flags.at ?? middle, signal),
          { isRepeatable: false },
        )
        tellActive(await waitUntilActive(admin))
      }),
    )
}

function hashKey(text: string): bigint {
  if (/^\d{1,39}$/.test(text) && BigInt(text) <= maxHashKey) return BigInt(text)
  throw new InvalidArgumentError('It must be a whole number from 0 to 2^128 - 1.')
}
