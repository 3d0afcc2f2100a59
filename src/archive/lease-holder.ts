import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'

/** This process, so that others can tell whether it still runs: `host/pid/start/random`. */
export function holderName(): string {
  return `${hostname().slice(0, 120)}/${process.pid}/${startOf(process.pid) ?? ''}/${randomUUID()}`
}

/**
 * Whether the holder was a process of this host that runs no more. Of processes elsewhere nothing is known, and when in
 * doubt it lives: its lease will run out.
 */
export function isHolderGone(holder: string): boolean {
  const [host, pidText, start] = holder.split('/')
  const pid = Number(pidText)
  if (host !== hostname().slice(0, 120) || !Number.isSafeInteger(pid) || pid <= 0) return false
  // In a container that was started anew the number may be our own.
  if (start !== '' && startOf(pid) !== undefined) return startOf(pid) !== start
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

/** When the process began, in the kernel's ticks: tells it from a later one of the same number. Linux only. */
function startOf(pid: number): string | undefined {
  try {
    // Behind the name, which may hold anything, in parentheses: the 20th field.
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}
