import { type Command, InvalidArgumentError, Option } from 'commander'
import { systemClock } from '../../clock.ts'
import { leastFailoverMs } from '../../group/worker-options.ts'
import { duration } from '../duration.ts'
import { addCheckpointFlags, addStreamFlags, type CheckpointFlags, type StreamFlags, wholeNumber } from '../flags.ts'
import { metricsPlace } from '../metrics-place.ts'
import { parseTime } from '../start-time.ts'

export interface WorkerFlags extends StreamFlags, CheckpointFlags {
  exec: string
  input: 'json' | 'raw'
  format: 'json' | 'lossless'
  children: 'shard' | 'one'
  from: 'oldest' | 'latest' | Date
  batchRecords: number
  onFailure: 'stop-shard' | 'skip'
  deadLetters?: string
  s3Endpoint?: string
  retries: number
  failoverMs: number
  handOffMs: number
  metrics?: { host?: string; port: number }
  workerId?: string
}

export function define(command: Command): void {
  addCheckpointFlags(
    addStreamFlags(command).description(
      'Have a program handle the records of a stream, together with all other workers of the same client.\n\n' +
        'The program gets batches on its stdin and answers each with a line on its stdout: docs/worker-exec.md. Runs until ' +
        'SIGTERM or Ctrl-C; the shards are then given back at once.',
    ),
  )
    .requiredOption('--exec <command>', 'the program and its arguments, as for a shell', programOf)
    .addOption(new Option('--input <form>', 'of a batch').choices(['json', 'raw']).default('json'))
    .addOption(new Option('--format <format>', 'of data in JSON').choices(['json', 'lossless']).default('json'))
    .addOption(
      new Option('--children <which>', 'a process for each shard, or one').choices(['shard', 'one']).default('shard'),
    )
    .addOption(
      new Option('--from <start>', 'where a new group begins: all, latest, or a time as in "triton get"')
        .argParser(startOf)
        .default('oldest', 'all'),
    )
    .option('--batch-records <count>', 'records in a batch, at most', wholeNumber(1), 500)
    .addOption(
      new Option('--on-failure <policy>', 'of a record that fails for good')
        .choices(['stop-shard', 'skip'])
        .default('stop-shard'),
    )
    .addOption(
      new Option(
        '--dead-letters <url>',
        'keep such records instead: s3://bucket/prefix or file:///directory',
      ).conflicts('onFailure'),
    )
    .option('--s3-endpoint <url>', 'an S3 that is not AWS')
    .option('--retries <count>', 'how often a failing batch is tried again', wholeNumber(0), 5)
    .option('--failover-ms <duration>', 'how long a worker that died keeps its shards', failoverOf, 5_000)
    .option('--hand-off-ms <duration>', 'how long a batch may take when its shard is wanted', duration, 10_000)
    .option(
      '--metrics <port>',
      'answer /metrics, /healthz and /readyz there; [HOST:]PORT, else on 127.0.0.1',
      metricsPlace,
    )
    .option('--worker-id <id>', 'for people and logs; default: host name and process id')
    .addHelpText(
      'after',
      `
Examples:
  $ triton worker -s orders --client-name billing --exec 'python3 handle.py'
  $ triton worker -s orders --client-name billing --exec ./handle --dead-letters file:///var/dead --metrics 0.0.0.0:9100
`,
    )
    .action(async (flags: WorkerFlags) => {
      const { runWorker } = await import('../run-worker.ts')
      await runWorker(flags)
    })
}

function programOf(text: string): string {
  if (text.trim() !== '') return text
  throw new InvalidArgumentError('It must be a program, such as "python3 handle.py".')
}

function failoverOf(text: string): number {
  const ms = duration(text)
  if (ms >= leastFailoverMs) return ms
  throw new InvalidArgumentError(`It must be ${leastFailoverMs}ms or more.`)
}

function startOf(text: string): WorkerFlags['from'] {
  if (text === 'latest') return text
  if (text === 'all') return 'oldest'
  const at = parseTime(text, systemClock.now())
  if (at) return at
  throw new InvalidArgumentError(
    'It must be all, latest, a time such as 2026-11-23T10:00:00Z, epoch seconds, or how long ago, such as 10m.',
  )
}
