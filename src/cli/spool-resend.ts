import { resolve } from 'node:path'
import { type Config, definitionOf, loadConfig } from '../config.ts'
import { refusedDirOf, refusedFiles } from '../daemon/refused-files.ts'
import { resendRefused } from '../daemon/resend-refused.ts'
import { StorageError } from '../errors.ts'
import { lockDirectory } from '../journal/directory-lock.ts'
import { createAwsKinesisApi } from '../kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../kinesis/kinesis-api.ts'
import { Producer } from '../producer/producer.ts'
import type { SpoolResendFlags } from './commands/spool/resend.ts'
import { FailedError } from './exit-code.ts'
import { withFlags } from './flags.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { tell } from './tell.ts'

/** Puts refused records into their streams again. */
export async function resendAll(names: readonly string[], flags: SpoolResendFlags): Promise<void> {
  const spoolDir = resolve(flags.spool)
  const config = loadConfig(flags.config)
  const stopLog = logDiagnostics(flags.verbose)
  let lock: Disposable | undefined
  let sentCount = 0
  let failedCount = 0
  try {
    for await (const file of refusedFiles(spoolDir, names)) {
      const stream = file.records[0]?.stream ?? ''
      if (flags.stream !== undefined && flags.stream !== stream) continue
      // Only where there is something to send: the directory exists then.
      lock ??= await lockRefused(spoolDir)
      const result = await sendWith(config, stream, flags, (producer) => resendRefused(spoolDir, file, producer))
      sentCount += result.sentCount
      failedCount += result.failed.length
      const [first] = result.failed
      if (first !== undefined)
        tell(
          `triton: ${result.failed.length} of ${file.records.length} records of ${file.name}: ${first.error.message}`,
        )
    }
  } finally {
    lock?.[Symbol.dispose]()
    stopLog()
  }
  tell(`${sentCount} records sent${failedCount > 0 ? `, ${failedCount} stay where they are` : ''}`)
  if (failedCount > 0) throw new FailedError()
}

async function sendWith<T>(
  config: Config,
  stream: string,
  flags: SpoolResendFlags,
  act: (producer: Producer) => Promise<T>,
): Promise<T> {
  const { name, region, endpoint } = withFlags(definitionOf(stream, config), flags)
  const api: KinesisApi = createAwsKinesisApi({
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
  })
  try {
    await using producer = new Producer(api, name)
    return await act(producer)
  } finally {
    api.close()
  }
}

/** Two at once would send everything twice. */
async function lockRefused(spoolDir: string): Promise<Disposable> {
  const { default: Sqlite } = await import('libsql')
  const dir = refusedDirOf(spoolDir)
  try {
    const lock = lockDirectory(Sqlite, dir)
    return { [Symbol.dispose]: () => lock.release() }
  } catch (cause) {
    throw new StorageError(`can't lock ${dir}: ${(cause as Error).message}. Does another resend run?`, { cause })
  }
}
