import { type Command, InvalidArgumentError } from 'commander'
import { systemClock } from '../../clock.ts'
import type { Fallback } from '../../consumer/read-settings.ts'
import { byteSizeFrom } from '../byte-size.ts'
import { duration } from '../duration.ts'
import { addStreamFlags, portNumber, type StreamFlags, wholeNumber } from '../flags.ts'
import { parseTime } from '../start-time.ts'
import { addStorePlaceFlags, type StorePlaceFlags } from '../store-place.ts'

export interface StoreFlags extends StreamFlags, StorePlaceFlags {
  clientName?: string
  checkpointDb?: string
  skipToLatest?: boolean
  from?: Fallback
  rotate?: number
  rotateBytes?: number
  drainMs?: number
  leaseMs?: number
  untilCaughtUp?: boolean
  metrics?: number
}

export function define(command: Command): void {
  addStorePlaceFlags(
    addStreamFlags(command).description(
      'Keep every record of a stream in S3 or a directory, each once.\n\n' +
        'Runs until SIGTERM or Ctrl-C, then stores what it has read. Killed at any moment, its next start goes on exactly ' +
        'behind what is stored.',
    ),
  )
    .option('--client-name <name>', 'whose archives these are; default TRITON_CLIENT, else store')
    .option('--checkpoint-db <address>', 'checkpoint database; default TRITON_DB, else sqlite://triton.db')
    .option('--skip-to-latest', 'at the first start, begin with what is put from now on')
    .option(
      '--from <start>',
      'where the first start begins: all (default), latest, or a time as in "triton get"',
      startOf,
    )
    .option('--rotate <duration>', 'how long an object grows (default: 1h)', duration)
    .option('--rotate-bytes <bytes>', 'how large an object grows (default: 128MiB)', byteSizeFrom(1))
    .option('--drain-ms <ms>', 'how long storing may take after SIGTERM (default: 25000)', wholeNumber(0))
    .option('--lease-ms <ms>', 'when another may take over from one that is dead (default: 10000)', wholeNumber(100))
    .option(
      '--metrics <port>',
      'answer Prometheus at /metrics of this port of 127.0.0.1; 0 takes a free one',
      portNumber,
    )
    .option('--until-caught-up', 'end at the tip instead of waiting for more')
    .addHelpText(
      'after',
      `
Examples:
  $ triton store -s orders --bucket triton-data --checkpoint-db postgres://db/triton
  $ triton store -s orders --store file:///var/triton --rotate 15m -v
`,
    )
    .action(async (flags: StoreFlags) => {
      const { storeRecords } = await import('../store-records.ts')
      await storeRecords(flags)
    })
}

function startOf(text: string): Fallback {
  if (text === 'latest') return text
  if (text === 'all') return 'oldest'
  const at = parseTime(text, systemClock.now())
  if (at) return at
  throw new InvalidArgumentError(
    'It must be all, latest, a time such as 2026-11-23T10:00:00Z, epoch seconds, or how long ago, such as 10m.',
  )
}
