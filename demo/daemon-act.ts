import { join } from 'node:path'
import { getNonblockingStream, getStream, loadConfig } from 'triton-kinesis'
import { freePort } from '../test/support/free-port.ts'
import type { Row } from './input.ts'
import type { Processes } from './processes.ts'

/** What became of records that went through tritond. */
export interface DaemonProof {
  total: number
  /** How many the daemon had when it was killed. */
  keptAtKill: number
  missing: number
  storedTwice: number
}

/**
 * The other way in: records are handed to the daemon of this host, which keeps them in its spool. It is killed while they
 * come, and started again. `putDurable` resolved for each of them, so each has to arrive.
 */
export async function runDaemonAct(
  processes: Processes,
  directory: string,
  streamName: string,
  rows: readonly Row[],
  tell: (text: string) => void,
): Promise<DaemonProof> {
  const some = rows.slice(0, mostRows)
  const port = await freePort()
  const durablePort = await freePort()
  const start = () => processes.startDaemon(port, durablePort, join(directory, 'spool'))
  let daemon = await start()
  await using client = getNonblockingStream<Row>(streamName, loadConfig(), {
    port,
    durablePort,
    durableTimeoutMs: patienceMs,
    highWaterMark: mostRows,
  })
  let keptCount = 0
  let keptAtKill = 0
  let restarted: Promise<void> | undefined
  const puts = some.map(async (row) => {
    await client.putDurable(row)
    keptCount++
    if (keptCount < some.length / 2 || restarted !== undefined) return
    keptAtKill = keptCount
    restarted = (async () => {
      await processes.kill(daemon)
      daemon = await start()
    })()
  })
  await Promise.all(puts)
  await restarted
  tell(
    `tritond was killed (SIGKILL) when it had ${keptAtKill} records in its spool, and started again: it has all of them`,
  )

  await using stream = getStream<Row>(streamName, loadConfig())
  const seen = new Map<unknown, number>()
  const patience = AbortSignal.timeout(patienceMs)
  const records = stream.iterate({ from: 'oldest' }, { signal: patience })
  for await (const { data } of records) {
    const line = data?.['_line']
    seen.set(line, (seen.get(line) ?? 0) + 1)
    if (seen.size === some.length) records.stop()
  }
  daemon.kill('SIGTERM')
  await processes.ended(daemon, 'tritond', patienceMs)
  const storedTwice = [...seen.values()].reduce((sum, count) => sum + count - 1, 0)
  return { total: some.length, keptAtKill, missing: some.length - seen.size, storedTwice }
}

const mostRows = 5_000
const patienceMs = 30_000
