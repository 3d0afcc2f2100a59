import type { Command } from 'commander'
import type { CheckpointRow } from '../../../checkpoint/checkpoint-store.ts'
import { withCheckpoints } from '../../checkpoints.ts'
import { addCheckpointFlags, addPlaceFlags, type CheckpointFlags, type PlaceFlags, placeOf } from '../../flags.ts'
import { print } from '../../output.ts'
import { table } from '../../table.ts'

interface ListFlags extends CheckpointFlags, PlaceFlags {
  stream?: string
  json?: boolean
}

export function define(command: Command): void {
  addPlaceFlags(addCheckpointFlags(command))
    .option('-s, --stream <name>', 'only those of this stream, by its name in triton.yaml or else in Kinesis')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  $ triton checkpoint list --checkpoint-db sqlite://triton.db\n')
    .action((flags: ListFlags) =>
      withCheckpoints(flags, async (store) => {
        const rows = await store.list({
          ...(flags.clientName && { client: flags.clientName }),
          ...(flags.stream !== undefined && { stream: placeOf(flags.stream, flags).name }),
        })
        await print(flags.json ? rows.map((row) => `${JSON.stringify(describe(row))}\n`).join('') : rowsText(rows))
      }),
    )
}

function describe(row: CheckpointRow): object {
  const { client, stream, shardId, sequenceNumber, subSequenceNumber, isFinished, updatedSeconds } = row
  const updated = new Date(updatedSeconds * 1000).toISOString()
  return { client, stream, shardId, sequenceNumber, subSequenceNumber, isFinished, updated }
}

function rowsText(rows: readonly CheckpointRow[]): string {
  return table([
    ['CLIENT', 'STREAM', 'SHARD', 'UPDATED', 'SEQUENCE NUMBER'],
    ...rows.map((row) => [
      row.client,
      row.stream,
      row.shardId,
      new Date(row.updatedSeconds * 1000).toISOString().replace('.000', ''),
      row.sequenceNumber +
        (row.subSequenceNumber === undefined ? '' : `:${row.subSequenceNumber}`) +
        (row.isFinished ? ' (finished)' : ''),
    ]),
  ])
}
