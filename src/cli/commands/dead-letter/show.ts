import type { Command } from 'commander'
import { withDeadLetters } from '../../dead-letters.ts'
import { addPlaceFlags, type PlaceFlags } from '../../flags.ts'
import { jsonForm } from '../../json-form.ts'
import { standardOutput } from '../../output.ts'
import { addStorePlaceFlags, type StorePlaceFlags } from '../../store-place.ts'

export function define(command: Command): void {
  addPlaceFlags(addStorePlaceFlags(command))
    .description(
      'Print dead letters, one JSON object a line: where the record was, why it failed, and its data; of one that does not ' +
        'decode its bytes, in base64.',
    )
    .argument('[letters...]', 'names that `triton dead-letter list` prints; all without any')
    .addHelpText('after', '\nExample:\n  $ triton dead-letter show --store file:///var/dead | jq .reason\n')
    .action((names: string[], flags: StorePlaceFlags & PlaceFlags) =>
      withDeadLetters(flags, async (letters) => {
        const output = standardOutput()
        const { toLine } = jsonForm('msgpack', false)
        for (const name of names.length > 0 ? names : await letters.list()) {
          const { bytes, ...about } = await letters.read(name)
          const { data } = toLine(Buffer.from(bytes))
          const content = data === undefined ? `"bytes":"${Buffer.from(bytes).toString('base64')}"` : `"data":${data}`
          await output.write(`${JSON.stringify({ letter: name, ...about }).slice(0, -1)},${content}}\n`)
        }
        await output.settle()
      }),
    )
}
