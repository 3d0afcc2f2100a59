import { type Command, Option } from 'commander'
import { type ArchiveFlags, addTableFlags } from '../archives.ts'

export interface ExportFlags extends ArchiveFlags {
  stream: string
  startDate: string
  format: 'jsonl' | 'csv' | 'parquet'
}

export function define(command: Command): void {
  addTableFlags(command)
    .description(
      'Write archived records as a table for people: JSON lines, CSV or Parquet. The columns and their types are learnt from ' +
        'all the records; what fits no other type is text, what lies deeper is JSON.',
    )
    .argument('<file>', 'the file to write')
    .addOption(
      new Option('--format <format>', 'of the file; default: by its ending').choices(['jsonl', 'csv', 'parquet']),
    )
    .addHelpText(
      'after',
      '\nExample:\n  $ triton export -b triton-data -s orders -t 20261101 -e 20261130 orders.parquet\n',
    )
    .action(async (file: string, flags: ExportFlags) => {
      const { exportRecords } = await import('../export-records.ts')
      await exportRecords(file, flags)
    })
}
