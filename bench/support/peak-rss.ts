import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * The most memory that a process has had at once, in bytes; off Linux what it has now. (`maxRSS` begins with what the
 * parent had when it started the process: of a bench that holds its data in memory that is the larger part.)
 */
export function peakRssBytes(pid = process.pid): number {
  if (process.platform !== 'linux')
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1_024
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024
}
