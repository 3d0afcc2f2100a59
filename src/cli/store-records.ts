import { StoreMetrics } from '../archive/store-metrics.ts'
import { storeStream } from '../archive/store-stream.ts'
import { WriteLease } from '../archive/write-lease.ts'
import { openLeaseStore } from '../checkpoint/open-checkpoint-store.ts'
import { MetricsServer } from '../daemon/metrics-server.ts'
import { createAwsKinesisApi } from '../kinesis/aws-kinesis-api.ts'
import type { StoreFlags } from './commands/store.ts'
import { UsageError } from './exit-code.ts'
import { definitionFrom } from './flags.ts'
import { onInterrupt } from './interrupt.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { counted, withCommas } from './progress.ts'
import { preferSmallHeap } from './small-heap.ts'
import { requiredStoreFrom } from './store-place.ts'
import { tell } from './tell.ts'

/** Stores records until a signal ends it, or it is caught up where that was asked for. */
export async function storeRecords(flags: StoreFlags): Promise<void> {
  preferSmallHeap()
  if (flags.skipToLatest && flags.from !== undefined)
    throw new UsageError('--skip-to-latest and --from both say where to begin: choose one')
  const definition = definitionFrom(flags)
  const { name: stream, region, endpoint, format } = definition
  const client = flags.clientName || process.env['TRITON_CLIENT'] || 'store'
  const db = flags.checkpointDb || process.env['TRITON_DB'] || 'sqlite://triton.db'
  const stopLog = logDiagnostics(flags.verbose)
  const stopping = new AbortController()
  const ignoreInterrupts = onInterrupt(() => stopping.abort())
  const api = createAwsKinesisApi({
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
  })
  try {
    using metrics = flags.metrics === undefined ? undefined : await StoreMetrics.open()
    await using server = metrics && (await MetricsServer.open('127.0.0.1', flags.metrics ?? 0, metrics))
    if (server) tell(`triton: metrics at ${server.endpoint}/metrics`)
    await using store = requiredStoreFrom({ ...flags, ...(region !== undefined && { region }) })
    await using leases = openLeaseStore(db)
    await leases.init()
    await using lease = await WriteLease.take(leases, client, stream, {
      signal: stopping.signal,
      ...(flags.leaseMs !== undefined && { leaseMs: flags.leaseMs }),
    })
    if (flags.verbose > 0) tell(`triton: storing ${stream} as ${client} in ${store.address}`)
    const { objectCount, recordCount, undecodableCount } = await storeStream(
      { api, stream, format },
      store,
      { store: leases.checkpoints, client },
      lease,
      {
        signal: AbortSignal.any([stopping.signal, lease.lost]),
        ...optionsOf(flags),
      },
    )
    lease.lost.throwIfAborted()
    tell(
      `triton: stored ${counted(recordCount, 'record')} in ${counted(objectCount, 'object')}` +
        (undecodableCount > 0 ? `, and ${withCommas(undecodableCount)} that are no msgpack map beside them` : ''),
    )
  } finally {
    ignoreInterrupts()
    api.close()
    stopLog()
  }
}

function optionsOf({ from, skipToLatest, rotate, rotateBytes, drainMs, untilCaughtUp }: StoreFlags) {
  return {
    ...(from !== undefined && { from }),
    ...(skipToLatest && { from: 'latest' as const }),
    ...(rotate !== undefined && { rotateMs: rotate }),
    ...(rotateBytes !== undefined && { rotateBytes }),
    ...(drainMs !== undefined && { drainMs }),
    ...(untilCaughtUp && { untilCaughtUp: true }),
  }
}
