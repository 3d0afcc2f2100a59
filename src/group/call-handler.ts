import type { StreamRecord } from '../consumer/stream-record.ts'
import type { BatchProgress } from './batch-progress.ts'
import type { HandlerContext } from './handler-context.ts'
import type { WorkerSettings } from './worker-options.ts'

export interface HandlerCall<T> {
  settings: WorkerSettings<T>
  progress: BatchProgress<T>
  attempt: number
  millisBehindLatest: number
  signal: AbortSignal
}

/**
 * One attempt at these records of one shard: one call of `handler`, or one of `handleRecord` for each. A handler gets a list
 * of its own: it may empty it as it goes, and the records must come again all the same when it fails.
 */
export async function callHandler<T>(records: StreamRecord<T>[], call: HandlerCall<T>): Promise<void> {
  const { settings, progress, signal } = call
  const { handler, handleRecord } = settings
  if (handler !== undefined) {
    await handler(records.slice(), contextOf(records, call))
    return
  }
  for (const record of records) {
    if (signal.aborted) return
    await handleRecord?.(record, contextOf([record], call))
    if (signal.aborted) return
    progress.done([record])
  }
}

export function contextOf<T>(given: readonly StreamRecord<T>[], call: HandlerCall<T>): HandlerContext<T> {
  const { progress, attempt, millisBehindLatest, signal } = call
  const { shardId } = given[0] as StreamRecord<T>
  return {
    ...{ shardId, millisBehindLatest, attempt, signal },
    checkpoint: (record) => progress.keep(given, record?.sequenceNumber),
  }
}
