import { openStore } from '../archive/open-store.ts'
import { checkpointSettings } from '../checkpoint/checkpoint-settings.ts'
import { openLeaseStore } from '../checkpoint/open-checkpoint-store.ts'
import { MetricsServer } from '../daemon/metrics-server.ts'
import { DeadLetterStore } from '../group/dead-letter-store.ts'
import { ExecHandler } from '../group/exec-handler.ts'
import { Worker } from '../group/worker.ts'
import { WorkerMetrics } from '../group/worker-metrics.ts'
import { createAwsKinesisApi } from '../kinesis/aws-kinesis-api.ts'
import type { WorkerFlags } from './commands/worker.ts'
import { definitionFrom } from './flags.ts'
import { onInterrupt } from './interrupt.ts'
import { jsonForm } from './json-form.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { tell } from './tell.ts'

/** Works until SIGTERM or Ctrl-C, then gives everything back. */
export async function runWorker(flags: WorkerFlags): Promise<void> {
  const definition = definitionFrom(flags)
  const { db, client } = checkpointSettings(process.env, {
    ...(flags.checkpointDb && { db: flags.checkpointDb }),
    ...(flags.clientName && { client: flags.clientName }),
  })
  await using _log = atEnd(logDiagnostics(flags.verbose))
  const { name, region, endpoint, format } = definition
  const api = createAwsKinesisApi({
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
  })
  await using _api = atEnd(() => api.close())
  using metrics = flags.metrics === undefined ? undefined : await WorkerMetrics.open()
  await using _server = metrics && (await serve(metrics, flags.metrics))
  await using letters = flags.deadLetters === undefined ? undefined : openLetters(flags)
  await using leases = openLeaseStore(db, { retryMs: flags.failoverMs / 5, answerMs: flags.failoverMs / 2 })
  // Tables and places that are not there, or are somebody else's, are told before the program is started.
  await leases.list(client, name)
  await leases.checkpoints.load(client, name)
  if (letters !== undefined && flags.deadLetters?.startsWith('file:')) await new DeadLetterStore(letters).list(name)
  const { exec: command, input, children, handOffMs } = flags
  await using exec = new ExecHandler({ command, input, children, patienceMs: handOffMs })
  let stop = () => {}
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  await using _signals = atEnd(onInterrupt(stop))
  await using worker = new Worker<string>(
    { api, stream: name, decode: jsonForm(format, flags.format === 'lossless').toLine, leases, closesLeases: false },
    {
      ...{ client, handler: exec.handle, startFrom: flags.from, batchRecords: flags.batchRecords },
      ...{ retries: flags.retries, failoverMs: flags.failoverMs, handOffMs },
      ...(flags.workerId !== undefined && { workerId: flags.workerId }),
      onFailure:
        letters === undefined ? flags.onFailure : new DeadLetterStore(letters, { isRaw: format !== 'msgpack' }),
    },
  )
  tell(`triton: ${worker.owner} works on ${name} for ${client}; Ctrl-C stops it`)
  await stopped
}

async function serve(metrics: WorkerMetrics, place: WorkerFlags['metrics']): Promise<AsyncDisposable> {
  const { host = '127.0.0.1', port = 0 } = place ?? {}
  const server = await MetricsServer.open(host, port, metrics)
  tell(`triton: metrics at ${server.endpoint}/metrics`)
  return atEnd(() => server.close())
}

function atEnd(act: () => unknown): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      await act()
    },
  }
}

function openLetters({ deadLetters = '', s3Endpoint, region }: WorkerFlags) {
  return openStore(deadLetters, {
    ...(s3Endpoint !== undefined && { endpoint: s3Endpoint }),
    ...(region !== undefined && { region }),
  })
}
