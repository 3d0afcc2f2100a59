import { setTimeout } from 'node:timers/promises'

/**
 * What `work` costs this process, in microseconds of CPU for each of `recordCount` records, threads of Node's own
 * included.
 */
export async function cpuUsPerRecord(recordCount: number, work: () => Promise<void>): Promise<number> {
  // Compiling and collecting go on in threads of their own for a while: let each work pay for its own.
  await setTimeout(settleMs)
  const before = process.cpuUsage()
  await work()
  await setTimeout(settleMs)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / recordCount
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)] as number
}

const settleMs = 10
