import type { Command } from 'commander'
import { verifyArchives } from '../../../archive/verify-archives.ts'
import { NotFoundError } from '../../../errors.ts'
import { type ArchiveFlags, addArchiveFlags, withArchives } from '../../archives.ts'
import { FailedError } from '../../exit-code.ts'
import { standardOutput } from '../../output.ts'
import { counted, Progress, withCommas } from '../../progress.ts'
import { tell } from '../../tell.ts'

export function define(command: Command): void {
  addArchiveFlags(command)
    .description(
      'Read archives from front to back and print what is wrong with them: checksums, records that do not decode, counts ' +
        'and positions that are not as the footer says, gaps and overlaps between one object and the next, shard by shard. ' +
        'Exit code 1 when anything is.',
    )
    .addHelpText('after', '\nExample:\n  $ triton archive verify -b triton-data -s orders -t 20261124\n')
    .action((flags: ArchiveFlags) =>
      withArchives(flags, async (store, archives) => {
        if (archives.length === 0) throw new NotFoundError(`there is nothing to verify in ${store.address}`)
        const output = standardOutput()
        const progress = process.stdout.isTTY ? undefined : new Progress('verified')
        let recordCount = 0
        let faultCount = 0
        let index = 0
        try {
          for await (const verified of verifyArchives(store, archives)) {
            recordCount += verified.recordCount
            faultCount += verified.faults.length
            progress?.add(verified.recordCount, archives[index++]?.bytes ?? 0)
            if (flags.json) await output.write(`${JSON.stringify(verified)}\n`)
            else for (const fault of verified.faults) await output.write(`${verified.key}: ${fault}\n`)
          }
          await output.settle()
        } finally {
          progress?.stop()
        }
        const unsigned = archives.filter(({ footer }) => footer === undefined).length
        tell(
          `triton: read ${counted(recordCount, 'record')} of ${counted(archives.length, 'archive')}` +
            (unsigned > 0 ? `, ${withCommas(unsigned)} of them without a footer to compare with` : '') +
            `: ${faultCount === 0 ? 'nothing is wrong' : `${counted(faultCount, 'thing')} ${faultCount === 1 ? 'is' : 'are'} wrong`}`,
        )
        if (faultCount > 0) throw new FailedError()
      }),
    )
}
