import { systemClock } from '../clock.ts'
import type { StreamDefinition } from '../config.ts'
import { iterate } from '../consumer/iterate.ts'
import type { StreamIterator } from '../consumer/stream-iterator.ts'
import { createAwsKinesisApi } from '../kinesis/aws-kinesis-api.ts'
import { checkpointTargetFrom } from './checkpoints.ts'
import type { GetFlags } from './commands/get.ts'
import { onInterrupt } from './interrupt.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { standardOutput } from './output.ts'
import { Progress } from './progress.ts'
import { type RecordLines, recordLines } from './record-lines.ts'
import { preferSmallHeap } from './small-heap.ts'
import { tell } from './tell.ts'

/** Prints records until there are no more, Ctrl-C, or nobody reads what is printed. */
export async function getRecords(definition: StreamDefinition, flags: GetFlags): Promise<void> {
  preferSmallHeap()
  const { name, region, endpoint } = definition
  const stopLog = logDiagnostics(flags.verbose)
  const keepsCheckpoints = flags.from.from === 'checkpoint'
  const target = keepsCheckpoints ? checkpointTargetFrom(flags) : undefined
  const lines = recordLines(definition.format, flags.format, flags.meta ?? false)
  const api = createAwsKinesisApi({
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
  })
  const records = iterate({ api, stream: name, decode: lines.decode }, flags.from, {
    ...(flags.shard !== undefined && { shardNumbers: flags.shard }),
    untilCaughtUp: flags.untilCaughtUp ?? false,
    startDeadlineMs,
    ...(target && { checkpoint: target }),
  })
  const ignoreInterrupts = onInterrupt(() => records.stop())
  try {
    await printAll(records, lines, keepsCheckpoints)
  } finally {
    ignoreInterrupts()
    await records.close()
    api.close()
    await target?.store.close()
    stopLog()
  }
}

async function printAll(records: StreamIterator<string>, lines: RecordLines, keepsCheckpoints: boolean): Promise<void> {
  const output = standardOutput()
  // On one terminal the two would write over one another.
  const progress = process.stdout.isTTY ? undefined : new Progress('printed')
  let undecodableCount = 0
  let isSaving = false
  // Never ahead of what has left: what was handed out was printed in the same turn, and all of that is out.
  const saveWhenIdle = () => {
    if (isSaving || !output.isSettled) return
    isSaving = true
    // A failure here was reported, and is tried again; the last save tells it.
    records
      .checkpoint()
      .catch(() => undefined)
      .finally(() => {
        isSaving = false
      })
  }
  const timer = keepsCheckpoints ? setInterval(saveWhenIdle, checkpointEveryMs) : undefined
  let savedMs = systemClock.monotonic()
  try {
    for await (const record of records) {
      if (record.error) undecodableCount++
      progress?.add(1, record.bytes.length)
      const settling = output.write(lines.print(record))
      if (!settling) continue
      await settling
      if (!keepsCheckpoints || systemClock.monotonic() - savedMs < checkpointEveryMs) continue
      await records.checkpoint()
      savedMs = systemClock.monotonic()
    }
    await output.settle()
    if (keepsCheckpoints) await records.checkpoint()
  } finally {
    clearInterval(timer)
    progress?.stop()
  }
  if (undecodableCount > 0) tell(`${undecodableCount} records did not decode`)
}

/** How long Kinesis may be out of reach at the start; after that, outages are waited out. */
const startDeadlineMs = 5_000

/** How often positions are saved while records are printed; what was printed since comes again after a crash. */
const checkpointEveryMs = 1_000
