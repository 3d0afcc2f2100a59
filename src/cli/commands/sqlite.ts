import type { Command } from 'commander'
import { addTableFlags } from '../archives.ts'
import type { ExportFlags } from './export.ts'

export function define(command: Command): void {
  addTableFlags(command)
    .description(
      "Write archived records into a new SQLite database, one table with the stream's name. The columns and their types are\n" +
        'learnt from all the records.',
    )
    .argument('<file>', 'the database to write')
    .addHelpText('after', '\nExample:\n  $ triton sqlite -b triton-data -s orders -t 20261124 orders.db\n')
    .action(async (file: string, flags: ExportFlags) => {
      const { exportRecords } = await import('../export-records.ts')
      await exportRecords(file, flags, 'sqlite')
    })
}
