import { readFileSync } from 'node:fs'

/**
 * The most memory that this process has had at once, in bytes. On Linux `maxRSS` begins with what the parent had when it
 * started us: of a bench that holds its data in memory that is the larger part.
 */
export function peakRssBytes(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1_024
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1_024
}
